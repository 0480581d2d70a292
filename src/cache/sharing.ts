import type { Maybe } from "#base/brand.ts";
import { type Extent, type Pack, PackState } from "#model/change-set.ts";
import type { ByteRange, ContentReferences, ContentRun } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { FileState } from "./file-state.ts";
import type { FileTable, LaidRun } from "./file-table.ts";
import { runsMax } from "./log/index.ts";
import { OpenPackRef, type PackTable } from "./pack-table.ts";
import { pageBytes } from "./pages/index.ts";
import type { StoredWaits } from "./stored-waits.ts";

/** Extents asked of the store at a time. */
const extentsPage = 512;
/** How often what is to be shared is looked at again because it changed meanwhile, before the client is told to come back. */
const triesMax = 8;

const hole = 0 as PackId;

/** Bytes of stored packs, held: garbage collection and repacking leave a pack alone that is in `PackTable.open`. */
class Held implements ContentReferences {
  readonly length: number;
  readonly runs: readonly ContentRun[];
  readonly laid: readonly LaidRun[];
  private readonly packs: readonly OpenPackRef[];

  constructor(runs: readonly ContentRun[], packs: ReadonlyMap<PackId, OpenPackRef>) {
    this.length = runs.reduce((sum, run) => sum + run.length, 0);
    this.runs = runs;
    this.laid = runs.map(({ length, pack, packOffset }) => ({ length, pack: packs.get(pack) ?? null, packOffset }));
    this.packs = [...packs.values()];
  }

  release(): void {
    for (const pack of this.packs) pack.holders--;
  }
}

/** The runs a clone lays. */
export function laidRuns(references: ContentReferences): readonly LaidRun[] {
  return (references as Held).laid;
}

/** What of a file is stored where: for those who share it, and for those who ask what is allocated. */
export class Sharing {
  private readonly files: FileTable;
  private readonly packs: PackTable;
  private readonly store: MetadataStore;
  private readonly storedWaits: StoredWaits;

  constructor(files: FileTable, packs: PackTable, store: MetadataStore, storedWaits: StoredWaits) {
    this.files = files;
    this.packs = packs;
    this.store = store;
    this.storedWaits = storedWaits;
  }

  /** As `FileContent.references`. */
  references(id: FileId, offset: number, end: number, tries = triesMax): Maybe<ContentReferences | FsError> {
    const file = this.files.get(id);
    if (file !== undefined && file.gone) return FsError.of("stale");
    if (file === undefined || !isAhead(file, offset, end)) return this.stored(id, offset, end, tries);
    if (tries === 0) return FsError.of("jukebox");
    return this.storedWaits.stored(file).then((error) => error ?? this.references(id, offset, end, tries - 1));
  }

  private stored(id: FileId, offset: number, end: number, tries: number): Maybe<ContentReferences | FsError> {
    const extents = this.store.extents(id, offset, end, extentsPage);
    if (extents instanceof Promise) {
      return extents.then((found) => {
        const runs = runsOf(found, offset, end);
        return this.verified(id, offset, end, runs, this.rowsOf(runs), tries);
      });
    }
    const runs = runsOf(extents, offset, end);
    const rows = this.rowsOf(runs);
    return rows.some((row) => row instanceof Promise) ? this.verified(id, offset, end, runs, rows, tries) : this.hold(runs, rows as readonly (Pack | null)[]);
  }

  /**
   * Where the store answers late, what it said may have been collected or repacked since: the packs are held first, and what it says then
   * counts. A pack that an extent refers to while it is held is not on its way out.
   */
  private async verified(id: FileId, offset: number, end: number, runs: readonly ContentRun[], rows: readonly Maybe<Pack | null>[], tries: number): Promise<ContentReferences | FsError> {
    const held = this.hold(runs, await Promise.all(rows));
    if (!(held instanceof FsError)) {
      let same = false;
      try {
        same = await this.isStill(id, offset, end, runs);
      } finally {
        if (!same) held.release();
      }
      if (same) return held;
    }
    return tries === 0 ? FsError.of("jukebox") : this.references(id, offset, end, tries - 1);
  }

