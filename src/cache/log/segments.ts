import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { fsyncOf, unlinkOf, writeFully, type FileOps } from "./file-ops.ts";
import { encodeHeaders, recordSeed, recordsStart } from "./format.ts";
import { FullDirectory } from "./full-directory.ts";
import { putAside } from "./set-aside.ts";

/** Recycled segments kept for the next use; more are deleted. One is the reserve that truncations alone may take. */
const sparesMax = 2;
/**
 * As many are kept where the disk has room for very many segments: a sync of bytes that were written before takes half as long as
 * one of blocks that are only allocated, whose first write the file system has to note.
 */
const sparesMaxWithRoom = 6;
const roomSegments = 32;
/** After a segment could not be made, the next try comes not before this. */
const retryMs = 100;

/** A segment that holds records. */
export class Segment {
  readonly generation: number;
  readonly path: string;
  readonly fd: number;
  readonly firstSequence: number;
  /** Bytes of the file. */
  readonly capacity: number;
  /** What the CRCs of its records start from. */
  readonly seed: number;
  /** Where the next record goes, staged ones included. */
  end: number;
  /** Up to where the kernel was told to begin writing back. */
  writingBack: number;
  /** Of the last record in it or before it. */
  lastSequence: number;
  /** Its header and its name survive a crash. */
  headerDurable: boolean;
  /** Written since its last sync began. */
  dirty: boolean;
  /** The disk damaged what was synced: it is never used again. */
  damaged = false;

  constructor(
    generation: number,
    path: string,
    fd: number,
    firstSequence: number,
    capacity: number,
    seed: number,
    previousLast: number,
  ) {
    this.generation = generation;
    this.path = path;
    this.fd = fd;
    this.firstSequence = firstSequence;
    this.capacity = capacity;
    this.seed = seed;
    this.end = recordsStart;
    this.writingBack = 0;
    this.lastSequence = previousLast;
    this.headerDurable = false;
    this.dirty = true;
  }
}

export interface Spare {
  readonly path: string;
  readonly fd: number;
}

export function segmentPath(directory: string, generation: number): string {
  return `${directory}/${generation.toString(16).padStart(16, "0")}.log`;
}

export interface SegmentOptions {
  readonly directory: string;
  readonly directoryFd: number;
  readonly instance: Uint8Array;
  readonly segmentBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly files: FileOps;
  /** What is left from before, names durable. */
  readonly spares: Spare[];
  /** Numbers of new spares' names start here. */
  readonly spareNumber: number;
}

/** Makes segments out of spares and spares out of segments. */
export class SegmentFiles {
  readonly #o: SegmentOptions;
  readonly #spares: Spare[];
  #spareNumber: number;
  #retryAtMs = -Infinity;
  readonly #full: FullDirectory;

  constructor(options: SegmentOptions) {
    this.#o = options;
    this.#spares = options.spares;
    this.#spareNumber = options.spareNumber;
    this.#full = new FullDirectory(options.directory, "a segment of the share's log", options.clock, options.logger);
  }

  get spares(): number {
    return this.#spares.length;
  }

  /** Whether there are `count` spares now, making one where one is missing and there is room. */
  ready(count: number): boolean {
    if (this.#spares.length >= count) return true;
    const now = this.#o.clock.monotonicMs();
    if (now < this.#retryAtMs) return false;
    while (this.#spares.length < count) {
      if (!this.#make()) {
        this.#retryAtMs = now + retryMs;
        return false;
      }
    }
    this.#retryAtMs = -Infinity;
    return true;
  }

  #make(): boolean {
    const { files, directory, segmentBytes } = this.#o;
    const path = `${directory}/spare-${this.#spareNumber++}.log`;
    let fd = -1;
    try {
      fd = files.openSync(path, "wx+");
      files.allocateSync(fd, segmentBytes);
      this.#spares.push({ path, fd });
      this.#full.worked();
      return true;
    } catch (error) {
      this.#full.refused(error);
      if (fd >= 0) {
        this.#discard(path, fd);
      }
      return false;
    }
  }

  #discard(path: string, fd: number): void {
    this.#o.files.closeSync(fd);
    this.#o.files.unlink(path, (error) => {
      if (error) this.#o.logger.warn({ path, err: error }, "a spare log segment could not be deleted");
    });
  }

  /** Turns a spare into the segment `generation` behind `previous`; null where that fails. There must be a spare. */
  activate(generation: number, firstSequence: number, previousGeneration: number, previousLast: number): Segment | null {
    const { files, directory, instance, segmentBytes, clock, logger } = this.#o;
    const spare = this.#spares.pop()!;
    const path = segmentPath(directory, generation);
    const now = clock.now();
    const salt = (now.nsec ^ Math.imul(now.sec | 0, 0x9e3779b1)) >>> 0;
    let from = spare.path;
    try {
      files.renameSync(spare.path, path);
      from = path;
      const header = encodeHeaders({ instance, generation, firstSequence, previousGeneration, previousLast, salt });
      writeFully(files, spare.fd, header, 0, header.byteLength, 0);
      const seed = recordSeed(instance, generation, salt);
      return new Segment(generation, path, spare.fd, firstSequence, segmentBytes, seed, previousLast);
    } catch (error) {
      logger.error({ path, err: error }, "a log segment could not be begun");
      this.#discard(from, spare.fd);
      return null;
    }
  }

  /** Makes a spare of a segment nobody needs, or deletes it; a damaged one is set aside. Resolves when its old name is durably gone. */
  async recycle(segment: Segment): Promise<void> {
    const { files, directory, directoryFd, segmentBytes, logger } = this.#o;
    if (segment.damaged) {
      files.closeSync(segment.fd);
      const path = await putAside(files, directory, segment.path);
      logger.error({ path }, "a damaged segment of the log was set aside; delete it when nobody needs it to find out what was lost");
      return;
    }
    const kept = files.freeBytesSync(directory) >= roomSegments * segmentBytes ? sparesMaxWithRoom : sparesMax;
    while (this.#spares.length > kept) {
      const { path, fd } = this.#spares.shift()!;
      this.#discard(path, fd);
    }
    if (this.#spares.length < kept && segment.capacity === segmentBytes) {
      const path = `${directory}/spare-${this.#spareNumber++}.log`;
      files.renameSync(segment.path, path);
      await fsyncOf(files, directoryFd);
      this.#spares.push({ path, fd: segment.fd });
    } else {
      // Closed first: it is the unlink, in the thread pool, that frees the blocks.
      files.closeSync(segment.fd);
      await unlinkOf(files, segment.path);
      await fsyncOf(files, directoryFd);
    }
    this.#retryAtMs = -Infinity;
  }

  close(): void {
    for (const spare of this.#spares) this.#o.files.closeSync(spare.fd);
    this.#spares.length = 0;
  }
}
