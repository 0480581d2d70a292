import { i32, u16 } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { type IoctlRequest, relatedFileId } from "#wire/smb2/io.ts";
import { Dialect, guidBytes } from "#wire/smb2/negotiate.ts";
import type { Call } from "../call.ts";
import { answer } from "./answer.ts";

/**
 * VALIDATE_NEGOTIATE_INFO (MS-SMB2 3.3.5.15.12): the client repeats its NEGOTIATE under signature. What differs was changed on the
 * way to us, and the connection is cut.
 */
export function validateNegotiate(call: Call, request: IoctlRequest): number {
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
  view.setUint16(4 + guidBytes, connection.securityMode, true);
  view.setUint16(6 + guidBytes, connection.dialect, true);
  return answer(call, request, relatedFileId, output);
}
