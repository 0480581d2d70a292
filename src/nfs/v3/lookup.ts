import { FsError } from "#model/fs-error.ts";
import { nameBytesMax } from "#model/ids.ts";
import type { LookedUp } from "#vfs/file-system.ts";
import { fhBytesMax, NfsStat3, postOpAttrBytes } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { writePostOp } from "../attributes.ts";
import type { Call } from "../call.ts";
import { failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, refuse, settle, whoOf } from "./reply.ts";

/** LOOKUP (RFC 1813 §3.3.3). */
export const lookup = (settings: Nfs3Settings) =>
  procedure("LOOKUP", FailureBody.attributes, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const name = args.name(nameBytesMax);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    return settle(call, fs.lookup(whoOf(call), idOf(call), name), answer);
  });

function answer(call: Call, found: LookedUp | FsError): void {
  if (found instanceof FsError) return failWith(call, found);
  const view = call.view!;
  const w = call.begin();
  w.reserve(4 + 4 + fhBytesMax + 2 * postOpAttrBytes);
  w.u32(NfsStat3.NFS3_OK);
  w.opaque(view.fs.handleOf(found.inode));
  writePostOp(w, found.inode, view);
  writePostOp(w, found.directory, view);
  call.end();
}
