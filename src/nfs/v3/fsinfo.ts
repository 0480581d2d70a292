import { FsError } from "#model/fs-error.ts";
import { fileSizeMax } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { Fsf3, NfsStat3 } from "#wire/nfs3.ts";
import { writePostOp } from "../attributes.ts";
import { failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, settle, statusAndAttributesBytes } from "./reply.ts";

/** Transfers of a multiple of this go best; the length of a listing that goes best. */
const transferMultiple = 4096;
const listingPreferred = 64 * 1024;

/** FSINFO (RFC 1813 §3.3.19). */
export const fsinfo = (settings: Nfs3Settings) =>
  procedure("FSINFO", FailureBody.attributes, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    return settle(call, fs.getattr(idOf(call)), (_, inode: Inode | FsError) => {
      if (inode instanceof FsError) return failWith(call, inode);
      const w = call.begin();
      w.reserve(statusAndAttributesBytes + 48);
      w.u32(NfsStat3.NFS3_OK);
      writePostOp(w, inode, call.view);
      w.u32(settings.sizes.readMax);
      w.u32(settings.sizes.readMax);
      w.u32(transferMultiple);
      w.u32(settings.sizes.writeMax);
      w.u32(settings.sizes.writeMax);
      w.u32(transferMultiple);
      w.u32(listingPreferred);
      w.u64(fileSizeMax);
      // time_delta: times are kept to the nanosecond.
      w.u32(0);
      w.u32(1);
      w.u32(Fsf3.LINK | Fsf3.SYMLINK | Fsf3.HOMOGENEOUS | Fsf3.CANSETTIME);
      call.end();
    });
  });
