import type { Maybe } from "#base/brand.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { decodeIoctl, ioctlIsFsctl, type IoctlRequest, relatedFileId } from "#wire/smb2/io.ts";
import type { Call } from "../call.ts";
import { controls, testControls } from "../ioctl/index.ts";
import { fileOf } from "./file-of.ts";

/** IOCTL (MS-SMB2 3.3.5.15). */
export function ioctl(call: Call): Maybe<number> {
  const request = decodeIoctl(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  if (request.flags !== ioctlIsFsctl) return NtStatus.NOT_SUPPORTED;
  const most = call.connection.transactBytesMax;
  if (request.input.length > most || request.inputBytesMax > most || request.outputBytesMax > most) return NtStatus.INVALID_PARAMETER;
  const { settings } = call.connection.server;
  const test = settings.testControls ? testControls.get(request.code) : undefined;
  if (test !== undefined) return test(call, request);
  const control = controls.get(request.code);
  if (control?.of === "connection") return namesNoFile(call, request) ? control.run(call, request) : NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (control === undefined || (control.of === "pipe") !== (open.pipe !== null)) return NtStatus.INVALID_DEVICE_REQUEST;
  return control.run(call, request, open);
}

/** A request of the connection says so by a file id of ones. */
function namesNoFile(call: Call, { fileIdAt }: IoctlRequest): boolean {
  for (let i = 0; i < relatedFileId.length; i++) if (call.bytes[fileIdAt + i] !== 0xff) return false;
  return true;
}
