import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { FileState, type FlushCut, type FlushPiece, letGo, type StateOwner } from "./file-state.ts";
import { follow } from "./followed.ts";
import type { OpenPackRef } from "./pack-table.ts";
import { type Page, pageBytes, type PageCache } from "./pages/index.ts";

/** A run of a file's bytes below its pages; a null pack: a hole. */
export interface LaidRun {
  readonly length: number;
  readonly pack: OpenPackRef | null;
  readonly packOffset: number;
}

/**
 * Every file memory holds something of, and the changes themselves: what a write or truncation does to pages, pending extents
 * and totals once the log has its record. The same functions serve clients and replay.
 */
export class FileTable implements StateOwner {
  /** Files with changes the store has not got yet, longest waiting first. */
  readonly unstored = new Set<FileState>();
  /** Dirty bytes in pages, those being flushed included. */
  dirtyBytes = 0;
  /** Memory of the pages those bytes lie in: far more than the bytes where writes are small and scattered. */
  dirtyMemory = 0;
  /** Bytes in packs that no stored extent refers to yet. */
  pendingBytes = 0;
  /** Bytes of large writes in pack files on the disk, those that were overwritten since included. */
  filedBytes = 0;
  private readonly states = new Map<FileId, FileState>();
  private readonly cache: PageCache;
  private readonly clock: Clock;

  constructor(cache: PageCache, clock: Clock) {
    this.cache = cache;
    this.clock = clock;
  }

  get(id: FileId): FileState | undefined {
    return this.states.get(id);
  }

  /** The file's state, made from its current inode where there is none. */
  of(inode: Inode): FileState {
    let file = this.states.get(inode.id);
    if (file === undefined) {
      file = new FileState(this, inode);
      this.states.set(inode.id, file);
    } else if (!file.isUnstored) {
      // Nothing is ahead of the store, so the inode speaks.
      file.size = inode.size;
      file.mtime = inode.mtime;
      file.ctime = inode.ctime;
    }
    return file;
  }

  idle(file: FileState): void {
    if (this.states.get(file.id) === file) this.states.delete(file.id);
  }

  /** Bytes copied into pages, dirty. */
  writeToPages(file: FileState, offset: number, payload: readonly Uint8Array[], length: number): void {
    file.busy++;
    this.copy(file, offset, payload, length, true);
    // Dirty bytes lie over everything; a hole they cover must not be counted as one.
    if (file.pending.holes > 0 || file.pending.lost) this.cutPending(file, offset, offset + length);
    file.busy--;
  }

  /** Bytes that went into a pack: pages they cover go, pages they touch take them over, older dirty bytes are gone. */
  writeToPack(
    file: FileState,
    offset: number,
    payload: readonly Uint8Array[] | null,
    length: number,
    pack: OpenPackRef,
    packOffset: number,
    sequence: number,
  ): void {
    file.busy++;
    this.uncover(file, offset, offset + length);
    if (payload !== null) this.copy(file, offset, payload, length, false);
    const before = file.pending.owned;
    file.pending.insert({ offset, length, pack, packOffset, shared: false, sequence });
    this.pendingBytes += file.pending.owned - before;
    pack.lastSequence = sequence;
    if (pack.file !== null) {
      pack.filed += length;
      this.filedBytes += length;
    }
    file.unsynced.set(pack, packOffset + length);
    follow(pack);
    file.lowerVersion++;
    file.busy--;
  }

  /** From `offset` on the file is what the runs say: stored packs' bytes, and holes. */
  lay(file: FileState, offset: number, runs: readonly LaidRun[], sequence: number): void {
    file.busy++;
    const before = file.pending.owned;
    let at = offset;
    for (let i = 0; i < runs.length; i++) {
      const { length, pack, packOffset } = runs[i] as LaidRun;
      file.pending.insert({ offset: at, length, pack, packOffset, shared: pack !== null, sequence });
      if (pack !== null) pack.lastSequence = Math.max(pack.lastSequence, sequence);
      at += length;
    }
    this.pendingBytes += file.pending.owned - before;
    this.uncover(file, offset, at);
    file.lowerVersion++;
    file.busy--;
  }

  /** The range of the file has other bytes below from now on: what pages hold of it goes. */
  private uncover(file: FileState, offset: number, end: number): void {
    const first = Math.floor(offset / pageBytes);
    const last = Math.floor((end - 1) / pageBytes);
    // A hole may be long, and the pages few.
    if (last - first < file.pages.size) for (let index = first; index <= last; index++) this.uncoverPage(file.pages.get(index), offset, end);
    else for (const page of [...file.pages.values()]) if (page.index >= first && page.index <= last) this.uncoverPage(page, offset, end);
  }

  private uncoverPage(page: Page | undefined, offset: number, end: number): void {
    if (page === undefined) return;
    const start = Math.max(0, offset - page.index * pageBytes);
    const stop = Math.min(pageBytes, end - page.index * pageBytes);
    this.clean(page, start, stop);
    page.valid.remove(start, stop);
    if (page.valid.isEmpty) this.cache.remove(page);
  }

  /** The pack's file is gone, into the block store or for good. */
  unfile(pack: OpenPackRef): void {
    this.filedBytes -= pack.filed;
    pack.filed = 0;
  }

  /** Cuts what lies at `size` and above. */
  cutAt(file: FileState, size: number): void {
    file.busy++;
    this.uncover(file, size, Number.MAX_SAFE_INTEGER);
    this.cutPending(file, size, Number.MAX_SAFE_INTEGER);
    file.cutStoredAt(size);
    file.lowerVersion++;
    file.busy--;
  }

