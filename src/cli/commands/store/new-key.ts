import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Random, systemRandom } from "#base/random.ts";
import { type Verb, UsageError } from "../../remote/index.ts";

const keyBytes = 32;
const idShape = /^[a-zA-Z0-9._-]{1,64}$/;

export const newKey: Verb = {
  name: "new-key",
  local: true,
  summary: "Make a master key, in front of those in a key file, or in a new one. Whoever loses the file loses what is encrypted with it: keep a copy in another place, apart from the content.",
  examples: ["dittofs store block new-key /etc/dittofs/master.keys", "dittofs store block new-key /etc/dittofs/master.keys --id 2027-spring && dittofs store block rotate-key cloud"],
  args: [{ name: "<path>", help: "the key file, on the machine of the server and of its user" }],
  flags: [{ flags: "--id <id>", help: "what to call the key (default: a random one)" }],
  async run(call) {
    const path = resolve(call.argument("path"));
    const id = call.text("id") ?? Buffer.from(systemRandom.bytes(6)).toString("hex");
    if (!idShape.test(id)) throw new UsageError("--id: up to 64 letters, digits, dots, dashes and underscores are allowed");
    const first = addKey(path, id, systemRandom);
    const hint = first ? "Keep a copy of it in another place: without it nothing that is encrypted with it can be read again." : "Stores use it after: dittofs store block rotate-key NAME. Keep the older keys until that is done, and keep a copy of the file in another place.";
    call.done(`made the master key ${id} in ${path}. ${hint}`, { id, path });
  },
};

/** Puts a new key in front of the file's; whether it is the first. The file is exchanged whole. */
function addKey(path: string, id: string, random: Random): boolean {
  const { text, owner } = present(path);
  const taken = text.split(/[\n;]/).some((line) => !line.trim().startsWith("#") && line.split("=")[0]?.trim() === id);
  if (taken) throw new UsageError(`${path} has a key ${id} already; give another --id`);
  const temporary = `${path}.${Buffer.from(random.bytes(6)).toString("hex")}.new`;
  const fd = made(temporary);
  try {
    writeSync(fd, `${id} = ${Buffer.from(random.bytes(keyBytes)).toString("base64")}\n${text}`);
    fsyncSync(fd);
    if (owner !== null && owner !== fstatSync(fd).uid) throw new UsageError(`${path} belongs to another user (${owner}); run this as that user, so that the server can still read it`);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  syncDirectory(dirname(path));
  return text.trim() === "";
}

function made(path: string): number {
  try {
    return openSync(path, "wx", 0o600);
  } catch (error) {
    const directory = dirname(path);
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new UsageError(`there is no directory ${directory} to put the key file in. Make it first (mkdir -p -m 700 '${directory}'), or name another path`);
    if (code === "ENOTDIR") throw new UsageError(`${directory} is no directory; name another path`);
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") throw new UsageError(`${directory} can't be written to by this user; run this as the server's user, or name another path`);
    throw error;
  }
}

/** What the file has, and whose it is; nothing where there is none. */
function present(path: string): { readonly text: string; readonly owner: number | null } {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    // What is wrong above it is said where the file is made.
    if (code === "ENOENT" || code === "ENOTDIR") return { text: "", owner: null };
    throw error;
  }
  try {
    const { mode, uid } = fstatSync(fd);
    if ((mode & 0o077) !== 0) throw new UsageError(`${path} can be read by others than its owner. Run: chmod 600 '${path}'`);
    return { text: readFileSync(fd, "utf8"), owner: uid };
  } finally {
    closeSync(fd);
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
