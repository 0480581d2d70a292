import { FsError } from "#model/fs-error.ts";
import { linksMax, nameBytesMax } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { NfsStat3 } from "#wire/nfs3.ts";
import { writePostOp } from "../attributes.ts";
import type { Call } from "../call.ts";
import { failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, settle, statusAndAttributesBytes } from "./reply.ts";

/** PATHCONF (RFC 1813 §3.3.20). */
export const pathconf = (settings: Nfs3Settings) =>
  procedure("PATHCONF", FailureBody.attributes, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    return settle(call, fs.getattr(idOf(call)), answer);
  });

function answer(call: Call, inode: Inode | FsError): void {
  if (inode instanceof FsError) return failWith(call, inode);
  const w = call.begin();
  w.reserve(statusAndAttributesBytes + 24);
  w.u32(NfsStat3.NFS3_OK);
  writePostOp(w, inode, call.view);
  w.u32(linksMax);
  w.u32(nameBytesMax);
  // no_trunc, chown_restricted, case_insensitive, case_preserving
  w.u32(1);
  w.u32(1);
  w.u32(0);
  w.u32(1);
  call.end();
}
