import type { Maybe } from "#base/brand.ts";
import { MissingObjectError } from "#model/block-store.ts";
import { FsError } from "#model/fs-error.ts";
import type { PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { Below, type Piece } from "./below.ts";
import type { FileState } from "./file-state.ts";
import type { PackTable } from "./pack-table.ts";
import { type PageBuffer, pageBytes, type PageCache } from "./pages/index.ts";
import { ReadAhead } from "./read-ahead.ts";
import { comingOf, takenOf } from "./taken-pages.ts";

/** How often a read starts over because a truncation or collection overtook it. */
const triesMax = 8;

const nothingToRead: Promise<null> = Promise.resolve(null);

/** Fills pages from what lies below them. What is valid in a page already stays as it is. */
export class PageFiller {
  /** Null where the bytes are as near as they can be. */
  readonly ahead: ReadAhead | null;
  private readonly cache: PageCache;
  private readonly packs: PackTable;
  private readonly below: Below;

  constructor(cache: PageCache, packs: PackTable, store: MetadataStore) {
    this.cache = cache;
    this.packs = packs;
    this.below = new Below(store);
    this.ahead = packs.areFar ? new ReadAhead(packs, this.below) : null;
  }

  /** Makes every page of the range valid up to the file's size. */
  fill(file: FileState, offset: number, end: number): Maybe<FsError | null> {
    const first = Math.floor(offset / pageBytes);
    const last = Math.floor((end - 1) / pageBytes);
    return this.fillRange(file, first * pageBytes, Math.min((last + 1) * pageBytes, file.size));
  }

  /** Makes the range valid. */
  fillRange(file: FileState, from: number, fillEnd: number): Maybe<FsError | null> {
    const sources = this.below.pieces(file, from, fillEnd);
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
    pending: Promise<Piece[]>,
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
    return this.fillSlowly(file, from, end, Promise.resolve(this.below.pieces(file, from, end)), tries - 1);
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

  /** Reads the sources into the buffers, the first of which begins at file offset `base`. */
  private readInto(sources: readonly Piece[], base: number, buffers: readonly PageBuffer[]): Promise<FsError | null> | null {
    let waits: Promise<FsError | null>[] | null = null;
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i] as Piece;
      for (let position = source.start; position < source.end; ) {
        const first = Math.floor((position - base) / pageBytes);
        const from = position - base - first * pageBytes;
        let last = first;
        let length = Math.min((buffers[first] as PageBuffer).bytes.length - from, source.end - position);
        while (position + length < source.end && (buffers[last] as PageBuffer).isBefore(buffers[last + 1] as PageBuffer)) {
          last++;
          length = Math.min(length + pageBytes, source.end - position);
        }
        const target = (buffers[first] as PageBuffer).span(from, length);
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

function releaseAll(buffers: readonly PageBuffer[]): void {
  for (let i = 0; i < buffers.length; i++) (buffers[i] as PageBuffer).release();
}
