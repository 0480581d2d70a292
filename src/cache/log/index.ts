/**
 * The write-ahead log of a share: every accepted write, truncation, clone and punch as one record, in order, until its content is stored.
 *
 * Invariants
 * - Records have consecutive sequence numbers within one life of the process; the first gap or bad CRC ends the log. Every open
 *   begins a new segment and goes on `sequenceSkip` above the last record found, so that no number is ever used twice, not even
 *   one whose record was lost with the power.
 * - `durable` resolves only after a sync that began when all records up to the one asked for were in the kernel, in every
 *   segment they lie in, directory entries included. A sync that failed is never tried again: `fatal` is told, once, and
 *   whoever waits waits for ever.
 * - A damaged record with one behind it that was made after it had been synced is no torn tail: what is behind it counts, and the
 *   segment is kept aside (docs/formats/log.md).
 * - A segment goes only when the header of the next one is durable, oldest first, one directory sync each: what is found after
 *   a crash is a run of segments without holes at its start.
 */
import type { Maybe } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { ContentRun } from "#model/file-content.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { Durations } from "#telemetry/distribution.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { FileOps } from "./file-ops.ts";

export type { Done, FileOps } from "./file-ops.ts";
export { systemFiles } from "./file-ops.ts";
export { LeftOut } from "./left-out.ts";
export { nullLog } from "./null-log.ts";
export { openLog } from "./open.ts";
export { asidePath, setAside } from "./set-aside.ts";

/** Runs of one clone: its record stays far below a segment's length. */
export const runsMax = 512;

/** What every record says: which file it changed, how long it was from then on, and when. */
interface Recorded {
  readonly file: FileId;
  readonly sequence: number;
  readonly newSize: number;
  readonly mtime: Time;
}

interface RecordedRange extends Recorded {
  readonly offset: number;
  readonly length: number;
}

/** What replay gives, in sequence order. `data` is valid until the call is done. */
export type LogRecord =
  | (RecordedRange & { readonly kind: "write"; readonly data: Uint8Array })
  | (RecordedRange & { readonly kind: "pointer"; readonly pack: PackId; readonly packOffset: number; readonly payloadCrc: number })
  | (Recorded & { readonly kind: "truncate" })
  | (Recorded & { readonly kind: "clone"; readonly offset: number; readonly runs: readonly ContentRun[] })
  | (RecordedRange & { readonly kind: "punch" });

/** A write or clone that was synced and then damaged on the disk: its range held something that nobody knows any more. */
export interface LostRecord extends RecordedRange {
  readonly kind: "lost";
}

/** What the disk did to records that were synced. */
export interface LogDamage {
  /** Records given as lost. */
  readonly lost: number;
  /** Records of which not even the file is known. */
  readonly unknown: number;
  /** Records with a damaged header that could be put right. */
  readonly mended: number;
  /** Of the first of all these. */
  readonly firstSequence: number;
  /** The segments they lie in, which are set aside when nothing in them is needed any more. */
  readonly segments: readonly string[];
}

/** What a log did since it was opened. */
export class LogStats {
  records = 0;
  /** Of those records. */
  bytes = 0;
  readonly syncs: Durations = new Durations();
}

export interface WriteAheadLog {
  /** Of the last appended record; 0 at the very start. */
  readonly sequence: number;
  /**
   * Appends are copied to a staging buffer and written in one piece at the end of the turn, or when it is full. They return the
   * record's sequence, or noSpace where no segment can be made (io after `fatal`): then nothing was appended.
   */
  appendWrite(
    file: FileId,
    offset: number,
    payload: readonly Uint8Array[],
    length: number,
    newSize: number,
    mtime: Time,
  ): number | FsError;
  appendPointer(
    file: FileId,
    offset: number,
    length: number,
    newSize: number,
    mtime: Time,
    pack: PackId,
    packOffset: number,
    payloadCrc: number,
  ): number | FsError;
  /** Takes the segment that is kept in reserve if need be: a full disk stops writes first. */
  appendTruncate(file: FileId, newSize: number, mtime: Time): number | FsError;
  /** From `offset` on the file is what stored packs hold: at most `runsMax` runs of them. */
  appendClone(file: FileId, offset: number, runs: readonly ContentRun[], newSize: number, mtime: Time): number | FsError;
  /** The range reads as zeros and stores nothing. It makes room, so that it may take the reserve as a truncation does. */
  appendPunch(file: FileId, offset: number, length: number, newSize: number, mtime: Time): number | FsError;
  /** The record is with the kernel: it survives the process. */
  written(sequence: number): Maybe<void>;
  /** The record and all before it are on stable storage. */
  durable(sequence: number): Maybe<void>;
  /** Records up to this one are no longer needed; whole segments of them are recycled in the background. */
  release(upTo: number): void;
  /** Bytes in segments that are not released. */
  readonly bytes: number;
  readonly stats: LogStats;
  /** Writes and syncs what is staged, and lets go of the files. Rejects where that failed, or something before. */
  close(): Promise<void>;
}

export interface LogOptions {
  readonly directory: string;
  /** 8 bytes; a log of another share is refused. */
  readonly instance: Uint8Array;
  readonly segmentBytes: number;
  readonly stagingBytes: number;
  /** Where numbering begins if there is no segment: above every sequence that is known from elsewhere. Absent: 0. */
  readonly beginsAbove?: () => Maybe<number>;
  /**
   * Where numbering goes on at least, if there are segments: above every sequence that is known from elsewhere. `reached`: as of `Recovered`. Throws where the
   * log can't be the newest one; nothing of it is changed then.
   */
  readonly goesOnAbove?: (reached: number) => number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A write or sync failed: nothing may be acknowledged from here on. Called at most once. */
  readonly fatal: (error: Error) => void;
  /** The file operations, for tests. */
  readonly files?: FileOps;
}

export interface Recovered {
  readonly records: number;
  /** Bytes of those records. */
  readonly bytes: number;
  /** Bytes of records behind the end of the log that were dropped, as far as they can be told. */
  readonly tornBytes: number;
  /** How many of those are whole: behind one that is torn, or that the disk damaged. */
  readonly tornWhole: number;
  /** 0 where there was no record. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** The last number that the log accounts for, by a record it has or had, or by saying that it was skipped; Infinity where there is no log. */
  readonly reached: number;
  /** Null: none that can be told from a torn tail. */
  readonly damage: LogDamage | null;
}
