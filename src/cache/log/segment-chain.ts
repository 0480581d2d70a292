import type { Clock } from "#base/clock.ts";
import { fdatasyncOf, fsyncOf, writeBackBytes, type FileOps } from "./file-ops.ts";
import type { LogStats } from "./index.ts";
import type { Segment, SegmentFiles } from "./segments.ts";

/** Where a log that was opened goes on. */
export interface LogStart {
  /** The last sequence ever used. */
  readonly sequence: number;
  /** The last record there is; the next segment's header names it. */
  readonly lastRecord: number;
  /** The highest generation ever used. */
  readonly generation: number;
  /** Of the last segment that holds records; 0 without one. */
  readonly previousGeneration: number;
  /** Those with records from before, oldest first, all durable. */
  readonly segments: Segment[];
}

export interface ChainOptions {
  readonly files: FileOps;
  readonly directoryFd: number;
  readonly pool: SegmentFiles;
  /** Files from before that are no part of the log; what their headers say of used sequences is needed until a new one says it. */
  readonly dead: Segment[];
  readonly start: LogStart;
  readonly clock: Clock;
  readonly stats: LogStats;
  /** Resolves after a sync of everything, with whether it was done. */
  readonly settled: () => Promise<boolean>;
  readonly fail: (error: Error) => void;
}

/** The segments of a log, one behind the other: the current one that records go to, those to be synced, and those that may go. */
export class SegmentChain {
  /** The last one; null before the first of this life is begun. */
  current: Segment | null = null;
  readonly #o: ChainOptions;
  readonly #dead: Segment[];
  /** Oldest first. */
  readonly #segments: Segment[];
  #generation: number;
  #previousGeneration: number;
  #releasedTo = 0;
  #recycling: Promise<void> | null = null;
  #directoryDirty = false;
  #stopped = false;

  constructor(options: ChainOptions) {
    this.#o = options;
    this.#dead = options.dead;
    this.#segments = options.start.segments;
    this.#generation = options.start.generation;
    this.#previousGeneration = options.start.previousGeneration;
  }

  get bytes(): number {
    let bytes = 0;
    for (let i = 0; i < this.#segments.length; i++) bytes += this.#segments[i]!.end;
    return bytes;
  }

  /** Goes on in a new segment, for the record `firstSequence` behind the last one. There must be a spare. False where it could not be begun. */
  grow(firstSequence: number, lastRecord: number): boolean {
    const segment = this.#o.pool.activate(this.#generation + 1, firstSequence, this.#previousGeneration, lastRecord);
    this.#generation++;
    if (segment === null) return false;
    this.#previousGeneration = segment.generation;
    this.#directoryDirty = true;
    this.#segments.push(segment);
    this.current = segment;
    return true;
  }

  /** What belongs to `current` up to its end is with the kernel. */
  wrote(current: Segment): void {
    current.dirty = true;
    // Whole pages only: the last one is written again.
    const end = current.end - (current.end % 4096);
    if (end - current.writingBack < writeBackBytes) return;
    this.#o.files.startWriteBack(current.fd, current.writingBack, end - current.writingBack);
    current.writingBack = end;
  }

  /** Syncs every segment written since its last sync, oldest first, then the names. */
  async sync(): Promise<void> {
    const { files, directoryFd, clock, stats } = this.#o;
    const dirty = this.#segments.filter((segment) => segment.dirty);
    const names = this.#directoryDirty;
    const begunMs = clock.monotonicMs();
    this.#directoryDirty = false;
    for (const segment of dirty) segment.dirty = false;
    for (const segment of dirty) await fdatasyncOf(files, segment.fd);
    if (names) await fsyncOf(files, directoryFd);
    for (const segment of dirty) segment.headerDurable = true;
    stats.syncs.add(clock.monotonicMs() - begunMs);
  }

  /** Records up to this one are no longer needed: whole segments of them are recycled in the background. */
  release(upTo: number): void {
    if (upTo > this.#releasedTo) this.#releasedTo = upTo;
    if (this.#recycling === null && this.#recyclable()) {
      this.#recycling = this.#recycle().finally(() => {
        this.#recycling = null;
      });
    }
  }

  /** Resolves when nothing is being recycled. */
  async recycled(): Promise<void> {
    await this.#recycling;
  }

  #recyclable(): boolean {
    if (this.#stopped) return false;
    if (this.#dead.length > 0) return this.current !== null;
    return this.#segments.length > 1 && this.#segments[0]!.lastSequence <= this.#releasedTo;
  }

  /** Recycles dead and released segments, each durably gone before the next: no crash leaves a hole among those that stay. */
  async #recycle(): Promise<void> {
    try {
      while (this.#recyclable()) {
        const from = this.#dead.length > 0 ? this.#dead : this.#segments;
        const heir = from === this.#dead ? this.current! : this.#segments[1]!;
        while (!heir.headerDurable) if (!(await this.#o.settled())) return;
        await this.#o.pool.recycle(from.shift()!);
      }
    } catch (error) {
      this.#o.fail(error as Error);
    }
  }

  /** The log failed: everything stays as it is. */
  stop(): void {
    this.#stopped = true;
  }

  closeFiles(): void {
    const { files, pool, directoryFd } = this.#o;
    for (const segment of this.#segments) files.closeSync(segment.fd);
    for (const segment of this.#dead) files.closeSync(segment.fd);
    pool.close();
    files.closeSync(directoryFd);
  }
}
