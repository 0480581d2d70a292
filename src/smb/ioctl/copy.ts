import { FsError } from "#model/fs-error.ts";
import { fileSizeMax } from "#model/ids.ts";
import type { Credentials } from "#model/credentials.ts";
import type { Inode } from "#model/inode.ts";
import { FewAtATime } from "#vfs/few-at-a-time.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { copyAnswerBytes, type CopyChunk, decodeCopyChunks, decodeDuplicate, decodeDuplicateEx, type Duplicate, encodeCopied, encodeResumeKey, resumeKeyBytes } from "#wire/smb2/fsctl.ts";
import { FsControl, type IoctlRequest } from "#wire/smb2/io.ts";
import { afpInfoBytes, AppleStream, copyFile, openedAppleStream, writeAfpInfo } from "../aapl/index.ts";
import { mayUse } from "../admission.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";
import { writing } from "../open/write-times.ts";
import { ntStatusOf } from "../status.ts";
import { answer, answerWith } from "./answer.ts";
import { isSparse } from "./sparse.ts";

/** Limits of a server-side copy, as Windows has them (MS-SMB2 3.3.3). */
const chunksMax = 256;
const chunkBytesMax = 1024 * 1024;
const copyBytesMax = 16 * 1024 * 1024;
const fileIdBytes = 16;
/** Bytes of a copy from one share to another that are on their way at a time, and how many such pieces there are. */
const pieceBytes = 256 * 1024;
const across = new FewAtATime(8);
const mayRead = AccessMask.READ_DATA | AccessMask.EXECUTE;
const mayWrite = AccessMask.WRITE_DATA | AccessMask.APPEND_DATA;

/** SRV_REQUEST_RESUME_KEY (MS-SMB2 3.3.5.15.5): by its key a file is found again in the same session. */
export function resumeKey(call: Call, request: IoctlRequest, open: Open): number {
  const output = encodeResumeKey(keyOf(open));
  return output.length > request.outputBytesMax ? NtStatus.INVALID_PARAMETER : answer(call, request, open.fileId, output);
}

/** The file's id, which nobody guesses and which is good in its session alone. */
function keyOf(open: Open): Uint8Array {
  const key = new Uint8Array(resumeKeyBytes);
  key.set(open.fileId, 0);
  return key;
}

/** The open file of the request's session that has this id, of whatever share a request that came so may use. */
function fileOfSession(call: Call, id: Uint8Array): Open | null {
  for (const tree of call.session!.trees.values()) {
    if (!mayUse(call, tree)) continue;
    const open = call.connection.server.opens.find(id, 0, tree);
    if (open !== null) return open;
  }
  return null;
}

/** SRV_COPYCHUNK and SRV_COPYCHUNK_WRITE (MS-SMB2 3.3.5.15.6): chunk after chunk; what was done by the first that fails is told. */
export async function copyChunks(call: Call, request: IoctlRequest, target: Open): Promise<number> {
  if (request.outputBytesMax < copyAnswerBytes) return NtStatus.INVALID_PARAMETER;
  const copy = decodeCopyChunks(request.input, chunksMax);
  if (copy === null) return NtStatus.INVALID_PARAMETER;
  const source = copy.key.subarray(fileIdBytes).some((byte) => byte !== 0) ? null : fileOfSession(call, copy.key);
  if (source === null) return NtStatus.OBJECT_NAME_NOT_FOUND;
  if (source.directory || source.pipe !== null || target.directory) return NtStatus.INVALID_DEVICE_REQUEST;
  const needed = request.code === FsControl.SRV_COPYCHUNK ? AccessMask.READ_DATA : 0;
  if ((source.access & mayRead) === 0 || (target.access & mayWrite) === 0 || (target.access & needed) !== needed) return NtStatus.ACCESS_DENIED;
  if (!isWithinLimits(copy.count, copy.chunks)) {
    return answerWith(call, request, target.fileId, encodeCopied(chunksMax, chunkBytesMax, copyBytesMax), NtStatus.INVALID_PARAMETER);
  }
  if (copy.count === 0 && target.tree.appleClient && source.tree.fs === target.tree.fs) return copyWhole(call, request, source, target);
  writing(target, target.tree.fs!.cached(target.id), call.connection.server.clock.monotonicMs());
  let bytes = 0;
  for (let i = 0; i < copy.chunks.length; i++) {
    const chunk = copy.chunks[i]!;
    const status = await copyChunk(source, target, chunk);
    if (status !== NtStatus.SUCCESS) return answerWith(call, request, target.fileId, encodeCopied(i, 0, bytes), status);
    bytes += chunk.length;
  }
  return answer(call, request, target.fileId, encodeCopied(copy.chunks.length, 0, bytes));
}

/** The whole file, as macOS means it. */
async function copyWhole(call: Call, request: IoctlRequest, source: Open, target: Open): Promise<number> {
  const bytes = await copyFile(source, target, bothRights(source, target));
  return bytes instanceof FsError ? ntStatusOf(bytes) : answer(call, request, target.fileId, encodeCopied(0, 0, Math.min(bytes, 0xffffffff)));
}

function isWithinLimits(count: number, chunks: readonly CopyChunk[]): boolean {
  let bytes = 0;
  for (const { length } of chunks) {
    if (length === 0 || length > chunkBytesMax) return false;
    bytes += length;
  }
  return count <= chunksMax && bytes <= copyBytesMax;
}

