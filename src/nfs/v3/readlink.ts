import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { NfsStat3 } from "#wire/nfs3.ts";
import { writePostOp } from "../attributes.ts";
import type { Call } from "../call.ts";
import { failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, settle, statusAndAttributesBytes, whoOf } from "./reply.ts";

/** READLINK (RFC 1813 §3.3.5). */
export const readlink = (settings: Nfs3Settings) =>
  procedure("READLINK", FailureBody.attributes, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    return settle(call, fs.readlink(whoOf(call), idOf(call)), answer);
  });

function answer(call: Call, result: { readonly inode: Inode; readonly target: Uint8Array } | FsError): void {
  if (result instanceof FsError) return failWith(call, result);
  const w = call.begin();
  w.reserve(statusAndAttributesBytes);
  w.u32(NfsStat3.NFS3_OK);
  writePostOp(w, result.inode, call.view);
  w.opaque(result.target);
  call.end();
}
