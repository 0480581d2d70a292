import type { Maybe } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import { MissingObjectError } from "#model/block-store.ts";
import type { Extent } from "#model/change-set.ts";
import type { ContentRead } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import type { PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { FileState } from "./file-state.ts";
import type { PackTable } from "./pack-table.ts";
import type { PageCache } from "./pages/index.ts";
import { type PageBuffer, pageBytes } from "./pages/index.ts";
import { type Piece, ReadAhead } from "./read-ahead.ts";
import { comingOf, takenOf } from "./taken-pages.ts";

const io = FsError.of("io");
const noSlices: readonly Uint8Array[] = [];
/** Extents asked of the store at a time. */
const extentsPage = 1024;
/** How long a client waits for a read from the store before it is told to come back (NFS3ERR_JUKEBOX). */
export const readWaitMs = 10_000;
/** How often a read starts over because a truncation or collection overtook it. */
const triesMax = 8;

const nothingToRead: Promise<null> = Promise.resolve(null);

/** Slices of pinned pages. */
class PinnedRead implements ContentRead {
  readonly slices: readonly Uint8Array[];
  readonly length: number;
  readonly endOfFile: boolean;
  private readonly pins: readonly PageBuffer[];

  constructor(slices: readonly Uint8Array[], length: number, endOfFile: boolean, pins: readonly PageBuffer[]) {
    this.slices = slices;
    this.length = length;
    this.endOfFile = endOfFile;
    this.pins = pins;
  }

  release(): void {
    for (let i = 0; i < this.pins.length; i++) (this.pins[i] as PageBuffer).release();
  }
}

/** A run of a file's bytes below the pages. */
type Source = Piece;

/** Serves reads from pages and fills pages from what lies below: pending extents, then stored ones, then zeros. */
export class Reader {
  private readonly cache: PageCache;
  private readonly packs: PackTable;
  private readonly store: MetadataStore;
  private readonly clock: Clock;
  /** Null where the bytes are as near as they can be. */
  private readonly ahead: ReadAhead | null;
  /** Reads that memory could answer by itself, and those it could not. */
  hits = 0;
  misses = 0;

  constructor(cache: PageCache, packs: PackTable, store: MetadataStore, clock: Clock) {
    this.clock = clock;
    this.cache = cache;
    this.packs = packs;
    this.store = store;
    this.ahead = packs.areFar ? new ReadAhead(packs, (file, start, end) => this.sources(file, start, end)) : null;
  }

  /** Bytes `offset`..`end` of the file (`end` <= its size), pinned. */
  read(file: FileState, offset: number, end: number, endOfFile: boolean): Maybe<ContentRead | FsError> {
    if (offset >= end) return new PinnedRead(noSlices, 0, endOfFile, []);
    const at = this.fromPages(file, offset, end, endOfFile);
    if (at !== null) {
      this.hits++;
      return at;
    }
    this.misses++;
    const filled = this.fill(file, offset, end);
    if (this.ahead !== null) this.ahead.note(file, offset, end);
    if (filled instanceof Promise) {
      const whole = offset % pageBytes === 0 && (end % pageBytes === 0 || end === file.size);
      return this.within(filled).then((error) => (error === io && !whole ? this.exactly(file, offset, end, endOfFile) : this.afterFill(file, offset, end, endOfFile, error)));
    }
    return this.afterFill(file, offset, end, endOfFile, filled);
  }

  /** Something in the pages that the range lies in can't be read: what was asked for may be. */
  private async exactly(file: FileState, offset: number, end: number, endOfFile: boolean): Promise<ContentRead | FsError> {
    const stop = Math.min(end, file.size);
    const filled = offset < stop ? this.fillRange(file, offset, stop) : null;
    return this.afterFill(file, offset, end, endOfFile, filled instanceof Promise ? await this.within(filled) : filled);
  }

  /** What `filled` comes to, or jukebox when that takes too long: it then goes on by itself, and what it reads is kept. */
  private within(filled: Promise<FsError | null>): Promise<FsError | null> {
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(readWaitMs, () => resolve(FsError.of("jukebox")));
      filled.then(
        (error) => {
          timer.cancel();
          resolve(error);
        },
        (thrown: unknown) => {
          timer.cancel();
          reject(thrown);
        },
      );
    });
  }

  private afterFill(file: FileState, offset: number, end: number, endOfFile: boolean, error: FsError | null): ContentRead | FsError {
    if (error !== null) return error;
    // A truncation may have cut the range since; what is gone reads as the end of the file.
    const stop = Math.min(end, file.size);
    if (offset >= stop) return new PinnedRead(noSlices, 0, true, []);
    return this.fromPages(file, offset, stop, endOfFile || stop < end) ?? FsError.of("jukebox");
  }

  /** The range as slices of pages, if all of it is in memory. Pages that lie side by side in memory give one slice. */
  private fromPages(file: FileState, offset: number, end: number, endOfFile: boolean): ContentRead | null {
    const slices: Uint8Array[] = [];
    const pins: PageBuffer[] = [];
    let spanStart: PageBuffer | null = null;
    let spanEnd: PageBuffer | null = null;
    let spanFrom = 0;
    let spanLength = 0;
    for (let position = offset; position < end; ) {
      const index = Math.floor(position / pageBytes);
      const start = position - index * pageBytes;
      const stop = Math.min(pageBytes, start + (end - position));
      const page = file.pages.get(index);
      if (page === undefined || !page.valid.covers(start, stop)) return null;
      page.referenced = true;
      const buffer = page.buffer;
      pins.push(buffer);
      if (spanEnd !== null && start === 0 && spanEnd.bytes.length === pageBytes && spanEnd.isBefore(buffer)) spanLength += stop;
      else {
        if (spanStart !== null) slices.push(slice(spanStart, spanFrom, spanLength));
        spanStart = buffer;
        spanFrom = start;
        spanLength = stop - start;
      }
      spanEnd = buffer;
      position += stop - start;
    }
    if (spanStart !== null) slices.push(slice(spanStart, spanFrom, spanLength));
    for (let i = 0; i < pins.length; i++) (pins[i] as PageBuffer).retain();
    return new PinnedRead(slices, end - offset, endOfFile, pins);
  }

  /** Makes every page of the range valid up to the file's size. */
  private fill(file: FileState, offset: number, end: number): Maybe<FsError | null> {
    const first = Math.floor(offset / pageBytes);
    const last = Math.floor((end - 1) / pageBytes);
    return this.fillRange(file, first * pageBytes, Math.min((last + 1) * pageBytes, file.size));
  }

  /** Makes the range valid. */
  private fillRange(file: FileState, from: number, fillEnd: number): Maybe<FsError | null> {
    const sources = this.sources(file, from, fillEnd);
    if (sources instanceof Promise) return this.fillSlowly(file, from, fillEnd, sources);
    const coming = this.ahead === null ? null : comingOf(this.packs, sources, fillEnd);
    if (coming !== null) return this.fillSlowly(file, from, fillEnd, coming.then(() => sources));
    const lowerVersion = file.lowerVersion;
    // Room for the buffers may be made from this file's own pages: its state must not go with the last of them.
    file.busy++;
    try {
      const taken = this.ahead === null ? null : takenOf(this.packs, sources, fillEnd);
      const buffers = taken ?? this.allocate(from, fillEnd);
      const read = taken === null ? this.readInto(sources, pageStart(from), buffers) : null;
      if (read !== null) return this.finishSlowly(file, from, fillEnd, buffers, read, lowerVersion, triesMax);
      this.integrate(file, from, fillEnd, buffers);
      return null;
    } finally {
      file.busy--;
    }
  }

  private async fillSlowly(
    file: FileState,
    from: number,
    fillEnd: number,
    pending: Promise<Source[]>,
    tries: number = triesMax,
  ): Promise<FsError | null> {
    file.busy++;
    try {
      const lowerVersion = file.lowerVersion;
      const sources = await pending;
      // As far as they were not known before.
      if (this.ahead !== null) await comingOf(this.packs, sources, fillEnd);
      const taken = this.ahead === null ? null : takenOf(this.packs, sources, fillEnd);
      const buffers = taken ?? this.allocate(from, fillEnd);
      return await this.finishSlowly(
        file,
        from,
        fillEnd,
        buffers,
        taken === null ? Promise.resolve().then(() => this.readInto(sources, pageStart(from), buffers)) : nothingToRead,
        lowerVersion,
        tries,
      );
    } finally {
      file.busy--;
      file.settle();
    }
  }

  private async finishSlowly(
    file: FileState,
    from: number,
    fillEnd: number,
    buffers: PageBuffer[],
    read: Promise<FsError | null>,
    lowerVersion: number,
    tries: number,
  ): Promise<FsError | null> {
    file.busy++;
    try {
      let error: FsError | null;
      try {
        error = await read;
      } catch (thrown) {
        releaseAll(buffers);
        // Collected or repacked since its extent was read: the extents now say where the bytes are.
        if (!(thrown instanceof MissingObjectError)) throw thrown;
        if (tries === 0) return this.packs.missing(thrown);
        return await this.again(file, from, fillEnd, tries);
      }
      if (error !== null) {
        releaseAll(buffers);
        return error;
      }
      if (lowerVersion !== file.lowerVersion) {
        releaseAll(buffers);
        return tries === 0 ? FsError.of("jukebox") : await this.again(file, from, fillEnd, tries);
      }
      this.integrate(file, from, fillEnd, buffers);
      return null;
    } finally {
      file.busy--;
      file.settle();
    }
  }

  private async again(file: FileState, from: number, fillEnd: number, tries: number): Promise<FsError | null> {
    const end = Math.min(fillEnd, file.size);
    if (from >= end) return null;
    return this.fillSlowly(file, from, end, Promise.resolve(this.sources(file, from, end)), tries - 1);
  }

  /** Page buffers from the one of `from` up to `fillEnd`: whole pages side by side, the last one as small as it may be. */
  private allocate(from: number, fillEnd: number): PageBuffer[] {
    const first = Math.floor(from / pageBytes);
    const whole = Math.floor(fillEnd / pageBytes) - first;
    const rest = fillEnd - (first + whole) * pageBytes;
    const buffers = whole > 0 ? this.cache.pool.allocatePages(whole) : [];
    if (rest > 0) buffers.push(this.cache.pool.allocate(rest));
    return buffers;
  }

  /** What lies below the pages at `start`..`end`, in order and without gaps. */
  private sources(file: FileState, start: number, end: number): Maybe<Source[]> {
    const storedEnd = Math.min(end, file.storedEnd);
    if (start >= storedEnd) return this.merge(file, start, end, storedEnd, []);
    const extents = this.store.extents(file.id, start, storedEnd, extentsPage);
    if (extents instanceof Promise) return extents.then((list) => this.allSources(file, start, end, list));
    if (extents.length === extentsPage) return this.allSources(file, start, end, extents);
    return this.merge(file, start, end, storedEnd, extents);
  }

  private async allSources(file: FileState, start: number, end: number, begun: readonly Extent[]): Promise<Source[]> {
    let page = begun;
    const all = [...begun];
    while (page.length === extentsPage) {
      const last = page[page.length - 1] as Extent;
      page = await this.store.extents(file.id, last.offset + last.length, end, extentsPage);
      all.push(...page);
    }
    return this.merge(file, start, end, Math.min(end, file.storedEnd), all);
  }

  private merge(file: FileState, start: number, end: number, storedEnd: number, stored: readonly Extent[]): Source[] {
    const sources: Source[] = [];
    const pending = file.pending.list;
    let p = file.pending.find(start);
    let s = 0;
    for (let position = start; position < end; ) {
      const extent = pending[p];
      const pendingStart = extent === undefined ? end : extent.offset;
      if (extent !== undefined && pendingStart <= position) {
        const stop = Math.min(end, extent.offset + extent.length);
        sources.push({ start: position, end: stop, pack: extent.pack?.id ?? 0, packOffset: extent.pack === null ? 0 : extent.packOffset + (position - extent.offset) });
        position = stop;
        p++;
        continue;
      }
      const until = Math.min(end, pendingStart);
      while (s < stored.length && (stored[s] as Extent).offset + (stored[s] as Extent).length <= position) s++;
      const below = stored[s];
      if (below === undefined || below.offset >= until || position >= storedEnd) {
        sources.push({ start: position, end: until, pack: 0, packOffset: 0 });
        position = until;
      } else if (below.offset > position) {
        sources.push({ start: position, end: below.offset, pack: 0, packOffset: 0 });
        position = below.offset;
      } else {
        const stop = Math.min(until, below.offset + below.length, storedEnd);
        sources.push({ start: position, end: stop, pack: below.pack, packOffset: below.packOffset + (position - below.offset) });
        position = stop;
      }
    }
    return sources;
  }

  /** Reads the sources into the buffers, the first of which begins at file offset `base`. */
  private readInto(sources: readonly Source[], base: number, buffers: readonly PageBuffer[]): Promise<FsError | null> | null {
    let waits: Promise<FsError | null>[] | null = null;
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i] as Source;
      for (let position = source.start; position < source.end; ) {
        const first = Math.floor((position - base) / pageBytes);
        const from = position - base - first * pageBytes;
        let last = first;
        let length = Math.min((buffers[first] as PageBuffer).bytes.length - from, source.end - position);
        while (position + length < source.end && (buffers[last] as PageBuffer).isBefore(buffers[last + 1] as PageBuffer)) {
          last++;
          length = Math.min(length + pageBytes, source.end - position);
        }
        const target = slice(buffers[first] as PageBuffer, from, length);
        if (source.pack === 0) target.fill(0);
        else {
          const read = this.readPack(source.pack, source.packOffset + (position - source.start), target);
          if (read !== null) (waits ??= []).push(read);
        }
        position += length;
      }
    }
    return waits === null ? null : settleAll(waits);
  }

  /** Null when the bytes are there at once. Failures too come by the promise: reads that others began still write into the buffers. */
  private readPack(pack: PackId, offset: number, target: Uint8Array): Promise<FsError | null> | null {
    try {
      const read = this.packs.read(pack, offset, target);
      return read === null ? null : Promise.resolve(read);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Makes the buffers pages, or fills the gaps of pages that are there. */
  private integrate(file: FileState, from: number, fillEnd: number, buffers: readonly PageBuffer[]): void {
    const first = Math.floor(from / pageBytes);
    file.busy++;
    for (let i = 0; i < buffers.length; i++) {
      const buffer = buffers[i] as PageBuffer;
      const index = first + i;
      const begin = Math.max(0, from - index * pageBytes);
      const length = Math.min(pageBytes, fillEnd - index * pageBytes);
      const page = file.pages.get(index);
      if (page === undefined) {
        this.cache.adopt(file, index, buffer).valid.add(begin, length);
        continue;
      }
      const bytes = this.cache.makeWritable(page, length);
      let position = begin;
      for (let r = 0; r < page.valid.count && position < length; r++) {
        const start = Math.min(page.valid.start(r), length);
        if (start > position) bytes.set(buffer.bytes.subarray(position, start), position);
        position = Math.max(position, page.valid.end(r));
      }
      if (position < length) bytes.set(buffer.bytes.subarray(position, length), position);
      page.valid.add(begin, length);
      page.referenced = true;
      buffer.release();
    }
    file.busy--;
  }
}

/** Where the page that an offset lies in begins. */
function pageStart(offset: number): number {
  return offset - (offset % pageBytes);
}

/** Every read came to an end before the outcome is told: nothing writes into buffers that were given back. */
async function settleAll(reads: readonly Promise<FsError | null>[]): Promise<FsError | null> {
  const outcomes = await Promise.allSettled(reads);
  let error: FsError | null = null;
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") throw outcome.reason;
    error ??= outcome.value;
  }
  return error;
}

function slice(first: PageBuffer, from: number, length: number): Uint8Array {
  const start = first.bytes.byteOffset - first.slab.memory.byteOffset + from;
  return first.slab.memory.subarray(start, start + length);
}

function releaseAll(buffers: readonly PageBuffer[]): void {
  for (let i = 0; i < buffers.length; i++) (buffers[i] as PageBuffer).release();
}
