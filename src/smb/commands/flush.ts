import { FsError } from "#model/fs-error.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { decodeFlush } from "#wire/smb2/io.ts";
import { encodeEmptyBody } from "#wire/smb2/session.ts";
import type { Call } from "../call.ts";
import { writesTold } from "../open/write-times.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

/** FLUSH (MS-SMB2 3.3.5.11): answered when everything written is durable. */
export async function flush(call: Call): Promise<number> {
  const at = decodeFlush(call.bytes, call.base, call.end);
  if (at < 0) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, at);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  if (!open.directory) {
    if ((open.access & (AccessMask.WRITE_DATA | AccessMask.APPEND_DATA)) === 0) return NtStatus.ACCESS_DENIED;
    const done = await open.tree.fs!.commit(open.credentials(), open.id);
    if (done instanceof FsError) return ntStatusOf(done);
    writesTold(open);
  }
  encodeEmptyBody(call.w);
  return NtStatus.SUCCESS;
}
