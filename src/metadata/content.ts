import { assert } from "#base/assert.ts";
import type { Change, Extent } from "#model/change-set.ts";
import type { FileId } from "#model/ids.ts";
import { xattrFlags } from "#model/inode-flags.ts";
import type { Batch } from "./batch.ts";
import { extentEnd, isOrdered, overlay, part } from "./overlay.ts";

/** Overlapping extents up to which their bytes are added up here instead of by the store. */
const listedMax = 32;
/** Stored extents read at once to lay new ones over them: so many for each new one; past it they lie too far apart for that to pay. */
const overlaidPerExtent = 8;
const overlaidLeast = 64;

/** The pack of an extent that stores nothing. */
const hole = 0;

type Of<Kind extends Change["do"]> = Extract<Change, { do: Kind }>;

/**
 * Takes `from`..`to` out of a file's extents, splitting those that stick out, and gives the bytes that were stored there.
 * However many extents lie in between, they are deleted by one statement.
 */
function cut(batch: Batch, file: FileId, from: number, to: number): number {
  if (from >= to) return 0;
  const rows = batch.rows;
  const overlapping = rows.extents(file, from, to, listedMax + 1);
  const first = overlapping[0];
  if (first === undefined) return 0;
  const complete = overlapping.length <= listedMax;
  const last = (complete ? overlapping[overlapping.length - 1] : rows.extents(file, to - 1, to, 1)[0]) ?? null;
  let removed = 0;
  if (complete) {
    for (let i = 0; i < overlapping.length; i++) {
      const e = overlapping[i] as Extent;
      removed += e.length;
      batch.addLive(e.pack, -e.length);
    }
  } else {
    for (const { pack, bytes } of rows.packBytes(file, first.offset, to)) {
      removed += bytes;
      batch.addLive(pack, -bytes);
    }
  }
  rows.deleteExtents(file, first.offset, to);
  if (first.offset < from) removed -= lay(batch, file, part(first, first.offset, from));
  if (last !== null && extentEnd(last) > to) removed -= lay(batch, file, part(last, to, extentEnd(last)));
  return removed;
}

/** Inserts an extent where none is (nothing for a hole), and gives the bytes it stores. */
function lay(batch: Batch, file: FileId, extent: Extent): number {
  if (extent.pack === hole) return 0;
  batch.addLive(extent.pack, extent.length);
  batch.rows.insertExtent(file, extent);
  return extent.length;
}

function checkExtent(e: Extent): void {
  assert(e.length > 0 && e.offset >= 0 && e.packOffset >= 0 && Number.isSafeInteger(extentEnd(e)), "an extent must have a length and lie below 2^53");
}

/**
 * Cuts a file's extents and lays new ones over them, where content up to `sequence` is not there yet; whether that is so. Of an orphan too:
 * somebody may have it open and go on using it until it is freed.
 */
function layContent(batch: Batch, change: Of<"storeContent"> | Of<"layExtents">, lazy: boolean): boolean {
  const { id, sequence, cutTo, extents } = change;
  const now = batch.peek(id);
  if (now === null || now.contentSequence >= sequence) return false;
  const draft = batch.draft(id, lazy);
  let used = draft.used;
  // A file without a stored byte has no extents: nothing to look for.
  if (cutTo >= 0 && used > 0) used -= cut(batch, id, cutTo, Number.MAX_SAFE_INTEGER);
  draft.used = used + layAll(batch, id, extents, used > 0);
  return true;
}

/** Lays extents over what is there (nothing, unless `occupied`); gives by how much the file's stored bytes grow. */
function layAll(batch: Batch, file: FileId, extents: readonly Extent[], occupied: boolean): number {
  for (let i = 0; i < extents.length; i++) checkExtent(extents[i] as Extent);
  const first = extents[0];
  if (first === undefined) return 0;
  if (!isOrdered(extents)) return layEach(batch, file, extents);
  const end = extentEnd(extents[extents.length - 1] as Extent);
  const most = overlaidLeast + overlaidPerExtent * extents.length;
  const below = occupied ? batch.rows.extents(file, first.offset, end, most + 1) : [];
  if (below.length > most) return layEach(batch, file, extents);
  const { taken, laid } = overlay(below, extents);
  const free = new Set<number>();
  let grown = 0;
  for (let i = 0; i < taken.length; i++) {
    const e = taken[i] as Extent;
    free.add(e.offset);
    batch.addLive(e.pack, -e.length);
    grown -= e.length;
  }
  for (let i = 0; i < laid.length; i++) {
    const e = laid[i] as Extent;
    if (e.pack === hole) continue;
    batch.addLive(e.pack, e.length);
    grown += e.length;
    // Most overwrites cover what they overwrite exactly: one statement instead of two.
    if (free.delete(e.offset)) batch.rows.replaceExtent(file, e);
    else batch.rows.insertExtent(file, e);
  }
  for (const offset of free) batch.rows.deleteExtents(file, offset, offset + 1);
  return grown;
}

function layEach(batch: Batch, file: FileId, extents: readonly Extent[]): number {
  let grown = 0;
  for (let i = 0; i < extents.length; i++) {
    const e = extents[i] as Extent;
    grown -= cut(batch, file, e.offset, extentEnd(e));
    grown += lay(batch, file, e);
  }
  return grown;
}

export function layExtents(batch: Batch, change: Of<"layExtents">): void {
  layContent(batch, change, true);
}

export function storeContent(batch: Batch, change: Of<"storeContent">): void {
  const { id, sequence } = change;
  if (!layContent(batch, change, false)) return;
  const draft = batch.draft(id);
  draft.size = change.size;
  draft.contentSequence = sequence;
  if (draft.mtimeSequence < sequence) draft.mtime = change.mtime;
  if (change.ctime.isAfter(draft.ctime)) draft.ctime = change.ctime;
}

export function moveExtent(batch: Batch, change: Of<"moveExtent">): void {
  const { file, from, to } = change;
  checkExtent(from);
  checkExtent(to);
  assert(from.offset === to.offset && from.length === to.length, "an extent moves to another place of a pack, not of its file");
  const stop = extentEnd(from);
  let offset = from.offset;
  while (offset < stop) {
    const stored = batch.rows.extents(file, offset, stop, listedMax);
    for (let i = 0; i < stored.length; i++) {
      const e = stored[i] as Extent;
      offset = extentEnd(e);
      if (e.pack !== from.pack || e.packOffset - e.offset !== from.packOffset - from.offset) continue;
      const begin = Math.max(e.offset, from.offset);
      cut(batch, file, begin, Math.min(offset, stop));
      lay(batch, file, part(to, begin, Math.min(offset, stop)));
    }
    if (stored.length < listedMax) return;
  }
}

export function freeOrphan(batch: Batch, change: Of<"freeOrphan">): void {
  const { id, extentsMax } = change;
  const inode = batch.peek(id);
  if (inode === null || inode.links > 0) return;
  assert(extentsMax > 0, "freeOrphan must be let free an extent");
  const extents = batch.rows.extents(id, 0, Number.MAX_SAFE_INTEGER, extentsMax + 1);
  const rest = extents[extentsMax];
  const removed = extents.length === 0 ? 0 : cut(batch, id, 0, rest === undefined ? Number.MAX_SAFE_INTEGER : rest.offset);
  if (rest === undefined) {
    if ((inode.flags & xattrFlags) !== 0) batch.rows.deleteXattrs(id);
    batch.deleteInode(id);
  } else batch.draft(id).used -= removed;
}
