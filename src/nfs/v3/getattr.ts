import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { fattr3Bytes, NfsStat3 } from "#wire/nfs3.ts";
import { writeAttributes } from "../attributes.ts";
import type { Call } from "../call.ts";
import { failWith, FailureBody, locate, type Nfs3Settings, procedure, settle } from "./reply.ts";

/** GETATTR (RFC 1813 §3.3.1). */
export const getattr = (settings: Nfs3Settings) =>
  procedure("GETATTR", FailureBody.none, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null || call.id === 0) return;
    return settle(call, fs.getattr(call.id), answer);
  });

function answer(call: Call, inode: Inode | FsError): void {
  if (inode instanceof FsError) return failWith(call, inode);
  const w = call.begin();
  w.reserve(4 + fattr3Bytes);
  w.u32(NfsStat3.NFS3_OK);
  writeAttributes(w, inode, call.view!);
  call.end();
}
