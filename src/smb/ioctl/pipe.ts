import { NtStatus } from "#wire/ntstatus.ts";
import { decodePipeWait } from "#wire/smb2/fsctl.ts";
import { type IoctlRequest, relatedFileId } from "#wire/smb2/io.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";
import { pipes } from "../pipe/index.ts";
import { answer, answerWith } from "./answer.ts";

/** FSCTL_PIPE_TRANSCEIVE (MS-SMB2 3.3.5.15.10): a write and a read in one. */
export function transceive(call: Call, request: IoctlRequest, open: Open): number {
  const { pipe } = open;
  if (pipe === null) return NtStatus.INVALID_DEVICE_REQUEST;
  if (!pipe.write(request.input)) return NtStatus.PIPE_DISCONNECTED;
  const got = pipe.read(request.outputBytesMax);
  if (got === null) return NtStatus.PIPE_EMPTY;
  if (!got.more) return answer(call, request, open.fileId, got.bytes);
  return answerWith(call, request, open.fileId, got.bytes, NtStatus.BUFFER_OVERFLOW);
}

/** FSCTL_PIPE_WAIT (MS-FSCC 2.3.49): there always is a free instance of a pipe that is served. */
export function pipeWait(call: Call, request: IoctlRequest): number {
  if (call.tree!.fs !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  const name = decodePipeWait(request.input);
  if (name === null) return NtStatus.INVALID_PARAMETER;
  return pipes.has(name.toLowerCase()) ? answer(call, request, relatedFileId) : NtStatus.OBJECT_NAME_NOT_FOUND;
}
