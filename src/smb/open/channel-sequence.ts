import { NtStatus } from "#wire/ntstatus.ts";
import { Command, HeaderFlag } from "#wire/smb2/header.ts";
import type { Call } from "../call.ts";
import type { Open } from "./open.ts";

/**
 * Judges a request by the number of its client's connection failures that it knows of (MS-SMB2 3.3.5.2.10): what changes the file
 * and was sent before the last one is refused, and so is what is sent again while a request from before it is still under way.
 * Counts the request until `uncount`.
 */
export function inSequence(call: Call, open: Open): NtStatus {
  const { header } = call;
  const ahead = ((header.channelSequence - open.channelSequence) << 16) >> 16;
  if (ahead > 0) {
    open.outstandingBefore += open.outstanding;
    open.outstanding = 0;
    open.channelSequence = header.channelSequence;
  }
  const changes = header.command === Command.WRITE || header.command === Command.IOCTL || header.command === Command.SET_INFO;
  if (changes && (ahead < 0 || ((header.flags & HeaderFlag.REPLAY_OPERATION) !== 0 && open.outstandingBefore > 0))) return NtStatus.FILE_NOT_AVAILABLE;
  if (ahead < 0) open.outstandingBefore++;
  else open.outstanding++;
  call.counted = open;
  return NtStatus.SUCCESS;
}

/** The request that was counted is answered. */
export function uncount(call: Call): void {
  const open = call.counted!;
  call.counted = null;
  if (call.header.channelSequence === open.channelSequence) open.outstanding = Math.max(0, open.outstanding - 1);
  else open.outstandingBefore = Math.max(0, open.outstandingBefore - 1);
}
