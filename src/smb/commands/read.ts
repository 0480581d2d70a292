import { FsError } from "#model/fs-error.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { decodeRead, encodeRead, Transfer } from "#wire/smb2/io.ts";
import type { Call } from "../call.ts";
import type { Pipe } from "../pipe/pipe.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

const transfer = new Transfer();

/** READ (MS-SMB2 3.3.5.12). */
export async function read(call: Call): Promise<number> {
  if (!decodeRead(call.bytes, call.base, call.end, transfer)) return NtStatus.INVALID_PARAMETER;
  const { length, offset, minimum, fileIdAt } = transfer;
  if (length > call.connection.server.transferBytesMax || !Number.isSafeInteger(offset + length)) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return readPipe(call, open.pipe, length);
  if (open.directory) return NtStatus.INVALID_DEVICE_REQUEST;
  if ((open.access & (AccessMask.READ_DATA | AccessMask.EXECUTE)) === 0) return NtStatus.ACCESS_DENIED;
  const result = await open.tree.fs!.read(open.tree.credentials(), open.id, offset, length, open.file);
  if (result instanceof FsError) return ntStatusOf(result);
  const { data } = result;
  if ((data.length === 0 && length > 0) || data.length < minimum) {
    data.release();
    return NtStatus.END_OF_FILE;
  }
  encodeRead(call.w, data.length);
  for (const slice of data.slices) call.w.raw(slice);
  data.release();
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
