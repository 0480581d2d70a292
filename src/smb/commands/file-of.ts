import { NtStatus } from "#wire/ntstatus.ts";
import { relatedFileId } from "#wire/smb2/io.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";

/** The open file a request names, or the status it gets: of a related request, what became of the CREATE before it. */
export function fileOf(call: Call, at: number): Open | number {
  if (call.isRelated && isRelatedId(call.bytes, at)) {
    if (call.relatedStatus !== NtStatus.SUCCESS) return call.relatedStatus;
    const { related } = call;
    return related !== null && call.connection.opens.has(related) ? related : NtStatus.FILE_CLOSED;
  }
  const open = call.connection.opens.find(call.bytes, at, call.tree!);
  if (open === null) return NtStatus.FILE_CLOSED;
  call.related = open;
  return open;
}

function isRelatedId(b: Uint8Array, at: number): boolean {
  for (let i = 0; i < relatedFileId.length; i++) if (b[at + i] !== 0xff) return false;
  return true;
}