  private cutPending(file: FileState, start: number, end: number): void {
    const before = file.pending.owned;
    file.pending.cut(start, end);
    this.pendingBytes += file.pending.owned - before;
  }

  /** A change was accepted under this log sequence number. */
  accept(file: FileState, sequence: number, size: number, mtime: Time, ctime: Time): void {
    file.size = size;
    file.mtime = mtime;
    file.ctime = ctime;
    file.sequence = sequence;
    follow(file);
    if (file.firstSequence === 0) {
      file.firstSequence = sequence;
      file.dirtySinceMs = this.clock.monotonicMs();
      this.unstored.add(file);
    }
  }

  /** The store has the cut (or the file is gone). */
  stored(file: FileState, cut: FlushCut): void {
    for (let i = 0; i < cut.pieces.length; i++) {
      const piece = cut.pieces[i] as FlushPiece;
      piece.page.flushing = false;
      this.uncount(piece.page);
      letGo(piece);
    }
    this.dirtyBytes -= cut.dirtyBytes;
    const before = file.pending.owned;
    file.pending.dropUpTo(cut.sequence);
    this.pendingBytes += file.pending.owned - before;
    file.flushing = null;
    file.lowerVersion++;
    for (const pack of file.unsynced.keys()) if (pack.stored !== null || pack.lastSequence <= cut.sequence) file.unsynced.delete(pack);
    this.unstored.delete(file);
    if (file.isUnstored) this.unstored.add(file);
    else file.settle();
  }

  /** The cut did not get into the store: its changes are unstored again, except where newer ones replaced them. */
  restore(file: FileState, cut: FlushCut): void {
    if (file.gone) return this.stored(file, cut);
    for (let i = 0; i < cut.pieces.length; i++) {
      const piece = cut.pieces[i] as FlushPiece;
      const page = piece.page;
      page.flushing = false;
      letGo(piece);
      this.uncount(page);
      if (file.pages.get(page.index) !== page) continue;
      // What is no longer valid was truncated or went into a pack since; what is valid is what a reader must see now.
      for (let r = 0; r < page.valid.count; r++) {
        const start = Math.max(piece.start, page.valid.start(r));
        const end = Math.min(piece.end, page.valid.end(r));
        if (start < end) this.dirtied(page, start, end);
      }
    }
    this.dirtyBytes -= cut.dirtyBytes;
    file.putBack(cut);
  }

  /** The file has no link, and that is durable: its content is nobody's, its log records are not needed. */
  drop(file: FileState): void {
    file.gone = true;
    file.followed = null;
    file.firstSequence = 0;
    if (file.flushing === null) this.unstored.delete(file);
    this.uncover(file, 0, Number.MAX_SAFE_INTEGER);
    this.pendingBytes -= file.pending.owned;
    file.pending.clear();
    file.unsynced.clear();
    file.lowerVersion++;
    file.settle();
  }

  /** The oldest log record any file still needs; Infinity: none. */
  oldestSequence(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const file of this.unstored) {
      const first = file.oldestSequence;
      if (first !== 0 && first < oldest) oldest = first;
    }
    return oldest;
  }

  /** How long the oldest change has waited for the store, in ms; null: everything is stored. */
  oldestUnstoredMs(): number | null {
    let since = Number.POSITIVE_INFINITY;
    for (const file of this.unstored) since = Math.min(since, file.unstoredSinceMs);
    return since === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.round(this.clock.monotonicMs() - since));
  }

  private copy(file: FileState, offset: number, payload: readonly Uint8Array[], length: number, dirty: boolean): void {
    let slice = 0;
    let within = 0;
    const end = offset + length;
    for (let position = offset; position < end; ) {
      const index = Math.floor(position / pageBytes);
      const start = position - index * pageBytes;
      const stop = Math.min(pageBytes, start + (end - position));
      let page = file.pages.get(index);
      if (page === undefined && dirty) page = this.cache.create(file, index, stop);
      const bytes = page === undefined ? null : this.cache.makeWritable(page, stop);
      for (let at = start; at < stop; ) {
        const part = payload[slice] as Uint8Array;
        const count = Math.min(stop - at, part.length - within);
        if (bytes !== null) bytes.set(count === part.length ? part : part.subarray(within, within + count), at);
        at += count;
        within += count;
        if (within === part.length) {
          slice++;
          within = 0;
        }
      }
      if (page !== undefined) {
        page.valid.add(start, stop);
        page.referenced = true;
        if (dirty) this.dirtied(page, start, stop);
      }
      position += stop - start;
    }
  }

  private dirtied(page: Page, start: number, end: number): void {
    const added = page.dirty.add(start, end);
    page.file.dirtyBytes += added;
    this.dirtyBytes += added;
    page.file.dirtyPages.add(page);
    this.dirtyMemory += page.buffer.bytes.length - page.counted;
    page.counted = page.buffer.bytes.length;
  }

  /** The page may have become evictable. */
  private uncount(page: Page): void {
    if (page.flushing || !page.dirty.isEmpty) return;
    this.dirtyMemory -= page.counted;
    page.counted = 0;
  }

  /** Dirty bytes of the range no longer count: newer ones replace them, or they were cut. */
  private clean(page: Page, start: number, end: number): void {
    const removed = page.dirty.remove(start, end);
    if (removed === 0) return;
    page.file.dirtyBytes -= removed;
    this.dirtyBytes -= removed;
    if (!page.dirty.isEmpty) return;
    page.file.dirtyPages.delete(page);
    this.uncount(page);
  }
}
