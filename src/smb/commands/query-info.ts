import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { after } from "#vfs/maybe.ts";
import { encodeCountedName, FileInfo, FsAttribute, FsInfo } from "#wire/fscc.ts";
import type { LeWriter } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { headerBytes } from "#wire/smb2/header.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import { decodeQueryInfo, encodeError, encodeErrorContext, encodeOutputHeader, InfoType, outputHeaderBytes, type QueryInfoRequest } from "#wire/smb2/query.ts";
import { encodeFileTime } from "#wire/filetime.ts";
import type { Call } from "../call.ts";
import { queryEas } from "../info/eas.ts";
import { classOf } from "../info/file-info.ts";
import { known } from "../info/known.ts";
import { clusterBytes } from "../open/facts.ts";
import type { Open } from "../open/open.ts";
import { describe, rightsToQuery } from "../security/descriptors.ts";
import { ntStatusOf } from "../status.ts";

import { fileOf } from "./file-of.ts";

/** QUERY_INFO (MS-SMB2 3.3.5.20). */
export function queryInfo(call: Call): Maybe<number> {
  const request = decodeQueryInfo(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  if (request.outputBytesMax > call.connection.server.transferBytesMax) return NtStatus.INVALID_PARAMETER;
  switch (request.infoType) {
    case InfoType.FILE:
      return queryFile(call, request, open);
    case InfoType.FILESYSTEM:
      return queryVolume(call, request, open);
    case InfoType.SECURITY:
      return querySecurity(call, request, open);
    default:
      return NtStatus.NOT_SUPPORTED;
  }
}

/** Class 0 of security, and what a client sends there, mean nothing. */
function querySecurity(call: Call, request: QueryInfoRequest, open: Open): Maybe<number> {
  const needs = rightsToQuery(request.additional);
  if ((open.access & needs) !== needs) return NtStatus.ACCESS_DENIED;
  return after(open.tree.fs!.getattr(open.ownerId), (inode) => {
    if (inode instanceof FsError) return ntStatusOf(inode);
    const bytes = describe(inode, request.additional);
    // How much room it takes is said in the error's data (MS-SMB2 3.3.5.20.3).
    if (bytes.length > request.outputBytesMax) return tooSmall(call, bytes.length);
    return answer(call, bytes);
  });
}

function tooSmall(call: Call, needed: number): number {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, needed, true);
  if (call.connection.dialect === Dialect.SMB_3_1_1) encodeError(call.w, 1, encodeErrorContext(data));
  else encodeError(call.w, 0, data);
  call.hasBody = true;
  return NtStatus.BUFFER_TOO_SMALL;
}

/** An answer that is `bytes`. */
function answer(call: Call, bytes: Uint8Array): number {
  encodeOutputHeader(call.w, bytes.length);
  call.w.raw(bytes);
  return NtStatus.SUCCESS;
}

async function queryVolume(call: Call, request: QueryInfoRequest, open: Open): Promise<number> {
  const inode = await open.tree.fs!.getattr(open.ownerId);
  if (inode instanceof FsError) return ntStatusOf(inode);
  const usage = await open.tree.fs!.usage();
  if (usage instanceof FsError) return ntStatusOf(usage);
  encodeOutputHeader(call.w, 0);
  const from = call.w.at;
  const status = fsInfo(call.w, request, open, inode, usage);
  return status === NtStatus.SUCCESS ? finish(call, request, from, volumeFixedBytes[request.infoClass] ?? 0) : status;
}

/** Bytes of the fixed part of each class of volume information: less room is refused, what is longer is cut. */
const volumeFixedBytes: Readonly<Record<number, number>> = {
  [FsInfo.Volume]: 24,
  [FsInfo.Size]: 24,
  [FsInfo.Device]: 8,
  [FsInfo.Attribute]: 16,
  [FsInfo.Control]: 48,
  [FsInfo.FullSize]: 32,
  [FsInfo.SectorSize]: 28,
};

/** Sets the length; what does not fit is cut behind the fixed part of its class. */
function finish(call: Call, request: QueryInfoRequest, from: number, fixedBytes: number): number {
  const { w } = call;
  let status: number = NtStatus.SUCCESS;
  if (request.outputBytesMax < fixedBytes) return NtStatus.INFO_LENGTH_MISMATCH;
  if (w.at - from > request.outputBytesMax) {
    w.at = from + request.outputBytesMax;
    call.hasBody = true;
    status = NtStatus.BUFFER_OVERFLOW;
  }
  w.setU16(from - outputHeaderBytes + 2, headerBytes + outputHeaderBytes);
  w.setU32(from - 4, w.at - from);
  return status;
}

function queryFile(call: Call, request: QueryInfoRequest, open: Open): Maybe<number> {
  const { infoClass } = request;
  if (infoClass === FileInfo.FullEa) return queryEas(call, request, open);
  const kind = classOf(infoClass);
  if (kind === undefined) return NtStatus.INVALID_INFO_CLASS;
  // Only of 3.1.1 are names known to be normalized (MS-SMB2 3.3.5.20.1).
  if (infoClass === FileInfo.NormalizedName && call.connection.dialect !== Dialect.SMB_3_1_1) return NtStatus.NOT_SUPPORTED;
  if ((open.access & kind.needs) !== kind.needs) return NtStatus.ACCESS_DENIED;
  return after(known(open, infoClass, call.connection.server.clock.monotonicMs()), (query) => {
    if (typeof query === "number") return query;
    call.w.reserve(outputHeaderBytes + 256);
    encodeOutputHeader(call.w, 0);
    const from = call.w.at;
    const status = kind.write(call.w, query);
    return status === NtStatus.SUCCESS ? finish(call, request, from, kind.fixedBytes) : status;
  });
}

function fsInfo(w: LeWriter, request: QueryInfoRequest, open: Open, inode: Inode, usage: { totalBytes: number; freeBytes: number; availableBytes: number }): number {
  const clusters = (bytes: number): number => Math.floor(bytes / clusterBytes);
  const label = open.tree.fs!.name.slice(1);
  w.reserve(128);
  switch (request.infoClass) {
    case FsInfo.Volume:
      encodeFileTime(w, inode.birth);
      w.u32(Bun.hash.crc32(label) | 0);
      w.u32(label.length * 2);
      w.u16(0);
      w.utf16(label);
      break;
    case FsInfo.Size:
      w.u64(clusters(usage.totalBytes));
      w.u64(clusters(usage.availableBytes));
      w.u32(clusterBytes / 512);
      w.u32(512);
      break;
    case FsInfo.FullSize:
      w.u64(clusters(usage.totalBytes));
      w.u64(clusters(usage.availableBytes));
      w.u64(clusters(usage.freeBytes));
      w.u32(clusterBytes / 512);
      w.u32(512);
      break;
    case FsInfo.Device:
      // FILE_DEVICE_DISK; FILE_DEVICE_IS_MOUNTED.
      w.u32(7);
      w.u32(0x20);
      break;
    case FsInfo.Attribute:
      w.u32(FsAttribute.CASE_SENSITIVE_SEARCH | FsAttribute.CASE_PRESERVED_NAMES | FsAttribute.UNICODE_ON_DISK | FsAttribute.SUPPORTS_SPARSE_FILES | FsAttribute.SUPPORTS_REPARSE_POINTS | FsAttribute.SUPPORTS_BLOCK_REFCOUNTING);
      w.u32(255);
      encodeCountedName(w, "NTFS");
      break;
    default:
      return NtStatus.INVALID_INFO_CLASS;
  }
  return NtStatus.SUCCESS;
}
