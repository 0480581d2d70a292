import type { Time } from "#base/time.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import type { AttributeRequest } from "#vfs/file-system.ts";
import { decodeFileTime } from "#wire/filetime.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { u32, u64 } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { CreateOption } from "#wire/smb2/create.ts";
import { AppleStream, openedAppleStream, sizeAfpInfo } from "../aapl/index.ts";
import { reserve } from "../open/allocation.ts";
import { attributesOf, factsOf } from "../open/facts.ts";
import type { Open } from "../open/open.ts";
import { writesTold } from "../open/write-times.ts";
import { ntStatusOf } from "../status.ts";

/** Attributes a client sets (MS-FSCC 2.6); the others follow from what the file is and holds. */
export const settableAttributes: number =
  FileAttribute.READONLY |
  FileAttribute.HIDDEN |
  FileAttribute.SYSTEM |
  FileAttribute.ARCHIVE |
  FileAttribute.TEMPORARY |
  FileAttribute.OFFLINE |
  FileAttribute.NOT_CONTENT_INDEXED;

/** The fields of FileBasicInformation (MS-FSCC 2.4.7). */
const birthAt = 0;
const accessAt = 8;
const writeAt = 16;
const changeAt = 24;
const attributesAt = 32;
export const basicBytes = 40;

/** A time field that asks to leave a time alone from now on, or to let it move again (MS-FSA 2.1.5.15.2). */
const freeze = 0xffffffff;
const thaw = 0xfffffffe;

/** What a time field says: a time, to leave it, or that what this handle does moves it no more (again). */
type TimeChange = Time | "leave" | "freeze" | "thaw" | "wrong";

function timeChange(input: Uint8Array, at: number): TimeChange {
  const low = u32(input, at);
  const high = u32(input, at + 4);
  if (high === freeze && low === freeze) return "freeze";
  if (high === freeze && low === thaw) return "thaw";
  if (high >= 0x80000000) return "wrong";
  return decodeFileTime(input, at) ?? "leave";
}

/** FileBasicInformation. What it leaves alone is left alone; the change time follows from the change. */
export async function setBasic(open: Open, input: Uint8Array): Promise<number> {
  const birth = timeChange(input, birthAt);
  const atime = timeChange(input, accessAt);
  const mtime = timeChange(input, writeAt);
  const change = timeChange(input, changeAt);
  if (birth === "wrong" || atime === "wrong" || mtime === "wrong" || change === "wrong") return NtStatus.INVALID_PARAMETER;
  const attributes = u32(input, attributesAt);
  const refused = refuseAttributes(open.directory, attributes);
  if (refused !== NtStatus.SUCCESS) return refused;
  const inode = await open.tree.fs!.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  // Whatever it sets, it tells of what was written.
  writesTold(open);
  const request: AttributeRequest = {
    ...(typeof birth === "string" ? null : { birth }),
    ...(typeof atime === "string" ? null : { atime }),
    ...(typeof mtime === "string" ? null : { mtime }),
    ...(attributes === 0 ? null : { flagsFrom: (now: Inode) => newAttributes(now, attributes) }),
  };
  return set(open, open.ownerId, request, () => {
    if (mtime === "thaw") open.frozenWriteTime = null;
    else if (mtime !== "leave") open.frozenWriteTime = mtime === "freeze" ? inode.mtime : mtime;
    open.writtenFrozen = false;
    if (change === "thaw") open.frozenChangeTime = null;
    else if (change !== "leave") open.frozenChangeTime = change === "freeze" ? factsOf(inode).changeTime : change;
  });
}

/** Why a file or directory can't get these attributes. */
export function refuseAttributes(directory: boolean, attributes: number): NtStatus {
  const wrong = directory ? FileAttribute.TEMPORARY : FileAttribute.DIRECTORY;
  return (attributes & wrong) === 0 ? NtStatus.SUCCESS : NtStatus.INVALID_PARAMETER;
}

/** The attributes a file has once a client set these: what is not a client's to set stays. */
function newAttributes(inode: Inode, attributes: number): number {
  const kept = attributesOf(inode) & (FileAttribute.SPARSE_FILE | FileAttribute.COMPRESSED);
  return kept | (attributes & settableAttributes);
}

/** `whenSet`: what the open is from then on. */
async function set(open: Open, id: FileId, request: AttributeRequest, whenSet: () => void = () => {}): Promise<number> {
  const done = await open.tree.fs!.setattr(open.credentials(), id, request, null, open.file);
  if (done instanceof FsError) return ntStatusOf(done);
  whenSet();
  if (open.frozenChangeTime !== null) open.tree.fs!.tellChangeTime(open.ownerId, open.frozenChangeTime);
  return NtStatus.SUCCESS;
}

/** FileEndOfFileInformation: a size that stays the same is still a write. */
export async function setEndOfFile(open: Open, input: Uint8Array): Promise<number> {
  const size = u64(input, 0);
  if (open.directory || !Number.isSafeInteger(size)) return NtStatus.INVALID_PARAMETER;
  if (openedAppleStream(open) === AppleStream.info) return sizeAfpInfo(size);
  writesTold(open);
  return set(open, open.id, { size });
}

/** FileAllocationInformation: below the size it cuts the file; above it there is nothing to do, as content takes room when it comes. */
export async function setAllocation(open: Open, input: Uint8Array): Promise<number> {
  const size = u64(input, 0);
  if (open.directory || !Number.isSafeInteger(size)) return NtStatus.INVALID_PARAMETER;
  if (openedAppleStream(open) === AppleStream.info) return sizeAfpInfo(size);
  const inode = await open.tree.fs!.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  reserve(open, size);
  if (size < inode.size) return set(open, open.id, { size });
  const refused = await open.tree.fs!.contend(open.file!);
  return refused === null ? NtStatus.SUCCESS : ntStatusOf(refused);
}

/** FileValidDataLengthInformation: what is not written reads as zeros whatever it says. */
export async function setValidDataLength(open: Open, input: Uint8Array): Promise<number> {
  const length = u64(input, 0);
  const inode = await open.tree.fs!.getattr(open.id);
  if (inode instanceof FsError) return ntStatusOf(inode);
  return open.directory || length > inode.size ? NtStatus.INVALID_PARAMETER : NtStatus.SUCCESS;
}

/** FilePositionInformation: kept for whoever asks; reads and writes say where they are. */
export function setPosition(open: Open, input: Uint8Array): number {
  const position = u64(input, 0);
  if (!Number.isSafeInteger(position)) return NtStatus.INVALID_PARAMETER;
  open.position = position;
  return NtStatus.SUCCESS;
}

const waitingModes = CreateOption.SYNCHRONOUS_IO_ALERT | CreateOption.SYNCHRONOUS_IO_NONALERT;
const modesKnown = CreateOption.WRITE_THROUGH | CreateOption.SEQUENTIAL_ONLY | CreateOption.NO_INTERMEDIATE_BUFFERING | waitingModes;
/** What of the create options FileModeInformation tells (MS-FSCC 2.4.31). */
export const shownModes: number = modesKnown | CreateOption.DELETE_ON_CLOSE;

/** FileModeInformation (MS-FSA 2.1.5.15.8). */
export function setMode(open: Open, input: Uint8Array): number {
  const mode = u32(input, 0);
  if ((mode & ~modesKnown) !== 0 || (mode & waitingModes) === waitingModes) return NtStatus.INVALID_PARAMETER;
  // Whether a file is opened for waiting is decided when it is opened.
  open.mode = mode;
  return NtStatus.SUCCESS;
}
