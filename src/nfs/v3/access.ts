import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { Access } from "#vfs/file-system.ts";
import { Access3, NfsStat3 } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { writePostOp } from "../attributes.ts";
import type { Call } from "../call.ts";
import { failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, refuse, settle, statusAndAttributesBytes, whoOf } from "./reply.ts";

/** The bits of ours and of the protocol are the same numbers; this fails to compile when they part. */
Access satisfies { [K in keyof typeof Access]: (typeof Access3)[Uppercase<K>] };
const bitsMask = Access.read | Access.lookup | Access.modify | Access.extend | Access.delete | Access.execute;

/** ACCESS (RFC 1813 §3.3.4): never an error for what is not granted, only fewer bits. */
export const access = (settings: Nfs3Settings) =>
  procedure("ACCESS", FailureBody.attributes, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const wanted = args.u32() & bitsMask;
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    return settle(call, fs.access(whoOf(call), idOf(call), wanted), answer);
  });

function answer(call: Call, result: { readonly inode: Inode; readonly granted: number } | FsError): void {
  if (result instanceof FsError) return failWith(call, result);
  const w = call.begin();
  w.reserve(statusAndAttributesBytes + 4);
  w.u32(NfsStat3.NFS3_OK);
  writePostOp(w, result.inode, call.view);
  w.u32(result.granted);
  call.end();
}
