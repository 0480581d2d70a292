import { NtStatus } from "#wire/ntstatus.ts";
import { encodeIoctl, type IoctlRequest, relatedFileId } from "#wire/smb2/io.ts";
import type { Call } from "../call.ts";
import { answer } from "./answer.ts";

/*
 * Controls of smbtorture, by which Samba's suite has a server behave as others do. Each changes how the connection it comes by is answered,
 * within what MS-SMB2 allows, and nothing else.
 */
const padding = 8;
/** Bytes of an answer that is nothing but padding. */
const paddedBytesMax = 65_536;

/** What is sent on the connection from now on counts as lost on the way: of breaks its client is told again by others it has. */
export function countAsLost(call: Call, request: IoctlRequest): number {
  if (request.input.length > 0) return NtStatus.INVALID_PARAMETER;
  call.connection.tested.unheard = true;
  return answer(call, request, relatedFileId);
}

/** The data of this answer does not follow its fixed part at once (MS-SMB2 2.2.32, OutputOffset). */
export function padIoctl(call: Call, request: IoctlRequest): number {
  if (request.input.length > 0) return NtStatus.INVALID_PARAMETER;
  encodeIoctl(call.w, request.code, relatedFileId, new Uint8Array(Math.min(request.outputBytesMax, paddedBytesMax)).fill(padding), padding);
  return NtStatus.SUCCESS;
}

/** Nor does that of READs from now on (MS-SMB2 2.2.20, DataOffset). */
export function padReads(call: Call, request: IoctlRequest): number {
  if (request.input.length > 0) return NtStatus.INVALID_PARAMETER;
  call.connection.tested.readPadding = padding;
  return answer(call, request, relatedFileId);
}
