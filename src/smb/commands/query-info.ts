import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { encodeBasic, encodeCountedName, encodeNetworkOpen, encodeStandard, FileInfo, FsAttribute, FsInfo, type FileFacts } from "#wire/fscc.ts";
import type { LeWriter } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { headerBytes } from "#wire/smb2/header.ts";
import { decodeQueryInfo, encodeOutputHeader, InfoType, outputHeaderBytes, type QueryInfoRequest } from "#wire/smb2/query.ts";
import { encodeFileTime } from "#wire/filetime.ts";
import type { Call } from "../call.ts";
import { clusterBytes, factsOf } from "../open/facts.ts";
import type { Open } from "../open/open.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

/** QUERY_INFO (MS-SMB2 3.3.5.20). */
export async function queryInfo(call: Call): Promise<number> {
  const request = decodeQueryInfo(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  const inode = await open.tree.fs!.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  const usage = request.infoType === InfoType.FILESYSTEM ? await open.tree.fs!.usage() : null;
  if (usage instanceof FsError) return ntStatusOf(usage);
  encodeOutputHeader(call.w, 0);
  const from = call.w.at;
  let status: number;
  if (request.infoType === InfoType.FILE) status = fileInfo(call.w, request, open, inode);
  else if (usage !== null) status = fsInfo(call.w, request, open, inode, usage);
  else status = NtStatus.NOT_SUPPORTED;
  if (status !== NtStatus.SUCCESS) return status;
  return finish(call, request, from);
}

/** Sets the length; what does not fit is cut where the class has a variable part, else refused. */
function finish(call: Call, request: QueryInfoRequest, from: number): number {
  const { w } = call;
  let status: number = NtStatus.SUCCESS;
  if (w.at - from > request.outputBytesMax) {
    const cuts = request.infoType === InfoType.FILE && (request.infoClass === FileInfo.All || request.infoClass === FileInfo.Name);
    if (!cuts && request.infoType === InfoType.FILE) return NtStatus.INFO_LENGTH_MISMATCH;
    w.at = from + request.outputBytesMax;
    call.hasBody = true;
    status = NtStatus.BUFFER_OVERFLOW;
  }
  w.setU16(from - outputHeaderBytes + 2, headerBytes + outputHeaderBytes);
  w.setU32(from - 4, w.at - from);
  return status;
}

function fileInfo(w: LeWriter, request: QueryInfoRequest, open: Open, inode: Inode): number {
  const facts = factsOf(inode);
  const name = `\\${open.path}`;
  w.reserve(256);
  switch (request.infoClass) {
    case FileInfo.Basic:
      encodeBasic(w, facts);
      break;
    case FileInfo.Standard:
      encodeStandard(w, facts, open.deletePending);
      break;
    case FileInfo.Internal:
      w.u64(facts.id);
      break;
    case FileInfo.Ea:
    case FileInfo.Mode:
    case FileInfo.Alignment:
      w.u32(0);
      break;
    case FileInfo.Access:
      w.u32(open.access);
      break;
    case FileInfo.Position:
      w.u64(0);
      break;
    case FileInfo.All:
      encodeAll(w, open, facts);
      break;
    case FileInfo.Name:
    case FileInfo.NormalizedName:
      encodeCountedName(w, request.infoClass === FileInfo.Name ? name : open.path);
      break;
    case FileInfo.NetworkOpen:
      encodeNetworkOpen(w, facts);
      break;
    case FileInfo.AttributeTag:
      w.u32(facts.attributes);
      w.u32(0);
      break;
    case FileInfo.Compression:
      w.u64(facts.endOfFile);
      w.zeros(8);
      break;
    case FileInfo.Stream:
      if (facts.directory) break;
      w.u32(0);
      w.u32(14);
      w.u64(facts.endOfFile);
      w.u64(facts.allocationBytes);
      w.utf16("::$DATA");
      break;
    default:
      return NtStatus.INVALID_INFO_CLASS;
  }
  return NtStatus.SUCCESS;
}

/** FileAllInformation (MS-FSCC 2.4.2). */
function encodeAll(w: LeWriter, open: Open, facts: FileFacts): void {
  encodeBasic(w, facts);
  encodeStandard(w, facts, open.deletePending);
  w.u64(facts.id);
  w.u32(0);
  w.u32(open.access);
  w.u64(0);
  w.u32(0);
  w.u32(0);
  encodeCountedName(w, `\\${open.path}`);
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
