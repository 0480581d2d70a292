import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import { after } from "#vfs/maybe.ts";
import { FileInfo } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { headerBytes } from "#wire/smb2/header.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import { decodeQueryInfo, encodeError, encodeErrorContext, encodeOutputHeader, InfoType, outputHeaderBytes, type QueryInfoRequest } from "#wire/smb2/query.ts";
import { modeBits, withNfsAces } from "../aapl/index.ts";
import type { Call } from "../call.ts";
import { queryEas } from "../info/eas.ts";
import { classOf, type FileQuery, type InfoClass, wantsName } from "../info/file-info.ts";
import { known } from "../info/known.ts";
import { volumeClassOf, volumeOf } from "../info/volume.ts";
import type { Open } from "../open/open.ts";
import { pathNow } from "../open/path-now.ts";
import { describe, descriptorOf, rightsToQuery } from "../security/descriptors.ts";
import { toldWhenSlow } from "../pending.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

/** QUERY_INFO (MS-SMB2 3.3.5.20). */
export function queryInfo(call: Call): Maybe<number> {
  const status = query(call);
  return status instanceof Promise ? toldWhenSlow(call, status) : status;
}

function query(call: Call): Maybe<number> {
  const request = decodeQueryInfo(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  if (request.outputBytesMax > call.connection.transactBytesMax) return NtStatus.INVALID_PARAMETER;
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
    const whole = descriptorOf(inode);
    const bytes = describe(open.tree.appleClient ? withNfsAces(whole, inode, modeBits(inode)) : whole, request.additional);
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

function queryVolume(call: Call, request: QueryInfoRequest, open: Open): Maybe<number> {
  const kind = volumeClassOf(request.infoClass);
  if (kind === undefined) return NtStatus.INVALID_INFO_CLASS;
  return after(volumeOf(open.tree), (query) => {
    if (typeof query === "number") return query;
    call.w.reserve(outputHeaderBytes + 256);
    encodeOutputHeader(call.w, 0);
    const from = call.w.at;
    kind.write(call.w, query);
    return finish(call, request, from, kind.fixedBytes);
  });
}

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
  const named = wantsName(infoClass) ? pathNow(open) : null;
  return named instanceof Promise ? named.then(() => tellFile(call, request, open, kind)) : tellFile(call, request, open, kind);
}

function tellFile(call: Call, request: QueryInfoRequest, open: Open, kind: InfoClass): Maybe<number> {
  const query = known(open, request.infoClass, call.connection.server.clock);
  return query instanceof Promise ? query.then((arrived) => writeFile(call, request, kind, arrived)) : writeFile(call, request, kind, query);
}

function writeFile(call: Call, request: QueryInfoRequest, kind: InfoClass, query: FileQuery | number): number {
  if (typeof query === "number") return query;
  call.w.reserve(outputHeaderBytes + 256);
  encodeOutputHeader(call.w, 0);
  const from = call.w.at;
  const status = kind.write(call.w, query);
  return status === NtStatus.SUCCESS ? finish(call, request, from, kind.fixedBytes) : status;
}
