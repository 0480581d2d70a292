import { Acknowledged } from "#vfs/opens/index.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { OplockLevel } from "#wire/smb2/create.ts";
import { decodeBreakAck, encodeLeaseAnswer, encodeOplockBreak } from "#wire/smb2/lease.ts";
import type { Call } from "../call.ts";
import { cachedBy, LeaseClient, leaseKey } from "../lease/index.ts";
import { fileOf } from "./file-of.ts";

/** OPLOCK_BREAK (MS-SMB2 3.3.5.22): the client agrees to the break of an oplock or a lease. */
export function oplockBreak(call: Call): number {
  const ack = decodeBreakAck(call.bytes, call.base, call.end);
  if (ack === null) return NtStatus.INVALID_PARAMETER;
  return ack.kind === "lease" ? leaseAgreed(call, ack.key, ack.state) : oplockAgreed(call, ack.fileIdAt, ack.level);
}

const leaseStatus = {
  done: NtStatus.SUCCESS,
  notBreaking: NtStatus.UNSUCCESSFUL,
  tooMuch: NtStatus.REQUEST_NOT_ACCEPTED,
} satisfies Record<Acknowledged, NtStatus>;

/** MS-SMB2 3.3.5.22.2. A client's GUID and key are no secrets: to others than its users there is no such lease. */
function leaseAgreed(call: Call, key: Uint8Array, state: number): number {
  const lease = call.tree!.fs?.opens.lease(leaseKey(call.connection, key)) ?? null;
  if (lease === null || !(lease.holder instanceof LeaseClient) || !lease.holder.isOf(call.session!)) return NtStatus.OBJECT_NAME_NOT_FOUND;
  const status = leaseStatus[lease.acknowledge(state)];
  if (status === NtStatus.SUCCESS) encodeLeaseAnswer(call.w, key, state);
  return status;
}

/** MS-SMB2 3.3.5.22.1. */
function oplockAgreed(call: Call, fileIdAt: number, level: number): number {
  if (level === OplockLevel.LEASE) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, fileIdAt);
  if (typeof open === "number") return open;
  const lease = open.file?.lease ?? null;
  if (lease === null || lease.key !== null) return NtStatus.INVALID_OPLOCK_PROTOCOL;
  if (level !== OplockLevel.NONE && level !== OplockLevel.II) return NtStatus.INVALID_OPLOCK_PROTOCOL;
  switch (lease.acknowledge(cachedBy(level))) {
    case Acknowledged.notBreaking:
      return NtStatus.INVALID_OPLOCK_PROTOCOL;
    case Acknowledged.tooMuch:
      return NtStatus.INVALID_OPLOCK_PROTOCOL;
    case Acknowledged.done:
      encodeOplockBreak(call.w, level, open.fileId);
      return NtStatus.SUCCESS;
  }
}
