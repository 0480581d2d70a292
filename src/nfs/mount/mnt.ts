import { StoreFailedError, StoreUnavailableError } from "#model/block-store.ts";
import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { Absence } from "#vfs/absent-shares.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { fhBytesMax } from "#wire/nfs3.ts";
import { mountPathBytesMax, MountStat3 } from "#wire/mount3.ts";
import { AcceptStat, AuthFlavor } from "#wire/rpc.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import type { Call } from "../call.ts";
import { mount3StatusOf } from "../status.ts";
import { resolveExport } from "./export-path.ts";
import type { MountProcedure, MountSettings } from "./index.ts";

/** The flavors a mounted share takes, preferred first. */
const flavors = [AuthFlavor.AUTH_SYS, AuthFlavor.AUTH_NONE];

/** MNT (RFC 1813 §5.2.1): the handle of a share's root, or of a directory below it that the caller may walk to. */
export const mnt = (settings: MountSettings): MountProcedure => ({
  name: "MNT",
  remembered: false,
  run(call, args) {
    const path = args.string(mountPathBytesMax);
    if (args.failure === XdrFailure.tooLong) return fail(call, MountStat3.MNT3ERR_NAMETOOLONG);
    if (args.failure === XdrFailure.badName) return fail(call, MountStat3.MNT3ERR_INVAL);
    if (args.failure !== XdrFailure.none) return call.reject(AcceptStat.GARBAGE_ARGS);
    return mountPath(settings, call, path);
  },
  trouble: (call, error) => trouble(settings, call, error),
});

/**
 * A store that is away was waited for by whoever asked it. Linux' mount tries again by itself only what it gets no answer to; so, as with a
 * share that is not back in time, the status is the one that doesn't say that there is no such share. One that refuses for good is an I/O error.
 */
function trouble({ logger }: MountSettings, call: Call, error: unknown): boolean {
  if (error instanceof StoreFailedError) {
    logger.error({ ...call.logFields, error }, "a mount was answered by an I/O error: the share's store refuses what it needs");
    fail(call, MountStat3.MNT3ERR_IO);
    return true;
  }
  if (!(error instanceof StoreUnavailableError)) return false;
  logger.info({ ...call.logFields, error }, "refused a mount: a store of the share is away");
  fail(call, MountStat3.MNT3ERR_SERVERFAULT);
  return true;
}

async function mountPath(settings: MountSettings, call: Call, path: string): Promise<void> {
  const { shares } = settings;
  const found = resolveExport(shares, path);
  if (found === null) return fail(call, MountStat3.MNT3ERR_NOENT);
  if (found.fs !== null) return await mountBelow(settings, call, path, found.fs, found.below);
  // Whom the share is closed to has nothing to wait for.
  if (!found.absent.policy.admits("nfs", call.client.address)) return refuse(settings, call, found.absent.name);
  await shares.absent.settled(settings.clock, () => resolveExport(shares, path)?.absent?.why === Absence.returning);
  const left = resolveExport(shares, path);
  if (left === null) return fail(call, MountStat3.MNT3ERR_NOENT);
  if (left.fs === null) {
    settings.logger.info({ ...call.logFields, share: left.absent.name }, "refused a mount: the share is not served at present");
    // No status says "later" (RFC 1813 §5.1.5); this one doesn't say that there is no such share.
    return fail(call, left.absent.why === Absence.gone ? MountStat3.MNT3ERR_IO : MountStat3.MNT3ERR_SERVERFAULT);
  }
  // Whoever runs the calls knows of no share this one is in.
  left.fs.enter();
  try {
    await mountBelow(settings, call, path, left.fs, left.below);
  } finally {
    left.fs.leave();
  }
}

async function mountBelow(settings: MountSettings, call: Call, path: string, fs: FileSystem, below: readonly string[]): Promise<void> {
  const view = call.client.view(fs);
  if (!view.allowed) return refuse(settings, call, fs.name);
  call.view = view;
  let inode: Inode = await fs.root();
  for (const name of below) {
    if (name === "..") return fail(call, MountStat3.MNT3ERR_ACCES);
    const next = await fs.lookup(view.credentials(call.claim), inode.id, name);
    if (next instanceof FsError) return fail(call, mount3StatusOf(next));
    inode = next.inode;
  }
  if (inode.type !== FileType.directory) return fail(call, MountStat3.MNT3ERR_NOTDIR);
  settings.mounts.add(call.client.address, path, fs.name);
  const w = call.begin();
  w.reserve(4 + 4 + fhBytesMax + 4 + 4 * flavors.length);
  w.u32(MountStat3.MNT3_OK);
  w.opaque(fs.handleOf(inode));
  w.u32(flavors.length);
  for (const flavor of flavors) w.u32(flavor);
  call.end();
}

function refuse({ logger }: MountSettings, call: Call, share: string): void {
  logger.info({ ...call.logFields, share }, "refused a mount: the share is not open to this client");
  fail(call, MountStat3.MNT3ERR_ACCES);
}

function fail(call: Call, status: MountStat3): void {
  call.status = status;
  const w = call.begin();
  w.reserve(4);
  w.u32(status);
  call.end();
}
