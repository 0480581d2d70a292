import { NtStatus } from "#wire/ntstatus.ts";
import { relatedFileId } from "#wire/smb2/io.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import type { Call } from "../call.ts";
import { inSequence } from "../open/channel-sequence.ts";
import type { Open } from "../open/open.ts";

/** The open file a request names, or the status it gets: of a related request, what became of the CREATE before it. */
export function fileOf(call: Call, at: number): Open | number {
  if (call.isRelated && isRelatedId(call.bytes, at)) {
    if (call.relatedStatus !== NtStatus.SUCCESS) return call.relatedStatus;
    const { related } = call;
    return related !== null && call.connection.opens.has(related) ? used(call, related) : NtStatus.FILE_CLOSED;
  }
  const open = call.connection.opens.find(call.bytes, at, call.tree!);
  if (open === null) return NtStatus.FILE_CLOSED;
  call.related = open;
  return used(call, open);
}

/** What the use of an open by a request means, but for its CREATE. */
function used(call: Call, open: Open): Open | number {
  if (open.createKey !== null) call.connection.server.durables.purge(open);
  if (call.connection.dialect < Dialect.SMB_3_0) return open;
  const refused = inSequence(call, open);
  return refused === NtStatus.SUCCESS ? open : refused;
}

function isRelatedId(b: Uint8Array, at: number): boolean {
  for (let i = 0; i < relatedFileId.length; i++) if (b[at + i] !== 0xff) return false;
  return true;
}