  /** Whether the store and memory still say of the range what they said. */
  private async isStill(id: FileId, offset: number, end: number, runs: readonly ContentRun[]): Promise<boolean> {
    const again = runsOf(await this.store.extents(id, offset, end, extentsPage), offset, end);
    const file = this.files.get(id);
    const same = again.length === runs.length && again.every((run, i) => isSame(run, runs[i] as ContentRun));
    return same && (file === undefined || !isAhead(file, offset, end));
  }

  /** Rows of the packs that memory doesn't know. */
  private rowsOf(runs: readonly ContentRun[]): Maybe<Pack | null>[] {
    const asked = new Map<PackId, Maybe<Pack | null>>();
    for (const { pack } of runs) if (pack !== hole && !asked.has(pack) && !this.packs.open.has(pack)) asked.set(pack, this.store.pack(pack));
    return [...asked.values()];
  }

  /** Holds the packs of the runs. */
  private hold(runs: readonly ContentRun[], rows: readonly (Pack | null)[]): Held | FsError {
    const known = new Map<PackId, Pack>();
    for (const row of rows) if (row !== null) known.set(row.id, row);
    const held = new Map<PackId, OpenPackRef>();
    for (const { pack } of runs) {
      if (pack === hole || held.has(pack)) continue;
      const ref = this.packs.open.get(pack) ?? opened(known.get(pack));
      if (ref === null) return FsError.of("io");
      held.set(pack, ref);
    }
    for (const [id, ref] of held) {
      ref.holders++;
      this.packs.open.set(id, ref);
    }
    return new Held(runs, held);
  }

  /** As `FileContent.allocated`. */
  allocated(id: FileId, offset: number, end: number, limit: number): Maybe<readonly ByteRange[]> {
    return this.gather(id, offset, end, limit, []);
  }

  private gather(id: FileId, offset: number, end: number, limit: number, ranges: ByteRange[]): Maybe<readonly ByteRange[]> {
    for (let at = offset; at < end && ranges.length <= limit; ) {
      const extents = this.store.extents(id, at, end, extentsPage);
      if (extents instanceof Promise) {
        const from = at;
        return extents.then((found) => this.gather(id, this.add(id, from, end, found, ranges), end, limit, ranges));
      }
      at = this.add(id, at, end, extents, ranges);
    }
    return ranges.length > limit ? ranges.slice(0, limit) : ranges;
  }

  /** Adds what of `offset`.. is allocated, as far as `stored` reaches; gives how far that is. */
  private add(id: FileId, offset: number, end: number, stored: readonly Extent[], ranges: ByteRange[]): number {
    const last = stored[stored.length - 1];
    const until = stored.length < extentsPage || last === undefined ? end : Math.min(end, last.offset + last.length);
    const file = this.files.get(id);
    const all: ByteRange[] = [];
    const storedEnd = file === undefined ? until : Math.min(until, file.storedEnd);
    for (const e of stored) push(all, e.offset, e.offset + e.length, offset, storedEnd);
    let sorted: readonly ByteRange[] = all;
    if (file !== undefined && file.isUnstored) {
      const covered = withPending(file, all, offset, until);
      addDirty(file, covered, offset, until);
      sorted = covered.sort((a, b) => a.start - b.start);
    }
    for (const range of sorted) {
      const before = ranges[ranges.length - 1];
      if (before !== undefined && range.start <= before.end) ranges[ranges.length - 1] = { start: before.start, end: Math.max(before.end, range.end) };
      else ranges.push(range);
    }
    return until;
  }
}

/** Whether memory knows the range better than the store does. */
function isAhead(file: FileState, offset: number, end: number): boolean {
  if (!file.isUnstored) return false;
  if (file.flushing !== null || file.storedEnd < end) return true;
  const first = file.pending.list[file.pending.find(offset)];
  if (first !== undefined && first.offset < end) return true;
  for (const page of file.dirtyPages) {
    const start = page.index * pageBytes;
    for (let i = 0; i < page.dirty.count; i++) if (start + page.dirty.start(i) < end && start + page.dirty.end(i) > offset) return true;
  }
  return false;
}

