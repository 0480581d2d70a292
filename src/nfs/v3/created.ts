import { FsError } from "#model/fs-error.ts";
import type { Created } from "#vfs/file-system.ts";
import { fhBytesMax, NfsStat3, postOpAttrBytes, wccDataBytes } from "#wire/nfs3.ts";
import { writeChange, writePostOp } from "../attributes.ts";
import type { Call } from "../call.ts";
import { failWith } from "./reply.ts";

/** The answer CREATE, MKDIR, SYMLINK and MKNOD share: handle and attributes of what was made, wcc_data of its directory. */
export function answerCreated(call: Call, result: Created | FsError): void {
  if (result instanceof FsError) return failWith(call, result);
  const view = call.view!;
  const w = call.begin();
  w.reserve(4 + 4 + 4 + fhBytesMax + postOpAttrBytes + wccDataBytes);
  w.u32(NfsStat3.NFS3_OK);
  w.u32(1);
  w.opaque(view.fs.handleOf(result.inode));
  writePostOp(w, result.inode, view);
  writeChange(w, result.directory, view);
  call.end();
}