async function copyChunk(source: Open, target: Open, chunk: CopyChunk): Promise<number> {
  const { sourceOffset, targetOffset, length } = chunk;
  const from = source.tree.fs!;
  const to = target.tree.fs!;
  if (targetOffset + length > fileSizeMax) return NtStatus.INVALID_PARAMETER;
  const inode = await from.getattr(source.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  if (sourceOffset + length > inode.size) return NtStatus.INVALID_VIEW_SIZE;
  if (openedAppleStream(target) === AppleStream.info) return copyToInfo(source, target, chunk);
  const done = from === to ? await copyWithin(from, source, target, chunk) : await across.run(() => copyAcross(from, source, to, target, chunk));
  if (done === null) return NtStatus.SUCCESS;
  // Cut since it was looked at.
  return done.code === "invalid" ? NtStatus.INVALID_VIEW_SIZE : ntStatusOf(done);
}

/** It is judged as whatever is written there. */
async function copyToInfo(source: Open, target: Open, { sourceOffset, targetOffset, length }: CopyChunk): Promise<number> {
  const read = await source.tree.fs!.read(source.credentials(), source.id, sourceOffset, Math.min(length, afpInfoBytes), source.file);
  if (read instanceof FsError) return ntStatusOf(read);
  const bytes = Buffer.concat(read.data.slices);
  read.data.release();
  return writeAfpInfo(target, targetOffset, bytes, false);
}

/** The source's rights and the target's are both in the opens; a share's copy asks for those of one caller. */
function bothRights(source: Open, target: Open): Credentials {
  return { ...target.credentials(), opened: target.access | (source.access & mayRead) };
}

function copyWithin(fs: FileSystem, source: Open, target: Open, { sourceOffset, targetOffset, length }: CopyChunk): Promise<FsError | null> {
  return fs.copy(bothRights(source, target), { source: source.id, sourceOffset, target: target.id, targetOffset, length, by: { source: source.file, target: target.file }, obeysLocks: true });
}

/** Between shares there is nothing to be shared. */
async function copyAcross(from: FileSystem, source: Open, to: FileSystem, target: Open, chunk: CopyChunk): Promise<FsError | null> {
  for (let done = 0; done < chunk.length; ) {
    const length = Math.min(pieceBytes, chunk.length - done);
    const read = await from.read(source.credentials(), source.id, chunk.sourceOffset + done, length, source.file);
    if (read instanceof FsError) return read;
    // A write may keep what it is given for longer than the pages that were read are kept.
    const bytes = Buffer.concat(read.data.slices);
    read.data.release();
    if (bytes.length < length) return FsError.of("invalid");
    const written = await to.write(target.credentials(), target.id, chunk.targetOffset + done, [bytes], length, false, target.file);
    if (written instanceof FsError) return written;
    done += length;
  }
  return null;
}

/** DUPLICATE_EXTENTS_TO_FILE (MS-FSA 2.1.5.10.4): the target comes to share what the source stores there. As on Windows, no lock bars it. */
export function duplicate(call: Call, request: IoctlRequest, target: Open): Promise<number> | number {
  const asked = request.code === FsControl.DUPLICATE_EXTENTS_TO_FILE ? decodeDuplicate(request.input) : decodeDuplicateEx(request.input);
  return asked === null ? NtStatus.INVALID_PARAMETER : duplicateFrom(call, request, target, asked);
}

async function duplicateFrom(call: Call, request: IoctlRequest, target: Open, asked: Duplicate): Promise<number> {
  const source = fileOfSession(call, asked.fileId);
  if (source === null) return NtStatus.INVALID_HANDLE;
  if (source.directory || source.pipe !== null || target.directory) return NtStatus.INVALID_PARAMETER;
  if (source.tree.fs !== target.tree.fs) return NtStatus.NOT_SAME_DEVICE;
  if ((source.access & AccessMask.READ_DATA) === 0 || (target.access & AccessMask.WRITE_DATA) === 0) return NtStatus.ACCESS_DENIED;
  const fs = target.tree.fs!;
  const from = await fs.getattr(source.id);
  const to = await fs.getattr(target.id);
  if (from instanceof FsError) return ntStatusOf(from);
  if (to instanceof FsError) return ntStatusOf(to);
  const { sourceOffset, targetOffset, length } = asked;
  if (!fits(asked, from, to, source.id === target.id)) return NtStatus.NOT_SUPPORTED;
  const who = { ...target.credentials(), opened: target.access | (source.access & mayRead) };
  writing(target, to, call.connection.server.clock.monotonicMs());
  const done = await fs.clone(who, { source: source.id, sourceOffset, target: target.id, targetOffset, length, by: { source: source.file, target: target.file }, obeysLocks: false });
  if (done !== null) return done.code === "invalid" ? NtStatus.NOT_SUPPORTED : ntStatusOf(done);
  return answer(call, request, target.fileId);
}

/** Both ranges lie in their files and apart from each other, and no holes come into a file that has none. */
function fits({ sourceOffset, targetOffset, length }: Duplicate, from: Inode, to: Inode, same: boolean): boolean {
  if (sourceOffset + length > from.size || targetOffset + length > to.size) return false;
  if (same && Math.abs(sourceOffset - targetOffset) < length) return false;
  return !isSparse(from) || isSparse(to);
}
