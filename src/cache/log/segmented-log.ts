import { assert } from "#base/assert.ts";
import type { Maybe } from "#base/brand.ts";
import type { Time } from "#base/time.ts";
import type { ContentRun } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { fdatasyncOf, fsyncOf, writeBackBytes, writeFully, writeSlicesFully, type FileOps } from "./file-ops.ts";
import { align8, encodeRecord, encodeRuns, laidBytes, pointerBytes, punchBytes, putUint64, recordHeaderBytes, RecordKind, recordsStart, runBytes, sealRecord } from "./format.ts";
import { type LogOptions, LogStats, type WriteAheadLog } from "./index.ts";
import type { Segment, SegmentFiles } from "./segments.ts";
import { SharedSync } from "./shared-sync.ts";

const noSpace = FsError.of("noSpace");
const io = FsError.of("io");

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

export class SegmentedLog implements WriteAheadLog {
  readonly #files: FileOps;
  readonly #options: LogOptions;
  readonly #directoryFd: number;
  readonly #pool: SegmentFiles;
  readonly #sync: SharedSync;
  /** Files from before that are no part of the log; what their headers say of used sequences is needed until a new one says it. */
  readonly #dead: Segment[];
  /** Oldest first; the last one is the current, if any is. */
  readonly #segments: Segment[];
  #current: Segment | null = null;
  #generation: number;
  #previousGeneration: number;
  #lastRecord: number;
  sequence: number;
  readonly stats: LogStats = new LogStats();
  #written: number;
  #releasedTo = 0;
  #recycling: Promise<void> | null = null;
  #failed = false;
  #closed = false;
  #directoryDirty = false;

  readonly #staging: Uint8Array;
  readonly #view: DataView;
  /** Bytes in staging; they belong behind the written ones of the current segment. */
  #staged = 0;
  #turnEndAsked = false;
  #writtenWaiters: PromiseWithResolvers<void> | null = null;

