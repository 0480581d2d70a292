import { NtStatus } from "#wire/ntstatus.ts";
import { decodeIoctl, encodeIoctl, FsControl, ioctlIsFsctl, type IoctlRequest } from "#wire/smb2/io.ts";
import { Capability, Dialect, guidBytes, SecurityMode } from "#wire/smb2/negotiate.ts";
import { i32, u16 } from "#wire/le.ts";
import type { Call } from "../call.ts";
import { interfacesFor } from "../session/interfaces.ts";
import { fileOf } from "./file-of.ts";

/** IOCTL (MS-SMB2 3.3.5.15). */
export function ioctl(call: Call): number {
  const request = decodeIoctl(call.bytes, call.base, call.end);
  if (request === null || request.flags !== ioctlIsFsctl) return NtStatus.INVALID_PARAMETER;
  if (request.code === FsControl.VALIDATE_NEGOTIATE_INFO) return validateNegotiate(call, request);
  if (request.code === FsControl.QUERY_NETWORK_INTERFACE_INFO) return queryInterfaces(call, request);
  if (request.code === FsControl.PIPE_TRANSCEIVE) return transceive(call, request);
  if (request.code === FsControl.DFS_GET_REFERRALS) return NtStatus.FS_DRIVER_REQUIRED;
  return NtStatus.INVALID_DEVICE_REQUEST;
}

/**
 * VALIDATE_NEGOTIATE_INFO (MS-SMB2 3.3.5.15.12): the client repeats its NEGOTIATE under signature. What differs was changed on the
 * way to us, and the connection is cut.
 */
function validateNegotiate(call: Call, request: IoctlRequest): number {
  const { connection } = call;
  const { input } = request;
  const answerBytes = 24;
  const fixedBytes = 24;
  if (connection.dialect === Dialect.SMB_3_1_1) return NtStatus.FILE_CLOSED;
  const count = input.length < fixedBytes ? 0 : u16(input, 22);
  const same =
    input.length >= fixedBytes + count * 2 &&
    request.outputBytesMax >= answerBytes &&
    i32(input, 0) >>> 0 === connection.clientCapabilities &&
    connection.clientGuid.every((byte, i) => byte === input[4 + i]) &&
    u16(input, 20) === connection.clientSecurityMode &&
    count === connection.clientDialects.length &&
    connection.clientDialects.every((dialect, i) => dialect === u16(input, fixedBytes + i * 2));
  if (!same) {
    connection.close("what it says it negotiated is not what was negotiated: somebody in between changed it");
    return -1;
  }
  const output = new Uint8Array(answerBytes);
  const view = new DataView(output.buffer);
  view.setUint32(0, connection.capabilities, true);
  output.set(connection.server.guid, 4);
  view.setUint16(4 + guidBytes, SecurityMode.SIGNING_ENABLED | (connection.server.signingRequired ? SecurityMode.SIGNING_REQUIRED : 0), true);
  view.setUint16(6 + guidBytes, connection.dialect, true);
  encodeIoctl(call.w, request.code, call.bytes.subarray(request.fileIdAt, request.fileIdAt + 16), output);
  return NtStatus.SUCCESS;
}

/** QUERY_NETWORK_INTERFACE_INFO (MS-SMB2 3.3.5.15.11). */
function queryInterfaces(call: Call, request: IoctlRequest): number {
  if ((call.connection.capabilities & Capability.MULTI_CHANNEL) === 0) return NtStatus.NOT_SUPPORTED;
  const output = interfacesFor(call.connection);
  if (output.length > request.outputBytesMax) return NtStatus.BUFFER_TOO_SMALL;
  encodeIoctl(call.w, request.code, call.bytes.subarray(request.fileIdAt, request.fileIdAt + 16), output);
  return NtStatus.SUCCESS;
}

/** FSCTL_PIPE_TRANSCEIVE (MS-SMB2 3.3.5.15.10): a write and a read in one. */
function transceive(call: Call, request: IoctlRequest): number {
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe === null) return NtStatus.INVALID_DEVICE_REQUEST;
  if (!open.pipe.write(request.input)) return NtStatus.PIPE_DISCONNECTED;
  const got = open.pipe.read(request.outputBytesMax);
  if (got === null) return NtStatus.PIPE_EMPTY;
  encodeIoctl(call.w, request.code, open.fileId, got.bytes);
  if (!got.more) return NtStatus.SUCCESS;
  call.hasBody = true;
  return NtStatus.BUFFER_OVERFLOW;
}
