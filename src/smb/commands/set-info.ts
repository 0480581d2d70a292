import { FsError } from "#model/fs-error.ts";
import type { AttributeRequest } from "#vfs/file-system.ts";
import { decodeFileTime } from "#wire/filetime.ts";
import { FileInfo } from "#wire/fscc.ts";
import { u32, u64, utf16 } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { decodeSetInfo, encodeSetInfo, InfoType, type SetInfoRequest } from "#wire/smb2/query.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";
import { partsOf, resolve } from "../open/path.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

/** SET_INFO (MS-SMB2 3.3.5.21). */
export async function setInfo(call: Call): Promise<number> {
  const request = decodeSetInfo(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  if (request.infoType !== InfoType.FILE) return NtStatus.NOT_SUPPORTED;
  const status = await change(open, request);
  if (status === NtStatus.SUCCESS) encodeSetInfo(call.w);
  return status;
}

function change(open: Open, request: SetInfoRequest): Promise<number> | number {
  const { infoClass, input } = request;
  switch (infoClass) {
    case FileInfo.Basic:
      if (input.length < 40) return NtStatus.INFO_LENGTH_MISMATCH;
      if ((open.access & AccessMask.WRITE_ATTRIBUTES) === 0) return NtStatus.ACCESS_DENIED;
      return setTimes(open, input);
    case FileInfo.EndOfFile:
    case FileInfo.Allocation:
      if (input.length < 8) return NtStatus.INFO_LENGTH_MISMATCH;
      if ((open.access & AccessMask.WRITE_DATA) === 0) return NtStatus.ACCESS_DENIED;
      return setSize(open, u64(input, 0), infoClass === FileInfo.Allocation);
    case FileInfo.Disposition:
    case FileInfo.DispositionEx:
      if (input.length < 1) return NtStatus.INFO_LENGTH_MISMATCH;
      if ((open.access & AccessMask.DELETE) === 0) return NtStatus.ACCESS_DENIED;
      return setDeletion(open, (input[0]! & 1) !== 0);
    case FileInfo.Rename:
      if ((open.access & AccessMask.DELETE) === 0) return NtStatus.ACCESS_DENIED;
      return rename(open, input);
    case FileInfo.Position:
    case FileInfo.Mode:
      return NtStatus.SUCCESS;
    default:
      return NtStatus.INVALID_INFO_CLASS;
  }
}

async function setTimes(open: Open, input: Uint8Array): Promise<number> {
  const atime = decodeFileTime(input, 8);
  const mtime = decodeFileTime(input, 16);
  if (atime === null && mtime === null) return NtStatus.SUCCESS;
  const request: AttributeRequest = { ...(atime === null ? {} : { atime }), ...(mtime === null ? {} : { mtime }) };
  const done = await open.tree.fs!.setattr(open.tree.credentials(), open.id, request, null, open.file);
  return done instanceof FsError ? ntStatusOf(done) : NtStatus.SUCCESS;
}

/** An allocation below the size cuts the file; above it there is nothing to do. */
async function setSize(open: Open, size: number, allocation: boolean): Promise<number> {
  const fs = open.tree.fs!;
  if (open.directory || !Number.isSafeInteger(size)) return NtStatus.INVALID_PARAMETER;
  const inode = await fs.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  if (allocation && size >= inode.size) return NtStatus.SUCCESS;
  const done = await fs.setattr(open.tree.credentials(), open.id, { size }, null, open.file);
  return done instanceof FsError ? ntStatusOf(done) : NtStatus.SUCCESS;
}

async function setDeletion(open: Open, wanted: boolean): Promise<number> {
  const refused = await open.tree.fs!.setDeletion(open.file!, wanted);
  return refused === null ? NtStatus.SUCCESS : ntStatusOf(refused);
}

/** FILE_RENAME_INFORMATION_TYPE_2 (MS-FSCC 2.4.42.2). */
async function rename(open: Open, input: Uint8Array): Promise<number> {
  if (input.length < 20) return NtStatus.INFO_LENGTH_MISMATCH;
  const length = u32(input, 16);
  if (length % 2 !== 0 || length > input.length - 20) return NtStatus.INVALID_PARAMETER;
  const { place, tree } = open;
  if (place === null) return NtStatus.INVALID_PARAMETER;
  const parts = partsOf(utf16(input, 20, length).replace(/^\\/, ""));
  if (typeof parts === "number") return parts;
  if (parts.length === 0) return NtStatus.INVALID_PARAMETER;
  const fs = tree.fs!;
  const who = tree.credentials();
  const to = await resolve(fs, who, parts);
  if (typeof to === "number") return to;
  const name = parts.at(-1)!;
  if (to.inode !== null && to.inode.id !== open.id && input[0] === 0) return NtStatus.OBJECT_NAME_COLLISION;
  const done = await fs.rename(who, place.parent, place.name, to.parent.id, name, open.file);
  if (done instanceof FsError) return ntStatusOf(done);
  open.path = parts.join("\\");
  return NtStatus.SUCCESS;
}
