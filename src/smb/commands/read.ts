import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import { fileSizeMax } from "#model/ids.ts";
import type { ReadResult } from "#vfs/file-system.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { decodeRead, encodeRead, Transfer } from "#wire/smb2/io.ts";
import { AppleStream, openedAppleStream, readAfpInfo } from "../aapl/index.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";
import type { Pipe } from "../pipe/pipe.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

const transfer = new Transfer();

/** READ (MS-SMB2 3.3.5.12). */
export function read(call: Call): Maybe<number> {
  if (!decodeRead(call.bytes, call.base, call.end, transfer)) return NtStatus.INVALID_PARAMETER;
  const { length, offset, minimum, fileIdAt } = transfer;
  if (length > call.connection.transferBytesMax || offset < 0) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return readPipe(call, open.pipe, length);
  if (open.directory) return NtStatus.INVALID_DEVICE_REQUEST;
  if ((open.access & (AccessMask.READ_DATA | AccessMask.EXECUTE)) === 0) return NtStatus.ACCESS_DENIED;
  if (open.id !== open.ownerId && openedAppleStream(open) === AppleStream.info) return readInfo(call, open, offset, length, minimum);
  // No file reaches as far: what is asked for beyond lies behind its end.
  const result = open.tree.fs!.read(open.credentials(), open.id, Math.min(offset, fileSizeMax), length, open.file);
  if (!(result instanceof Promise)) return answer(call, open, result, offset, length, minimum);
  call.charge(length);
  return result.then((late) => answer(call, open, late, offset, length, minimum));
}

function answer(call: Call, open: Open, result: ReadResult | FsError, offset: number, length: number, minimum: number): number {
  if (result instanceof FsError) return ntStatusOf(result);
  const { data } = result;
  if ((data.length === 0 && length > 0) || data.length < minimum) {
    data.release();
    return NtStatus.END_OF_FILE;
  }
  open.position = offset + data.length;
  call.count = data.length;
  encodeRead(call.w, data.length, call.connection.tested.readPadding);
  call.attach(data);
  return NtStatus.SUCCESS;
}

async function readInfo(call: Call, open: Open, offset: number, length: number, minimum: number): Promise<number> {
  const bytes = await readAfpInfo(open, offset, length);
  if (bytes instanceof FsError) return ntStatusOf(bytes);
  if (bytes === null || bytes.length < minimum) return NtStatus.END_OF_FILE;
  open.position = bytes.length;
  call.count = bytes.length;
  encodeRead(call.w, bytes.length, call.connection.tested.readPadding);
  call.w.raw(bytes);
  return NtStatus.SUCCESS;
}

function readPipe(call: Call, pipe: Pipe, length: number): number {
  const got = pipe.read(length);
  if (got === null) return NtStatus.PIPE_EMPTY;
  encodeRead(call.w, got.bytes.length);
  call.w.raw(got.bytes);
  if (!got.more) return NtStatus.SUCCESS;
  call.hasBody = true;
  return NtStatus.BUFFER_OVERFLOW;
}
