import type { Maybe } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { ContentRead } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileState } from "./file-state.ts";
import type { PageFiller } from "./page-filler.ts";
import { type PageBuffer, pageBytes } from "./pages/index.ts";

const io = FsError.of("io");
const noSlices: readonly Uint8Array[] = [];
/** How long a client waits for a read from the store before it is told to come back (NFS3ERR_JUKEBOX). */
const readWaitMs = 10_000;

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

/** Serves reads from pages, filled where they aren't yet. */
export class Reader {
  private readonly filler: PageFiller;
  private readonly clock: Clock;
  /** Reads that memory could answer by itself, and those it could not. */
  hits = 0;
  misses = 0;

  constructor(filler: PageFiller, clock: Clock) {
    this.filler = filler;
    this.clock = clock;
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
    const filled = this.filler.fill(file, offset, end);
    this.filler.ahead?.note(file, offset, end);
    if (filled instanceof Promise) {
      const whole = offset % pageBytes === 0 && (end % pageBytes === 0 || end === file.size);
      return this.within(filled).then((error) => (error === io && !whole ? this.exactly(file, offset, end, endOfFile) : this.afterFill(file, offset, end, endOfFile, error)));
    }
    return this.afterFill(file, offset, end, endOfFile, filled);
  }

  /** Something in the pages that the range lies in can't be read: what was asked for may be. */
  private async exactly(file: FileState, offset: number, end: number, endOfFile: boolean): Promise<ContentRead | FsError> {
    const stop = Math.min(end, file.size);
    const filled = offset < stop ? this.filler.fillRange(file, offset, stop) : null;
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
        if (spanStart !== null) slices.push(spanStart.span(spanFrom, spanLength));
        spanStart = buffer;
        spanFrom = start;
        spanLength = stop - start;
      }
      spanEnd = buffer;
      position += stop - start;
    }
    if (spanStart !== null) slices.push(spanStart.span(spanFrom, spanLength));
    for (let i = 0; i < pins.length; i++) (pins[i] as PageBuffer).retain();
    return new PinnedRead(slices, end - offset, endOfFile, pins);
  }
}
