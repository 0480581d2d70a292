import { FsError } from "#model/fs-error.ts";
import { fileSizeMax } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag } from "#model/inode-flags.ts";
import type { ByteRange } from "#model/file-content.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { allocatedRangeBytes, decodePair, decodeRegionQuery, decodeTrim, encodeRanges, encodeRegion, encodeUint32, negativeFrom, regionBytes, regionsFixedBytes } from "#wire/smb2/fsctl.ts";
import type { IoctlRequest } from "#wire/smb2/io.ts";
import type { Call } from "../call.ts";
import { clusterBytes } from "../open/facts.ts";
import type { Open } from "../open/open.ts";
import { writing } from "../open/write-times.ts";
import { ntStatusOf } from "../status.ts";
import { answer, answerWith } from "./answer.ts";

/** Ranges one answer tells of. */
const rangesMax = 4096;
/** Ranges one trim gives back. */
const trimsMax = 256;

/** Whether clients are shown the file's holes. */
export function isSparse(inode: Inode): boolean {
  return (inode.flags & FileAttribute.SPARSE_FILE) !== 0;
}

/** SET_SPARSE (MS-FSA 2.1.5.10.34). An empty input sets it. */
export async function setSparse(call: Call, request: IoctlRequest, open: Open): Promise<number> {
  const mayChange = AccessMask.WRITE_DATA | AccessMask.APPEND_DATA | AccessMask.WRITE_ATTRIBUTES;
  if (open.directory) return NtStatus.INVALID_PARAMETER;
  if ((open.access & mayChange) === 0) return NtStatus.ACCESS_DENIED;
  const set = request.input.length === 0 || request.input[0] !== 0;
  const fs = open.tree.fs!;
  const inode = await fs.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  if (inode.type !== FileType.regular) return NtStatus.INVALID_PARAMETER;
  if (set !== isSparse(inode)) {
    const request = { flagsFrom: (now: Inode) => withSparse(now, set) };
    const changed = await fs.setattr({ ...open.credentials(), opened: open.access | AccessMask.WRITE_ATTRIBUTES }, open.id, request, null, open.file);
    if (changed instanceof FsError) return ntStatusOf(changed);
  }
  return answer(call, request, open.fileId);
}

/** DOS attributes with that one changed. */
function withSparse(inode: Inode, set: boolean): number {
  const shown = (inode.flags & InodeFlag.dosSet) === 0 ? FileAttribute.ARCHIVE : inode.flags & InodeFlag.dosMask;
  return set ? shown | FileAttribute.SPARSE_FILE : shown & ~FileAttribute.SPARSE_FILE;
}

/** SET_ZERO_DATA (MS-FSA 2.1.5.10.36). A hole reads as zeros whether or not the file shows its holes. */
export async function zeroData(call: Call, request: IoctlRequest, open: Open): Promise<number> {
  const range = decodePair(request.input);
  if (range === null) return NtStatus.INVALID_PARAMETER;
  const { first: offset, second: end } = range;
  if (offset >= negativeFrom || end >= negativeFrom || offset > end) return NtStatus.INVALID_PARAMETER;
  if (open.directory) return NtStatus.INVALID_PARAMETER;
  if ((open.access & AccessMask.WRITE_DATA) === 0) return NtStatus.ACCESS_DENIED;
  const failed = await punch(call, open, offset, end - offset);
  return failed ?? answer(call, request, open.fileId);
}

/** A status, or null when it is done. */
async function punch(call: Call, open: Open, offset: number, length: number): Promise<number | null> {
  if (offset >= fileSizeMax || length === 0) return null;
  const fs = open.tree.fs!;
  writing(open, fs.cached(open.id), call.connection.server.clock.monotonicMs());
  const done = await fs.punch(open.credentials(), open.id, offset, Math.min(length, fileSizeMax - offset), open.file);
  return done instanceof FsError ? ntStatusOf(done) : null;
}