/** A stored pack that pending extents may refer to. */
function opened(row: Pack | undefined): OpenPackRef | null {
  if (row === undefined) return null;
  const { id, key, size, frames, state } = row;
  const ref = new OpenPackRef(id, key, null);
  ref.stored = { key, size, frames };
  ref.adopted = state === PackState.live;
  return ref;
}

/** The range as runs, holes among them: no more than one record takes, and no further than `found` reaches. */
function runsOf(found: readonly Extent[], offset: number, end: number): readonly ContentRun[] {
  const runs: ContentRun[] = [];
  let at = offset;
  for (const e of found) {
    // A hole and what follows it.
    if (runs.length + 2 > runsMax) return runs;
    const start = Math.max(e.offset, offset);
    const stop = Math.min(e.offset + e.length, end);
    if (start > at) runs.push({ length: start - at, pack: hole, packOffset: 0 });
    runs.push({ length: stop - start, pack: e.pack, packOffset: e.packOffset + (start - e.offset) });
    at = stop;
  }
  if (at < end && found.length < extentsPage && runs.length < runsMax) runs.push({ length: end - at, pack: hole, packOffset: 0 });
  return runs;
}

function isSame(a: ContentRun, b: ContentRun): boolean {
  return a.length === b.length && a.pack === b.pack && a.packOffset === b.packOffset;
}

function push(ranges: ByteRange[], start: number, end: number, from: number, to: number): void {
  const first = Math.max(start, from);
  const last = Math.min(end, to);
  if (first < last) ranges.push({ start: first, end: last });
}

/** Stored ranges with pending ones over them: bytes of packs, and holes. */
function withPending(file: FileState, stored: readonly ByteRange[], offset: number, end: number): ByteRange[] {
  const { list } = file.pending;
  const first = file.pending.find(offset);
  const out: ByteRange[] = [];
  let p = first;
  for (const range of stored) {
    let at = range.start;
    while (p < list.length && list[p]!.offset + list[p]!.length <= at) p++;
    for (let i = p; i < list.length && list[i]!.offset < range.end; i++) {
      push(out, at, list[i]!.offset, offset, end);
      at = list[i]!.offset + list[i]!.length;
    }
    push(out, at, range.end, offset, end);
  }
  for (let i = first; i < list.length && list[i]!.offset < end; i++) {
    const { pack, offset: start, length } = list[i]!;
    if (pack !== null) push(out, start, start + length, offset, end);
  }
  return out;
}

/** Ranges of dirty pages, those on their way into the store included as far as nothing newer lies over them. */
function addDirty(file: FileState, ranges: ByteRange[], offset: number, end: number): void {
  for (const page of file.dirtyPages) {
    const base = page.index * pageBytes;
    for (let i = 0; i < page.dirty.count; i++) push(ranges, base + page.dirty.start(i), base + page.dirty.end(i), offset, end);
  }
  const { flushing } = file;
  if (flushing === null) return;
  // What was truncated away since, and is there again, is a hole.
  const last = Math.min(end, file.cutTo < 0 ? end : file.cutTo);
  for (const { page, start, end: stop } of flushing.pieces) {
    if (file.pages.get(page.index) !== page) continue;
    const base = page.index * pageBytes;
    for (let r = 0; r < page.valid.count; r++) {
      const from = Math.max(offset, base + Math.max(start, page.valid.start(r)));
      pushOlder(file, flushing.sequence, ranges, from, Math.min(last, base + Math.min(stop, page.valid.end(r))));
    }
  }
}

/** Adds `start`..`end` but for what was laid over it after `sequence`: a hole that was read since is in pages as what lies below is. */
function pushOlder(file: FileState, sequence: number, ranges: ByteRange[], start: number, end: number): void {
  const { list } = file.pending;
  let at = start;
  for (let i = file.pending.find(start); i < list.length && list[i]!.offset < end; i++) {
    const newer = list[i]!;
    if (newer.sequence <= sequence) continue;
    push(ranges, at, newer.offset, start, end);
    at = newer.offset + newer.length;
  }
  push(ranges, at, end, start, end);
}