  constructor(options: LogOptions, files: FileOps, directoryFd: number, pool: SegmentFiles, dead: Segment[], start: LogStart) {
    this.#options = options;
    this.#files = files;
    this.#directoryFd = directoryFd;
    this.#pool = pool;
    this.#dead = dead;
    this.#segments = start.segments;
    this.#generation = start.generation;
    this.#previousGeneration = start.previousGeneration;
    this.#lastRecord = start.lastRecord;
    this.sequence = start.sequence;
    this.#written = start.sequence;
    this.#staging = new Uint8Array(options.stagingBytes);
    this.#view = new DataView(this.#staging.buffer);
    this.#sync = new SharedSync(
      start.sequence,
      options.clock,
      () => this.#flush(),
      () => this.#written,
      () => this.#syncSegments(),
      (error) => this.#fail(error),
    );
  }

  /** Begins the segment of this life, where there is room for one, makes its header durable and recycles what is dead. */
  async begin(): Promise<void> {
    try {
      if ((this.#pool.ready(2) || this.#pool.ready(1)) && this.#switch()) await this.#syncSegments();
      this.release(0);
      await this.#recycling;
    } catch (error) {
      this.#closeFiles();
      throw error;
    }
  }

  get bytes(): number {
    let bytes = 0;
    for (let i = 0; i < this.#segments.length; i++) bytes += this.#segments[i]!.end;
    return bytes;
  }

  appendWrite(
    file: FileId,
    offset: number,
    payload: readonly Uint8Array[],
    length: number,
    newSize: number,
    mtime: Time,
  ): number | FsError {
    const bytes = recordHeaderBytes + align8(length);
    const refused = this.#room(bytes, 1);
    if (refused !== null) return refused;
    if (bytes > this.#staging.byteLength) return this.#appendLarge(file, offset, payload, length, newSize, mtime);
    const at = this.#staged;
    encodeRecord(this.#view, at, RecordKind.write, bytes, this.sequence + 1, file, offset, length, newSize, mtime, 0, this.#sync.durable);
    let to = at + recordHeaderBytes;
    for (let i = 0; i < payload.length; i++) {
      const slice = payload[i]!;
      this.#staging.set(slice, to);
      to += slice.byteLength;
    }
    assert(to === at + recordHeaderBytes + length, "a payload's slices must be of its length");
    if (to < at + bytes) this.#staging.fill(0, to, at + bytes);
    return this.#stagedRecord(at, bytes, true);
  }

  appendPointer(
    file: FileId,
    offset: number,
    length: number,
    newSize: number,
    mtime: Time,
    pack: PackId,
    packOffset: number,
    payloadCrc: number,
  ): number | FsError {
    const refused = this.#room(pointerBytes, 1);
    if (refused !== null) return refused;
    const at = this.#staged;
    encodeRecord(this.#view, at, RecordKind.pointer, pointerBytes, this.sequence + 1, file, offset, length, newSize, mtime, payloadCrc, this.#sync.durable);
    putUint64(this.#view, at + recordHeaderBytes, pack);
    putUint64(this.#view, at + recordHeaderBytes + 8, packOffset);
    return this.#stagedRecord(at, pointerBytes, false);
  }

  appendTruncate(file: FileId, newSize: number, mtime: Time): number | FsError {
    const refused = this.#room(recordHeaderBytes, 0);
    if (refused !== null) return refused;
    const at = this.#staged;
    encodeRecord(this.#view, at, RecordKind.truncate, recordHeaderBytes, this.sequence + 1, file, 0, 0, newSize, mtime, 0, this.#sync.durable);
    return this.#stagedRecord(at, recordHeaderBytes, false);
  }

  appendClone(file: FileId, offset: number, runs: readonly ContentRun[], newSize: number, mtime: Time): number | FsError {
    const bytes = recordHeaderBytes + runs.length * runBytes;
    const refused = this.#room(bytes, 1);
    if (refused !== null) return refused;
    const at = this.#staged;
    encodeRecord(this.#view, at, RecordKind.clone, bytes, this.sequence + 1, file, offset, laidBytes(runs), newSize, mtime, 0, this.#sync.durable);
    encodeRuns(this.#view, at + recordHeaderBytes, runs);
    return this.#stagedRecord(at, bytes, true);
  }

  appendPunch(file: FileId, offset: number, length: number, newSize: number, mtime: Time): number | FsError {
    const refused = this.#room(punchBytes, 0);
    if (refused !== null) return refused;
    const at = this.#staged;
    encodeRecord(this.#view, at, RecordKind.punch, punchBytes, this.sequence + 1, file, offset, 0, newSize, mtime, 0, this.#sync.durable);
    putUint64(this.#view, at + recordHeaderBytes, length);
    return this.#stagedRecord(at, punchBytes, false);
  }

  written(sequence: number): Maybe<void> {
    assert(sequence <= this.sequence, "a record that was not appended can't be waited for");
    if (sequence <= this.#written) return;
    this.#writtenWaiters ??= Promise.withResolvers<void>();
    return this.#writtenWaiters.promise;
  }

  durable(sequence: number): Maybe<void> {
    assert(sequence <= this.sequence, "a record that was not appended can't be waited for");
    return this.#sync.reached(sequence);
  }

  release(upTo: number): void {
    if (upTo > this.#releasedTo) this.#releasedTo = upTo;
    if (this.#recycling === null && this.#recyclable()) {
      this.#recycling = this.#recycle().finally(() => {
        this.#recycling = null;
      });
    }
  }

  async close(): Promise<void> {
    assert(!this.#closed, "a log is closed once");
    this.#closed = true;
    await this.#recycling;
    try {
      if (!(await this.#sync.settled())) throw new Error("the log was not written to its end: a write or sync failed");
    } finally {
      this.#closeFiles();
    }
  }

  #closeFiles(): void {
    for (const segment of this.#segments) this.#files.closeSync(segment.fd);
    for (const segment of this.#dead) this.#files.closeSync(segment.fd);
    this.#pool.close();
    this.#files.closeSync(this.#directoryFd);
  }

  /** Finds room for a record of `bytes` with `reserve` spares left untouched; null, or why there is none. */
  #room(bytes: number, reserve: number): FsError | null {
    assert(!this.#closed, "a closed log takes no records");
    if (this.#failed) return io;
    const current = this.#current;
    if (current !== null && current.end + bytes <= current.capacity) {
      // Without its reserve the rest of the segment is kept for truncations.
      if (this.#pool.spares < reserve && !this.#pool.ready(reserve)) return noSpace;
    } else {
      assert(bytes <= this.#options.segmentBytes - recordsStart, "a record must fit in a segment");
      if (!this.#pool.ready(reserve + 1)) return noSpace;
      this.#flush();
      if (this.#failed) return io;
      if (!this.#switch()) return noSpace;
      this.release(0);
    }
    if (this.#staged + bytes > this.#staging.byteLength) {
      this.#flush();
      if (this.#failed) return io;
    }
    return null;
  }

  /** Accounts for a record encoded in staging. */
  #stagedRecord(at: number, bytes: number, body: boolean): number {
    const current = this.#current!;
    sealRecord(this.#staging, this.#view, at, bytes, body, current.seed);
    this.#staged = at + bytes;
    current.end += bytes;
    this.#askTurnEnd();
    return this.#appended(current, bytes);
  }

  #appended(current: Segment, bytes: number): number {
    this.stats.records++;
    this.stats.bytes += bytes;
    const sequence = this.sequence + 1;
    this.sequence = sequence;
    this.#lastRecord = sequence;
    current.lastSequence = sequence;
    return sequence;
  }

  /** A record longer than staging goes to the segment at once, gathered. Staging is empty. */
  #appendLarge(
    file: FileId,
    offset: number,
    payload: readonly Uint8Array[],
    length: number,
    newSize: number,
    mtime: Time,
  ): number | FsError {
    const current = this.#current!;
    const bytes = recordHeaderBytes + align8(length);
    const header = new Uint8Array(recordHeaderBytes);
    const view = new DataView(header.buffer);
    const slices = [header, ...payload, new Uint8Array(align8(length) - length)];
    encodeRecord(view, 0, RecordKind.write, bytes, this.sequence + 1, file, offset, length, newSize, mtime, 0, this.#sync.durable);
    let crc = 0;
    let total = recordHeaderBytes;
    for (let i = 1; i < slices.length; i++) {
      crc = Bun.hash.crc32(slices[i]!, crc);
      total += slices[i]!.byteLength;
    }
    assert(total === bytes, "a payload's slices must be of its length");
    view.setUint32(60, crc, true);
    sealRecord(header, view, 0, recordHeaderBytes, false, current.seed);
    this.#flush();
    if (this.#failed) return io;
    try {
      writeSlicesFully(this.#files, current.fd, slices, bytes, current.end);
    } catch (error) {
      this.#fail(error as Error);
      return io;
    }
    current.end += bytes;
    this.#wrote(current);
    const sequence = this.#appended(current, bytes);
    this.#written = sequence;
    return sequence;
  }

  /** Goes on in a new segment. Staging is empty. False where it could not be begun. */
  #switch(): boolean {
    const segment = this.#pool.activate(this.#generation + 1, this.sequence + 1, this.#previousGeneration, this.#lastRecord);
    this.#generation++;
    if (segment === null) return false;
    this.#previousGeneration = segment.generation;
    this.#directoryDirty = true;
    this.#segments.push(segment);
    this.#current = segment;
    return true;
  }

  /** Hands what is staged to the kernel. */
  #flush(): void {
    if (this.#failed) return;
    if (this.#staged > 0) {
      const current = this.#current!;
      try {
        writeFully(this.#files, current.fd, this.#staging, 0, this.#staged, current.end - this.#staged);
      } catch (error) {
        this.#fail(error as Error);
        return;
      }
      this.#staged = 0;
      this.#wrote(current);
    }
    this.#written = this.sequence;
    const waiters = this.#writtenWaiters;
    if (waiters !== null) {
      this.#writtenWaiters = null;
      waiters.resolve();
    }
  }

  /** What belongs to `current` up to its end is with the kernel. */
  #wrote(current: Segment): void {
    current.dirty = true;
    // Whole pages only: the last one is written again.
    const end = current.end - (current.end % 4096);
    if (end - current.writingBack < writeBackBytes) return;
    this.#files.startWriteBack(current.fd, current.writingBack, end - current.writingBack);
    current.writingBack = end;
  }

  #askTurnEnd(): void {
    if (this.#turnEndAsked) return;
    this.#turnEndAsked = true;
    this.#options.clock.atTurnEnd(() => {
      this.#turnEndAsked = false;
      this.#flush();
    });
  }

  /** Syncs every segment written since its last sync, oldest first, then the names. */
  async #syncSegments(): Promise<void> {
    const dirty = this.#segments.filter((segment) => segment.dirty);
    const names = this.#directoryDirty;
    const { clock } = this.#options;
    const begunMs = clock.monotonicMs();
    this.#directoryDirty = false;
    for (const segment of dirty) segment.dirty = false;
    for (const segment of dirty) await fdatasyncOf(this.#files, segment.fd);
    if (names) await fsyncOf(this.#files, this.#directoryFd);
    for (const segment of dirty) segment.headerDurable = true;
    this.stats.syncs.add(clock.monotonicMs() - begunMs);
  }

  #recyclable(): boolean {
    if (this.#failed) return false;
    if (this.#dead.length > 0) return this.#current !== null;
    return this.#segments.length > 1 && this.#segments[0]!.lastSequence <= this.#releasedTo;
  }

  /** Recycles dead and released segments, each durably gone before the next: no crash leaves a hole among those that stay. */
  async #recycle(): Promise<void> {
    try {
      while (this.#recyclable()) {
        const from = this.#dead.length > 0 ? this.#dead : this.#segments;
        const heir = from === this.#dead ? this.#current! : this.#segments[1]!;
        while (!heir.headerDurable) if (!(await this.#sync.settled())) return;
        await this.#pool.recycle(from.shift()!);
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#sync.stop();
    this.#options.logger.error({ directory: this.#options.directory, err: error }, "the log failed; nothing more is acknowledged");
    this.#options.fatal(error);
  }
}
