import { NtStatus } from "#wire/ntstatus.ts";
import { type IoctlRequest, relatedFileId } from "#wire/smb2/io.ts";
import { Capability } from "#wire/smb2/negotiate.ts";
import type { Call } from "../call.ts";
import { interfacesFor } from "../session/interfaces.ts";
import { answer } from "./answer.ts";

/** QUERY_NETWORK_INTERFACE_INFO (MS-SMB2 3.3.5.15.11): by which addresses a client can reach the server, for more connections of its session. */
export function interfaces(call: Call, request: IoctlRequest): number {
  if ((call.connection.capabilities & Capability.MULTI_CHANNEL) === 0) return NtStatus.NOT_SUPPORTED;
  const output = interfacesFor(call.connection);
  return output.length > request.outputBytesMax ? NtStatus.BUFFER_TOO_SMALL : answer(call, request, relatedFileId, output);
}
