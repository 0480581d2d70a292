import type { Maybe } from "#base/brand.ts";
import type { Time } from "#base/time.ts";
import type { ContentRun } from "#model/file-content.ts";
import type { FsError } from "#model/fs-error.ts";
import type { ContentTap } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { LogStats, WriteAheadLog } from "./log/index.ts";

/** A log that tells somebody of every record it took. */
export class TappedLog implements WriteAheadLog {
  private readonly log: WriteAheadLog;
  private readonly tap: ContentTap;

  constructor(log: WriteAheadLog, tap: ContentTap) {
    this.log = log;
    this.tap = tap;
  }

  get sequence(): number {
    return this.log.sequence;
  }

  get bytes(): number {
    return this.log.bytes;
  }

  get stats(): LogStats {
    return this.log.stats;
  }

  appendWrite(file: FileId, offset: number, payload: readonly Uint8Array[], length: number, newSize: number, mtime: Time): number | FsError {
    const sequence = this.log.appendWrite(file, offset, payload, length, newSize, mtime);
    if (typeof sequence === "number") this.tap.wrote(file, sequence, offset, payload, length, newSize, mtime);
    return sequence;
  }

  appendPointer(file: FileId, offset: number, length: number, newSize: number, mtime: Time, pack: PackId, packOffset: number, payloadCrc: number): number | FsError {
    const sequence = this.log.appendPointer(file, offset, length, newSize, mtime, pack, packOffset, payloadCrc);
    if (typeof sequence === "number") this.tap.pointed(file, sequence, offset, length, newSize, mtime, pack, packOffset, payloadCrc);
    return sequence;
  }

  appendTruncate(file: FileId, newSize: number, mtime: Time): number | FsError {
    const sequence = this.log.appendTruncate(file, newSize, mtime);
    if (typeof sequence === "number") this.tap.truncated(file, sequence, newSize, mtime);
    return sequence;
  }

  appendClone(file: FileId, offset: number, runs: readonly ContentRun[], newSize: number, mtime: Time): number | FsError {
    const sequence = this.log.appendClone(file, offset, runs, newSize, mtime);
    if (typeof sequence === "number") this.tap.cloned(file, sequence, offset, runs, newSize, mtime);
    return sequence;
  }

  appendPunch(file: FileId, offset: number, length: number, newSize: number, mtime: Time): number | FsError {
    const sequence = this.log.appendPunch(file, offset, length, newSize, mtime);
    if (typeof sequence === "number") this.tap.punched(file, sequence, offset, length, newSize, mtime);
    return sequence;
  }

  written(sequence: number): Maybe<void> {
    return this.log.written(sequence);
  }

  durable(sequence: number): Maybe<void> {
    return this.log.durable(sequence);
  }

  release(upTo: number): void {
    this.log.release(upTo);
  }

  close(): Promise<void> {
    return this.log.close();
  }
}
