import { NtStatus } from "#wire/ntstatus.ts";
import { encodeIoctl, type IoctlRequest } from "#wire/smb2/io.ts";
import type { Call } from "../call.ts";

const none = new Uint8Array(0);

/** Writes the answer of an FSCTL. */
export function answer(call: Call, request: IoctlRequest, fileId: Uint8Array, output: Uint8Array = none): number {
  encodeIoctl(call.w, request.code, fileId, output);
  return NtStatus.SUCCESS;
}

/** The same with a status that is no success, which some FSCTLs have a body to. */
export function answerWith(call: Call, request: IoctlRequest, fileId: Uint8Array, output: Uint8Array, status: number): number {
  encodeIoctl(call.w, request.code, fileId, output);
  call.hasBody = true;
  return status;
}
