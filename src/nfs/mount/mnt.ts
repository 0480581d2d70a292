import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
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
export const mnt = ({ shares, mounts, logger }: MountSettings): MountProcedure => ({
  name: "MNT",
  remembered: false,
  async run(call, args) {
    const path = args.string(mountPathBytesMax);
    if (args.failure === XdrFailure.tooLong) return fail(call, MountStat3.MNT3ERR_NAMETOOLONG);
    if (args.failure === XdrFailure.badName) return fail(call, MountStat3.MNT3ERR_INVAL);
    if (args.failure !== XdrFailure.none) return call.reject(AcceptStat.GARBAGE_ARGS);
    const found = resolveExport(shares, path);
    if (found === null) return fail(call, MountStat3.MNT3ERR_NOENT);
    const view = call.client.view(found.fs);
    if (!view.allowed) {
      logger.info({ ...call.logFields, share: found.fs.name }, "refused a mount: the share is not open to this client");
      return fail(call, MountStat3.MNT3ERR_ACCES);
    }
    call.view = view;
    let inode: Inode = await found.fs.root();
    for (const name of found.below) {
      if (name === "..") return fail(call, MountStat3.MNT3ERR_ACCES);
      const next = await found.fs.lookup(view.credentials(call.claim), inode.id, name);
      if (next instanceof FsError) return fail(call, mount3StatusOf(next));
      inode = next.inode;
    }
    if (inode.type !== FileType.directory) return fail(call, MountStat3.MNT3ERR_NOTDIR);
    mounts.add(call.client.address, path, found.fs.name);
    const w = call.begin();
    w.reserve(4 + 4 + fhBytesMax + 4 + 4 * flavors.length);
    w.u32(MountStat3.MNT3_OK);
    w.opaque(found.fs.handleOf(inode));
    w.u32(flavors.length);
    for (const flavor of flavors) w.u32(flavor);
    call.end();
  },
});

function fail(call: Call, status: MountStat3): void {
  call.status = status;
  const w = call.begin();
  w.reserve(4);
  w.u32(status);
  call.end();
}
