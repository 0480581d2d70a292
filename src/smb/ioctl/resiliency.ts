import { NtStatus } from "#wire/ntstatus.ts";
import { decodeResiliency } from "#wire/smb2/fsctl.ts";
import type { IoctlRequest } from "#wire/smb2/io.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import type { Call } from "../call.ts";
import { makeResilient, resilientMsMax } from "../durable/index.ts";
import type { Open } from "../open/open.ts";
import { SessionKind } from "../session/session.ts";
import { answer } from "./answer.ts";

/** LMR_REQUEST_RESILIENCY (MS-SMB2 3.3.5.15.9): the open is to wait for its client, should that lose its connection. Directories and guests have none. */
export function requestResiliency(call: Call, request: IoctlRequest, open: Open): number {
  if (call.connection.dialect === Dialect.SMB_2_0_2 || open.directory || call.session!.kind !== SessionKind.user) return NtStatus.INVALID_DEVICE_REQUEST;
  const timeoutMs = decodeResiliency(request.input);
  if (timeoutMs === null || timeoutMs > resilientMsMax) return NtStatus.INVALID_PARAMETER;
  makeResilient(call, open, timeoutMs);
  return answer(call, request, open.fileId);
}