/** QUERY_ALLOCATED_RANGES (MS-FSA 2.1.5.10.22): of a file that isn't sparse everything is. */
export async function allocatedRanges(call: Call, request: IoctlRequest, open: Open): Promise<number> {
  const range = decodePair(request.input);
  if (range === null || open.directory) return NtStatus.INVALID_PARAMETER;
  const { first: offset, second: length } = range;
  if (offset >= negativeFrom || length >= negativeFrom || offset + length >= negativeFrom) return NtStatus.INVALID_PARAMETER;
  if ((open.access & AccessMask.READ_DATA) === 0) return NtStatus.ACCESS_DENIED;
  const room = Math.min(rangesMax, Math.floor(request.outputBytesMax / allocatedRangeBytes));
  const ranges = await allocatedOf(open, offset, length, room + 1);
  if (ranges instanceof FsError) return ntStatusOf(ranges);
  if (ranges.length > 0 && room === 0) return NtStatus.BUFFER_TOO_SMALL;
  if (ranges.length <= room) return answer(call, request, open.fileId, encodeRanges(ranges));
  return answerWith(call, request, open.fileId, encodeRanges(ranges.slice(0, room)), NtStatus.BUFFER_OVERFLOW);
}

async function allocatedOf(open: Open, offset: number, length: number, limit: number): Promise<readonly ByteRange[] | FsError> {
  const fs = open.tree.fs!;
  const inode = await fs.getattr(open.id);
  if (inode instanceof FsError) return inode;
  const end = Math.min(offset + length, inode.size);
  if (offset >= end) return [];
  if (!isSparse(inode)) return [{ start: offset, end }];
  // Looked at from a cluster's beginning to another's end, so that the ends are told of as what lies between them is.
  const from = offset - (offset % clusterBytes);
  const to = Math.ceil(end / clusterBytes) * clusterBytes;
  const found = await fs.allocated(open.credentials(), open.id, from, to - from, limit * 2);
  return found instanceof FsError ? found : inClusters(found.ranges, offset, end).slice(0, limit);
}

/** Ranges as whole clusters, cut at `from` and `to`. */
function inClusters(ranges: readonly ByteRange[], from: number, to: number): readonly ByteRange[] {
  const out: ByteRange[] = [];
  for (const range of ranges) {
    const start = Math.max(from, range.start - (range.start % clusterBytes));
    const end = Math.min(to, Math.ceil(range.end / clusterBytes) * clusterBytes);
    const last = out[out.length - 1];
    if (last !== undefined && start <= last.end) out[out.length - 1] = { start: last.start, end };
    else if (start < end) out.push({ start, end });
  }
  return out;
}

/** QUERY_FILE_REGIONS (MS-FSA 2.1.5.10.23): what was never written reads as zeros, so everything up to the end of the file is valid. */
export async function fileRegions(call: Call, request: IoctlRequest, open: Open): Promise<number> {
  const query = decodeRegionQuery(request.input);
  if (query === null || open.directory || query.usage === 0) return NtStatus.INVALID_PARAMETER;
  if (query.offset >= negativeFrom || query.length >= negativeFrom || query.offset + query.length >= negativeFrom) return NtStatus.INVALID_PARAMETER;
  if (request.outputBytesMax < regionsFixedBytes) return NtStatus.BUFFER_TOO_SMALL;
  const inode = await open.tree.fs!.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  const end = Math.min(query.offset + query.length, inode.size);
  const region = query.offset < end ? { start: query.offset, end } : null;
  if (region !== null && request.outputBytesMax < regionsFixedBytes + regionBytes) return NtStatus.BUFFER_TOO_SMALL;
  return answer(call, request, open.fileId, encodeRegion(region, query.usage));
}

/** FILE_LEVEL_TRIM (MS-FSA 2.1.5.10.11): nobody needs what the ranges hold, so that what stores them is given back. */
export async function trim(call: Call, request: IoctlRequest, open: Open): Promise<number> {
  const ranges = decodeTrim(request.input, trimsMax);
  if (ranges === null || open.directory) return NtStatus.INVALID_PARAMETER;
  if ((open.access & AccessMask.WRITE_DATA) === 0) return NtStatus.ACCESS_DENIED;
  for (const { offset, length } of ranges) if (offset + length >= negativeFrom) return NtStatus.INVALID_PARAMETER;
  for (const { offset, length } of ranges) {
    const failed = await punch(call, open, offset, length);
    if (failed !== null) return failed;
  }
  return answer(call, request, open.fileId, request.outputBytesMax >= 4 ? encodeUint32(ranges.length) : undefined);
}
