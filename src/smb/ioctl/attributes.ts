import { createHash } from "node:crypto";
import { FsError } from "#model/fs-error.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { compressionNone, decodeUint16, encodeIntegrity, encodeNoSnapshots, encodeObjectId, Integrity } from "#wire/smb2/fsctl.ts";
import type { IoctlRequest } from "#wire/smb2/io.ts";
import type { Call } from "../call.ts";
import { volumeObjectIdOf } from "../info/volume.ts";
import { clusterBytes } from "../open/facts.ts";
import type { Open } from "../open/open.ts";
import { ntStatusOf } from "../status.ts";
import { answer } from "./answer.ts";

/** Every stored frame of this length has a CRC-32 (docs/formats/pack.md). */
const frameBytes = 64 * 1024;
const objectIdBytes = 16;

/** GET_COMPRESSION (MS-FSA 2.1.5.10.15): compression is a matter of the block store, not of a file. */
export function getCompression(call: Call, request: IoctlRequest, open: Open): number {
  if (request.outputBytesMax < 2) return NtStatus.INVALID_PARAMETER;
  return answer(call, request, open.fileId, new Uint8Array([compressionNone, 0]));
}

/** SET_COMPRESSION (MS-FSA 2.1.5.10.31). */
export function setCompression(call: Call, request: IoctlRequest, open: Open): number {
  const format = decodeUint16(request.input);
  if (format === null) return NtStatus.INVALID_PARAMETER;
  if ((open.access & AccessMask.WRITE_DATA) === 0) return NtStatus.ACCESS_DENIED;
  return format === compressionNone ? answer(call, request, open.fileId) : NtStatus.NOT_SUPPORTED;
}

/** GET_INTEGRITY_INFORMATION (MS-FSA 2.1.5.10.16). */
export function getIntegrity(call: Call, request: IoctlRequest, open: Open): number {
  const output = encodeIntegrity(Integrity.CRC32, frameBytes, clusterBytes);
  return request.outputBytesMax < output.length ? NtStatus.BUFFER_TOO_SMALL : answer(call, request, open.fileId, output);
}

/** SET_INTEGRITY_INFORMATION (MS-FSA 2.1.5.10.32): content is always checked, and nobody can have it otherwise. */
export function setIntegrity(call: Call, request: IoctlRequest, open: Open): number {
  const algorithm = decodeUint16(request.input);
  if (algorithm === null) return NtStatus.INVALID_PARAMETER;
  if ((open.access & (AccessMask.WRITE_DATA | AccessMask.WRITE_ATTRIBUTES)) === 0) return NtStatus.ACCESS_DENIED;
  const kept = algorithm === Integrity.UNCHANGED || algorithm === Integrity.CRC32 || algorithm === Integrity.CRC64;
  return kept ? answer(call, request, open.fileId) : NtStatus.NOT_SUPPORTED;
}

/** CREATE_OR_GET_OBJECT_ID, GET_OBJECT_ID (MS-FSA 2.1.5.10.1 and 2.1.5.10.18): an id the file has for as long as it lives, renamed or not. */
export async function objectId(call: Call, request: IoctlRequest, open: Open): Promise<number> {
  const fs = open.tree.fs!;
  const inode = await fs.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  const root = await fs.root();
  const output = encodeObjectId(objectIdOf(fs.handleOf(inode)), volumeObjectIdOf(fs, root));
  return request.outputBytesMax < output.length ? NtStatus.INVALID_PARAMETER : answer(call, request, open.fileId, output);
}

/** From what only the share's stores can make and it does not give away. */
function objectIdOf(handle: Uint8Array): Uint8Array {
  return createHash("sha256").update("dittofs object\n").update(handle).digest().subarray(0, objectIdBytes);
}

/** SRV_ENUMERATE_SNAPSHOTS (MS-SMB2 3.3.5.15.1): there are none. */
export function snapshots(call: Call, request: IoctlRequest, open: Open): number {
  const output = encodeNoSnapshots();
  return request.outputBytesMax < output.length ? NtStatus.INVALID_PARAMETER : answer(call, request, open.fileId, output);
}

/** IS_PATHNAME_VALID (MS-FSA 2.1.5.10.21): always. */
export function pathnameValid(call: Call, request: IoctlRequest, open: Open): number {
  return answer(call, request, open.fileId);
}
