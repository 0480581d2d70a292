import { FsError } from "#model/fs-error.ts";
import { fileSizeMax } from "#model/ids.ts";
import type { Written } from "#vfs/file-system.ts";
import { NfsStat3, StableHow, wccDataBytes } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { writeChange } from "../attributes.ts";
import type { Call } from "../call.ts";
import { fail, failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, refuse, settle, whoOf } from "./reply.ts";

/**
 * WRITE (RFC 1813 §3.3.7). The payload is handed on in the slices it came in. More than wtmax gives a short write, as the RFC has
 * it; a count that is not the data's length contradicts itself: INVAL.
 */
export const write = (settings: Nfs3Settings) =>
  procedure("WRITE", FailureBody.wcc, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const offset = args.u64();
    const count = args.u32();
    const stable = args.u32();
    let payload: readonly Uint8Array[] = args.opaqueSlices(0xffffffff);
    if (stable > StableHow.FILE_SYNC) args.fail(XdrFailure.garbage);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (count !== args.opaqueLength) return fail(call, NfsStat3.NFS3ERR_INVAL);
    call.count = count;
    if (count > settings.sizes.writeMax) {
      payload = cut(payload, settings.sizes.writeMax);
      call.count = settings.sizes.writeMax;
    }
    if (offset > fileSizeMax - call.count) return fail(call, NfsStat3.NFS3ERR_FBIG);
    call.stable = stable !== StableHow.UNSTABLE;
    return settle(call, fs.write(whoOf(call), idOf(call), offset, payload, call.count, call.stable), answer);
  });

function cut(slices: readonly Uint8Array[], length: number): readonly Uint8Array[] {
  const kept: Uint8Array[] = [];
  let left = length;
  for (let i = 0; left > 0; i++) {
    const slice = slices[i]!;
    kept.push(slice.length <= left ? slice : slice.subarray(0, left));
    left -= slice.length;
  }
  return kept;
}

function answer(call: Call, result: Written | FsError): void {
  if (result instanceof FsError) return failWith(call, result);
  const w = call.begin();
  w.reserve(4 + wccDataBytes + 16);
  w.u32(NfsStat3.NFS3_OK);
  writeChange(w, result.file, call.view);
  w.u32(call.count);
  w.u32(call.stable ? StableHow.FILE_SYNC : StableHow.UNSTABLE);
  w.fixedOpaque(call.view!.fs.writeVerifier);
  call.end();
}

