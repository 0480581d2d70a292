import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { ContentReferences } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileSizeMax } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { type Changer, changerOf, contentPermissions, Permission } from "../access/permissions.ts";
import { denied, fileTooBig, invalid, jukebox, locked, stale } from "../errors.ts";
import type { CopyRange } from "../file-system.ts";
import type { Share } from "../share.ts";
import { changeContent } from "./changing.ts";
import { beforeRead } from "./opened.ts";
import { refuseType } from "./read.ts";

/** A range shorter than this is copied: to share it takes a flush, where it is not stored, and an extent of its own for ever. */
const sharedBytesMin = 64 * 1024;
/** Bytes copied at a time: what of a copy holds the event loop and the memory. */
const copiedBytes = 1024 * 1024;
/** Room in the log that a step of a clone may take. */
const stepBytes = 16 * 1024;

/**
 * Has a range of one file hold what a range of another does, sharing the stored bytes. Nothing is promised of what becomes of the target where
 * it fails half-way. As durable as an unstable write. Other clients are served between its steps.
 */
export async function clone(share: Share, who: Credentials, range: CopyRange): Promise<FsError | null> {
  const refused = await refuseRange(share, who, range);
  if (refused !== null) return refused;
  for (let done = 0; done < range.length; ) {
    const step = await cloneStep(share, who, range, done);
    if (step instanceof FsError) return step;
    done += step;
    if (done < range.length) await turn(share);
  }
  return null;
}

/** The same for a copy: by sharing where that pays, by reading and writing where it does not or can't be done now. */
export async function copy(share: Share, who: Credentials, range: CopyRange): Promise<FsError | null> {
  const refused = await refuseRange(share, who, range);
  if (refused !== null) return refused;
  if (overlaps(range)) return copyOverlapping(share, who, range);
  for (let done = 0; done < range.length; ) {
    let step = range.length - done >= sharedBytesMin ? await cloneStep(share, who, range, done) : jukebox;
    if (step === jukebox) step = await copyStep(share, who, range, done, Math.min(range.length - done, copiedBytes));
    if (step instanceof FsError) return step;
    done += step;
    if (done < range.length) await turn(share);
  }
  return null;
}

/** A range that is copied onto a part of itself: in the order in which nothing is overwritten before it was read. */
async function copyOverlapping(share: Share, who: Credentials, range: CopyRange): Promise<FsError | null> {
  const backwards = range.targetOffset > range.sourceOffset;
  for (let copied = 0; copied < range.length; ) {
    const length = Math.min(range.length - copied, copiedBytes);
    const step = await copyStep(share, who, range, backwards ? range.length - copied - length : copied, length);
    if (step instanceof FsError) return step;
    copied += length;
    if (copied < range.length) await turn(share);
  }
  return null;
}

/** Clones what of the range can be cloned at once, from `done` on; the bytes of it. */
async function cloneStep(share: Share, who: Credentials, range: CopyRange, done: number): Promise<number | FsError> {
  const inode = await sourceOf(share, who, range, done);
  if (inode instanceof FsError) return inode;
  const references = await share.content.references(inode, range.sourceOffset + done, range.length - done);
  if (references instanceof FsError) return references;
  try {
    const admitted = await share.content.admit(stepBytes);
    if (admitted !== null) return admitted;
    const cloned = await intoTarget(share, who, range, done, references.length, (changer, target) =>
      share.cloneContent(changer, target, range.targetOffset + done, references as ContentReferences),
    );
    return cloned ?? references.length;
  } finally {
    references.release();
  }
}

/** Copies `length` bytes of the range, from `done` on, by way of memory. */
function copyStep(share: Share, who: Credentials, range: CopyRange, done: number, length: number): Promise<number | FsError> {
  return share.copies.run(() => copyPiece(share, who, range, done, length));
}

async function copyPiece(share: Share, who: Credentials, range: CopyRange, done: number, length: number): Promise<number | FsError> {
  const inode = await sourceOf(share, who, range, done);
  if (inode instanceof FsError) return inode;
  const read = await share.content.read(inode, range.sourceOffset + done, length);
  if (read instanceof FsError) return read;
  // The write may keep what it is given for longer than the pages that were read are kept.
  const bytes = new Uint8Array(read.length);
  let at = 0;
  for (let i = 0; i < read.slices.length; i++) {
    const slice = read.slices[i] as Uint8Array;
    bytes.set(slice, at);
    at += slice.length;
  }
  read.release();
  if (bytes.length < length) return invalid;
  const admitted = await share.content.admit(length);
  if (admitted !== null) return admitted;
  const written = await intoTarget(share, who, range, done, length, (changer, target) =>
    share.writeContent(changer, target, range.targetOffset + done, [bytes], length),
  );
  return written ?? length;
}

/** The source as it is now, which has the rest of the range. */
async function sourceOf(share: Share, who: Credentials, range: CopyRange, done: number): Promise<Inode | FsError> {
  const kept = share.opens.size === 0 ? null : await beforeRead(share, range.source, range.by.source);
  if (kept !== null) return kept;
  const inode = await current(share, range.source);
  if (inode === null) return stale;
  return refuseSource(share, inode, who, range, done) ?? inode;
}

function refuseSource(share: Share, inode: Inode, who: Credentials, range: CopyRange, done: number): FsError | null {
  const refused = refuseType(inode);
  if (refused !== null) return refused;
  if ((contentPermissions(inode, who) & Permission.read) === 0) return denied;
  const { source, sourceOffset, length, by, obeysLocks } = range;
  if (sourceOffset + length > inode.size) return invalid;
  return obeysLocks && share.locks.bars(source, by.source, sourceOffset + done, length - done, false) ? locked : null;
}

async function intoTarget(
  share: Share,
  who: Credentials,
  range: CopyRange,
  done: number,
  length: number,
  change: (changer: Changer, inode: Inode) => Inode | FsError,
): Promise<FsError | null> {
  const { target, targetOffset, by, obeysLocks } = range;
  const bars = () => (obeysLocks && share.locks.bars(target, by.target, targetOffset + done, length, true) ? locked : null);
  const changed = await changeContent(share, who, target, by.target, bars, change);
  return changed instanceof FsError ? changed : null;
}

async function refuseRange(share: Share, who: Credentials, { sourceOffset, targetOffset, length }: CopyRange): Promise<FsError | null> {
  const changer = changerOf(share.policy, who);
  if (changer instanceof FsError) return changer;
  if (!(sourceOffset >= 0 && targetOffset >= 0 && length >= 0)) return invalid;
  return targetOffset + length > fileSizeMax ? fileTooBig : null;
}

function overlaps({ source, target, sourceOffset, targetOffset, length }: CopyRange): boolean {
  return source === target && Math.abs(sourceOffset - targetOffset) < length;
}

function current(share: Share, id: FileId): Maybe<Inode | null> {
  return share.inodes.hit(id) ?? share.inodes.load(id);
}

function turn(share: Share): Promise<void> {
  return new Promise((resolve) => share.clock.atTurnEnd(resolve));
}
