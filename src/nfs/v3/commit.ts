import { FsError } from "#model/fs-error.ts";
import type { Written } from "#vfs/file-system.ts";
import { NfsStat3, wccDataBytes } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { writeChange } from "../attributes.ts";
import type { Call } from "../call.ts";
import { failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, refuse, settle, whoOf } from "./reply.ts";

/** COMMIT (RFC 1813 §3.3.21). The range is read and not used: the whole file is made durable. */
export const commit = (settings: Nfs3Settings) =>
  procedure("COMMIT", FailureBody.wcc, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    args.u64();
    args.u32();
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    return settle(call, fs.commit(whoOf(call), idOf(call)), answer);
  });

function answer(call: Call, result: Written | FsError): void {
  if (result instanceof FsError) return failWith(call, result);
  const w = call.begin();
  w.reserve(4 + wccDataBytes + 8);
  w.u32(NfsStat3.NFS3_OK);
  writeChange(w, result.file, call.view);
  w.fixedOpaque(call.view!.fs.writeVerifier);
  call.end();
}
