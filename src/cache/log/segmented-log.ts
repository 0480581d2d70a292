import { assert } from "#base/assert.ts";
import type { Maybe } from "#base/brand.ts";
import type { Time } from "#base/time.ts";
import type { ContentRun } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { writeFully, writeSlicesFully, type FileOps } from "./file-ops.ts";
import { align8, encodeRecord, encodeRuns, laidBytes, pointerBytes, punchBytes, putUint64, recordHeaderBytes, RecordKind, recordsStart, runBytes, sealRecord } from "./format.ts";
import { type LogOptions, LogStats, type WriteAheadLog } from "./index.ts";
import { type LogStart, SegmentChain } from "./segment-chain.ts";
import type { Segment, SegmentFiles } from "./segments.ts";
import { SharedSync } from "./shared-sync.ts";

const noSpace = FsError.of("noSpace");
const io = FsError.of("io");

/** Takes records, gathers those of a turn, and hands them to the segment that is written. */
export class SegmentedLog implements WriteAheadLog {
  readonly #files: FileOps;
  readonly #options: LogOptions;
  readonly #pool: SegmentFiles;
  readonly #sync: SharedSync;
  readonly #segments: SegmentChain;
  #lastRecord: number;
  sequence: number;
  readonly stats: LogStats = new LogStats();
  #written: number;
  #failed = false;
  #closed = false;

  readonly #staging: Uint8Array;
  readonly #view: DataView;
  /** Bytes in staging; they belong behind the written ones of the current segment. */
  #staged = 0;
  #turnEndAsked = false;
  #writtenWaiters: PromiseWithResolvers<void> | null = null;

  constructor(options: LogOptions, files: FileOps, directoryFd: number, pool: SegmentFiles, dead: Segment[], start: LogStart) {
    this.#options = options;
    this.#files = files;
    this.#pool = pool;
    this.#lastRecord = start.lastRecord;
    this.sequence = start.sequence;
    this.#written = start.sequence;
    this.#staging = new Uint8Array(options.stagingBytes);
    this.#view = new DataView(this.#staging.buffer);
    const fail = (error: Error): void => this.#fail(error);
    this.#sync = new SharedSync(
      start.sequence,
      options.clock,
      () => this.#flush(),
      () => this.#written,
      () => this.#segments.sync(),
      fail,
    );
    this.#segments = new SegmentChain({ files, directoryFd, pool, dead, start, clock: options.clock, stats: this.stats, settled: () => this.#sync.settled(), fail });
  }

  /** Begins the segment of this life, where there is room for one, makes its header durable and recycles what is dead. */
  async begin(): Promise<void> {
    try {
      if ((this.#pool.ready(2) || this.#pool.ready(1)) && this.#grow()) await this.#segments.sync();
      this.release(0);
      await this.#segments.recycled();
    } catch (error) {
      this.#segments.closeFiles();
      throw error;
    }
  }

  get bytes(): number {
    return this.#segments.bytes;
  }

  appendWrite(file: FileId, offset: number, payload: readonly Uint8Array[], length: number, newSize: number, mtime: Time): number | FsError {
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

  appendPointer(file: FileId, offset: number, length: number, newSize: number, mtime: Time, pack: PackId, packOffset: number, payloadCrc: number): number | FsError {
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
    this.#segments.release(upTo);
  }

  async close(): Promise<void> {
    assert(!this.#closed, "a log is closed once");
    this.#closed = true;
    await this.#segments.recycled();
    try {
      if (!(await this.#sync.settled())) throw new Error("the log was not written to its end: a write or sync failed");
    } finally {
      this.#segments.closeFiles();
    }
  }

  /** Finds room for a record of `bytes` with `reserve` spares left untouched; null, or why there is none. */
  #room(bytes: number, reserve: number): FsError | null {
    assert(!this.#closed, "a closed log takes no records");
    if (this.#failed) return io;
    const current = this.#segments.current;
    if (current !== null && current.end + bytes <= current.capacity) {
      // Without its reserve the rest of the segment is kept for truncations.
      if (this.#pool.spares < reserve && !this.#pool.ready(reserve)) return noSpace;
    } else {
      assert(bytes <= this.#options.segmentBytes - recordsStart, "a record must fit in a segment");
      if (!this.#pool.ready(reserve + 1)) return noSpace;
      this.#flush();
      if (this.#failed) return io;
      if (!this.#grow()) return noSpace;
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
    const current = this.#segments.current!;
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
  #appendLarge(file: FileId, offset: number, payload: readonly Uint8Array[], length: number, newSize: number, mtime: Time): number | FsError {
    const current = this.#segments.current!;
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
    this.#segments.wrote(current);
    const sequence = this.#appended(current, bytes);
    this.#written = sequence;
    return sequence;
  }

  /** Goes on in a new segment. Staging is empty. False where it could not be begun. */
  #grow(): boolean {
    return this.#segments.grow(this.sequence + 1, this.#lastRecord);
  }

  /** Hands what is staged to the kernel. */
  #flush(): void {
    if (this.#failed) return;
    if (this.#staged > 0) {
      const current = this.#segments.current!;
      try {
        writeFully(this.#files, current.fd, this.#staging, 0, this.#staged, current.end - this.#staged);
      } catch (error) {
        this.#fail(error as Error);
        return;
      }
      this.#staged = 0;
      this.#segments.wrote(current);
    }
    this.#written = this.sequence;
    const waiters = this.#writtenWaiters;
    if (waiters !== null) {
      this.#writtenWaiters = null;
      waiters.resolve();
    }
  }

  #askTurnEnd(): void {
    if (this.#turnEndAsked) return;
    this.#turnEndAsked = true;
    this.#options.clock.atTurnEnd(() => {
      this.#turnEndAsked = false;
      this.#flush();
    });
  }

  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#sync.stop();
    this.#segments.stop();
    this.#options.logger.error({ directory: this.#options.directory, err: error }, "the log failed; nothing more is acknowledged");
    this.#options.fatal(error);
  }
}
