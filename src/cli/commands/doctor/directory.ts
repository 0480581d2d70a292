import { accessSync, closeSync, constants, existsSync, fsyncSync, openSync, rmSync, type Stats, statfsSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { approximateSize } from "../../remote/index.ts";
import { codeOf, fail, type Finding, ok, warn } from "./finding.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;
/** Below this the server can't even write a log segment. */
const roomBytesMin = 64 * MiB;
const roomBytesWanted = GiB;
const roomShareWanted = 0.05;

/** statfs(2) f_type on Linux: where locks, syncs or the data themselves can't be relied upon. */
const doubtful: ReadonlyMap<number, readonly [name: string, why: string]> = new Map([
  [0x01021994, ["tmpfs", "everything in it is gone after a restart of the machine"]],
  [0x858458f6, ["ramfs", "everything in it is gone after a restart of the machine"]],
  [0x794c7630, ["overlayfs", "in a container it goes with the container; mount a volume there"]],
  [0x6969, ["NFS", "locks and syncs depend on another machine"]],
  [0xff534d42, ["CIFS", "SQLite's locks and syncs can't be relied upon there"]],
  [0xfe534d42, ["SMB", "SQLite's locks and syncs can't be relied upon there"]],
  [0x65735546, ["FUSE", "whether it keeps what was synced depends on the program behind it"]],
  [0x01021997, ["9p", "locks and syncs depend on another machine"]],
  [0x00c36400, ["Ceph", "locks and syncs depend on other machines"]],
]);

/** Whether a directory the server keeps things in is there, ours, private, on a disk that remembers, with room. */
export function checkDirectory(check: string, path: string): readonly Finding[] {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    const code = codeOf(error);
    if (code !== "ENOENT") return [fail(check, `${path} can't be looked at (${code})`, "run this as the user the server runs as")];
    const parent = nearest(path);
    return [...checkWritable(check, parent, `${path} is not there yet; the server makes it at its first start`), ...checkFileSystem(check, parent)];
  }
  if (!stats.isDirectory()) return [fail(check, `${path} is not a directory`, "name another with --data-dir or in the configuration")];
  return [...checkOwner(check, path, stats), ...checkWritable(check, path, `${path} can be written`), ...checkFileSystem(check, path)];
}

function nearest(path: string): string {
  let at = path;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}

function checkOwner(check: string, path: string, stats: Stats): readonly Finding[] {
  const me = process.getuid?.() ?? stats.uid;
  if (stats.uid !== me) return [warn(check, `${path} belongs to the user id ${stats.uid}, and this is run by ${me}`, "run the server and its commands as one user, the owner of the data")];
  if ((stats.mode & 0o022) !== 0) return [warn(check, `others may write into ${path} (mode ${octal(stats.mode)})`, `chmod go-w ${path}`)];
  return [ok(check, `${path} is ours (mode ${octal(stats.mode)})`)];
}

function checkWritable(check: string, path: string, said: string): readonly Finding[] {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = codeOf(error);
    const advice = code === "EROFS" ? "mount its file system writable, and look into the kernel's log for why it isn't: a disk with errors is made read-only" : "run this as the user the server runs as, or give that user the directory with chown";
    return [fail(check, `${path} can't be written (${code})`, advice)];
  }
  return [ok(check, said), ...checkSync(check, path)];
}

/** Whether the file system takes a file and syncs it. Whatever is acknowledged rests on that. */
function checkSync(check: string, path: string): readonly Finding[] {
  const probe = join(path, `.doctor-${process.pid}`);
  let fd = -1;
  try {
    fd = openSync(probe, "wx", 0o600);
    writeSync(fd, new Uint8Array(4096));
    fsyncSync(fd);
    return [];
  } catch (error) {
    const code = codeOf(error);
    const full = code === "ENOSPC" || code === "EDQUOT";
    return [fail(`${check}: file system`, `a file in ${path} can't be written and synced (${code})`, full ? "make room, or move the data to a larger disk" : "look into the kernel's log for errors of the disk, or keep the data on a file system that syncs: ext4, XFS, Btrfs or ZFS")];
  } finally {
    if (fd >= 0) closeSync(fd);
    rmSync(probe, { force: true });
  }
}

function checkFileSystem(check: string, path: string): readonly Finding[] {
  const { type, bavail, blocks, bsize, files, ffree } = statfsSync(path);
  const found: Finding[] = [];
  const kind = process.platform === "linux" ? doubtful.get(type >>> 0) : undefined;
  if (kind !== undefined) found.push(warn(`${check}: file system`, `${path} is on ${kind[0]}: ${kind[1]}`, "keep data and log on a local disk: ext4, XFS, Btrfs or ZFS"));
  const room = bavail * bsize;
  const said = `${approximateSize(room)} of ${approximateSize(blocks * bsize)} free`;
  const more = "make room, or move the data to a larger disk";
  if (room < roomBytesMin) found.push(fail(`${check}: room`, said, more));
  else if (room < roomBytesWanted || room < blocks * bsize * roomShareWanted) found.push(warn(`${check}: room`, said, more));
  else if (files > 0 && ffree === 0) found.push(fail(`${check}: room`, `${said}, but no inode is`, "delete files, or make the file system with more inodes"));
  else found.push(ok(`${check}: room`, said));
  return found;
}

/** Whether a file with secrets is for its owner alone; nothing where it isn't there. */
export function checkPrivate(check: string, path: string): readonly Finding[] {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    const code = codeOf(error);
    return code === "ENOENT" ? [] : [warn(check, `${path} can't be looked at (${code})`, "run this as the user the server runs as")];
  }
  if ((stats.mode & 0o077) !== 0) return [fail(check, `others may read ${path} (mode ${octal(stats.mode)})`, `chmod 600 ${path}, and take what it holds for known to whoever uses this machine`)];
  return [ok(check, `${path} is for its owner alone`)];
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
