import { FsError } from "#model/fs-error.ts";
import { fileSizeMax } from "#model/ids.ts";
import type { ReadResult } from "#vfs/file-system.ts";
import { NfsStat3 } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { writePostOp } from "../attributes.ts";
import type { Call } from "../call.ts";
import { failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, refuse, settle, statusAndAttributesBytes, whoOf } from "./reply.ts";

/** Up to this many bytes a payload is copied behind its header: cheaper than a write of its own. */
const copiedPayloadMax = 16 * 1024;

/** READ (RFC 1813 §3.3.6). More than rtmax gives a short read; an offset no file of ours can have lies past the end. */
export const read = (settings: Nfs3Settings) =>
  procedure("READ", FailureBody.attributes, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const offset = Math.min(args.u64(), fileSizeMax);
    const count = Math.min(args.u32(), settings.sizes.readMax, fileSizeMax - offset);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    const result = fs.read(whoOf(call), idOf(call), offset, count);
    if (result instanceof Promise) call.charge(count);
    return settle(call, result, answer);
  });

function answer(call: Call, result: ReadResult | FsError): void {
  if (result instanceof FsError) return failWith(call, result);
  const data = result.data;
  const length = data.length;
  call.count = length;
  const w = call.begin();
  w.reserve(statusAndAttributesBytes + 12);
  w.u32(NfsStat3.NFS3_OK);
  writePostOp(w, result.inode, call.view);
  w.u32(length);
  w.u32(data.endOfFile ? 1 : 0);
  if (length > copiedPayloadMax) {
    w.u32(length);
    call.endWithPayload(data.slices, length, data);
    return;
  }
  const slices = data.slices;
  if (slices.length === 1) {
    w.opaque(slices[0]!);
  } else {
    w.u32(length);
    w.reserve(length + 3);
    for (let i = 0; i < slices.length; i++) {
      w.bytes.set(slices[i]!, w.at);
      w.at += slices[i]!.length;
    }
    for (let i = length; (i & 3) !== 0; i++) w.bytes[w.at++] = 0;
  }
  call.end();
  data.release();
}
