import type { Maybe } from "#base/brand.ts";
import { Time } from "#base/time.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { ContentRun } from "#model/file-content.ts";
import { getInt64, getUint64, hasBody, laidBytesMax, pointerBytes, punchBytes, recordHeaderBytes, RecordKind, runBytes, tellingVersion } from "./format.ts";
import type { LogRecord, LostRecord } from "./index.ts";
import { Window } from "./window.ts";

/** The longest part of a record that its header's checksum covers. */
const coveredMax = pointerBytes;
/**
 * How far behind a place where no record begins the next one is looked for. A start does that behind the end of every log, and what proves a damage
 * is a record made after the next sync: it lies near.
 */
const searchBytesMax = 8 << 20;

/** A segment file with what its records are known by. */
export interface Source {
  readonly fd: number;
  readonly fileBytes: number;
  readonly seed: number;
  readonly version: number;
}

/** What the header of a record says; its body may be damaged. */
export interface Head {
  readonly sequence: number;
  readonly length: number;
  /** The last record that was synced when it was made; 0: not told. */
  readonly synced: number;
}

export interface Scanned {
  /** The last record found, or `last` as it was given. */
  readonly last: number;
  readonly records: number;
  /** Where the next record would go. */
  readonly end: number;
}

/** What is behind the end of the log: bytes of records, and how many of them are whole. */
export interface Torn {
  readonly bytes: number;
  readonly whole: number;
}

/** Finds the records of segments. */
export class Scanner {
  readonly #window = new Window();

  /**
   * Gives the records from `position`, beginning with sequence `expected` and not past `cap`, up to the first that is not whole,
   * not of this use of the file or not the next in sequence.
   */
  async scan(source: Source, position: number, expected: number, cap: number, last: number, give: (record: LogRecord) => Maybe<void>): Promise<Scanned> {
    let at = position;
    let next = expected;
    let records = 0;
    while (next <= cap) {
      const bytes = this.#whole(source, at, next);
      if (bytes === null) break;
      const record = decodeRecord(bytes, this.#window.viewOf(bytes));
      if (record === null) break;
      const taken = give(record);
      if (taken instanceof Promise) await taken;
      last = next;
      next++;
      records++;
      at += bytes.byteLength;
    }
    return { last, records, end: at };
  }

  /**
   * What was once written as records from `position` on, the first of them with sequence `expected`, as far as headers tell: for the
   * report of what a torn tail cost.
   */
  torn(source: Source, position: number, expected: number): Torn {
    let at = position;
    let whole = 0;
    for (let next = expected; ; next++) {
      const bytes = this.#claimed(source, at, next);
      if (bytes === 0) return { bytes: at - position, whole };
      if (this.#whole(source, at, next) !== null) whole++;
      at += bytes;
    }
  }

  /** What a record of this use of the file at `at` says of itself, whatever its number; null where there is none whose header is whole. */
  head(source: Source, at: number): Head | null {
    const length = this.#length(source, at);
    if (length === 0) return null;
    const telling = source.version >= tellingVersion;
    const bytes = this.#window.at(source.fd, at, telling ? Math.min(length, coveredMax) : length);
    const view = this.#window.viewOf(bytes);
    if (!(telling ? isHeadWhole(bytes, view, length, source.seed) : bytes.byteLength === length && isWhole(bytes, view, source))) return null;
    const sequence = getUint64(view, 8);
    const lag = telling ? view.getUint32(56, true) >>> 8 : 0;
    return { sequence, length, synced: lag === 0 ? 0 : sequence - lag };
  }

  /**
   * The first place behind `at`, where a record with the number after `last` should begin, at which another one does, with a number that so many bytes
   * allow; -1: none is near.
   */
  following(source: Source, at: number, last: number): number {
    const { fd } = source;
    const end = Math.min(source.fileBytes, at + searchBytesMax) - recordHeaderBytes;
    for (let from = at + 8; from <= end; ) {
      // Not a whole window: what looks like a record may be a client's bytes, and each that fails would read it again.
      const bytes = this.#window.from(fd, from, recordHeaderBytes).subarray(0, end - from + recordHeaderBytes);
      if (bytes.byteLength < recordHeaderBytes) return -1;
      const found = candidate(this.#window.viewOf(bytes), bytes.byteLength - recordHeaderBytes, from, at, last);
      if (found < 0) from += bytes.byteLength - recordHeaderBytes + 8;
      else if (this.head(source, from + found) !== null) return from + found;
      else from += found + 8;
    }
    return -1;
  }

  /** The last record that was synced when one of those from `at` on was made, which are numbered above `last`; 0: none tells. */
  syncedBefore(source: Source, at: number, last: number): number {
    if (source.version < tellingVersion) return 0;
    let synced = 0;
    while (at >= 0) {
      const head = this.head(source, at);
      if (head === null || head.sequence <= last) {
        at = this.following(source, at, last);
        continue;
      }
      synced = Math.max(synced, head.synced);
      last = head.sequence;
      at += head.length;
    }
    return synced;
  }

  /**
   * The record with sequence `expected` at `at` although it is damaged: what of it is whole, that is, all of it where its header alone is hurt in one
   * bit, else its header. Null: not even that.
   */
  damaged(source: Source, at: number, expected: number): { readonly record: LogRecord | LostRecord; readonly end: number } | null {
    if (source.version < tellingVersion) return null;
    const { fd, fileBytes, seed } = source;
    const head = this.#window.at(fd, at, coveredMax).slice();
    if (head.byteLength < recordHeaderBytes) return null;
    const view = new DataView(head.buffer);
    if (!mended(head, view, fileBytes - at, seed) || getUint64(view, 8) !== expected) return null;
    const length = view.getUint32(4, true);
    const bytes = this.#window.at(fd, at, length).slice();
    bytes.set(head.subarray(0, Math.min(head.byteLength, length)));
    const whole = new DataView(bytes.buffer);
    const record = bytes.byteLength === length && isWhole(bytes, whole, source) ? decodeRecord(bytes, whole) : lostRecord(whole);
    return record === null ? null : { record, end: at + length };
  }

  /** Length a record at `at` says it has, if it can be; else 0. */
  #length({ fd, fileBytes }: Source, at: number): number {
    if (at + recordHeaderBytes > fileBytes) return 0;
    const head = this.#window.at(fd, at, recordHeaderBytes);
    if (head.byteLength < recordHeaderBytes) return 0;
    const length = this.#window.viewOf(head).getUint32(4, true);
    return length < recordHeaderBytes || length % 8 !== 0 || at + length > fileBytes ? 0 : length;
  }

  /** The same, if it says that it is the one expected. */
  #claimed(source: Source, at: number, expected: number): number {
    const length = this.#length(source, at);
    return length > 0 && getUint64(this.#window.viewOf(this.#window.at(source.fd, at, recordHeaderBytes)), 8) === expected ? length : 0;
  }

  #whole(source: Source, at: number, expected: number): Uint8Array | null {
    const length = this.#claimed(source, at, expected);
    if (length === 0) return null;
    const bytes = this.#window.at(source.fd, at, length);
    return bytes.byteLength === length && isWhole(bytes, this.#window.viewOf(bytes), source) ? bytes : null;
  }
}

/** Whether the checksums of a record are right. */
function isWhole(bytes: Uint8Array, view: DataView, { seed, version }: Source): boolean {
  if (version < tellingVersion) return view.getUint32(0, true) === Bun.hash.crc32(bytes.subarray(4), seed);
  if (!isHeadWhole(bytes, view, bytes.byteLength, seed)) return false;
  return !hasBody(view.getUint8(56)) || view.getUint32(60, true) === Bun.hash.crc32(bytes.subarray(recordHeaderBytes));
}

/** Whether the header is whole of a record `length` bytes long, of which `bytes` has what the header's checksum covers. */
function isHeadWhole(bytes: Uint8Array, view: DataView, length: number, seed: number): boolean {
  const covered = hasBody(view.getUint8(56)) ? recordHeaderBytes : length;
  return covered <= Math.min(coveredMax, bytes.byteLength) && view.getUint32(0, true) === Bun.hash.crc32(bytes.subarray(4, covered), seed);
}

/**
 * Puts one flipped bit of a record's header right, where that is all that is wrong with it. Of so few bytes (less than 2974 bits) no two with a right
 * CRC-32 differ in fewer than five bits, so that two or three flipped ones are never taken for another header with one.
 */
function mended(head: Uint8Array, view: DataView, room: number, seed: number): boolean {
  const fits = () => {
    const length = view.getUint32(4, true);
    return length >= recordHeaderBytes && length % 8 === 0 && length <= room && isHeadWhole(head, view, length, seed);
  };
  if (fits()) return true;
  for (let bit = 0; bit < head.byteLength * 8; bit++) {
    head[bit >> 3]! ^= 1 << (bit & 7);
    if (fits()) return true;
    head[bit >> 3]! ^= 1 << (bit & 7);
  }
  return false;
}

/** The first multiple of 8 up to `end` at which a record of the log may begin, judged by the fields of its header; -1: none. */
function candidate(view: DataView, end: number, from: number, gapStart: number, last: number): number {
  for (let at = 0; at <= end; at += 8) {
    const length = view.getUint32(at + 4, true);
    if (length < recordHeaderBytes || (length & 7) !== 0) continue;
    const kind = view.getUint8(at + 56);
    if (kind === 0 || kind > RecordKind.punch) continue;
    const ahead = getUint64(view, at + 8) - last;
    if (ahead > 0 && ahead <= 1 + (from + at - gapStart) / recordHeaderBytes) return at;
  }
  return -1;
}

/** What is known of a record whose header is whole and whose body is not. */
function lostRecord(view: DataView): LostRecord | null {
  const kind = view.getUint8(56);
  if (!hasBody(kind)) return null;
  const offset = getUint64(view, 24);
  const newSize = getUint64(view, 32);
  const told = view.getUint32(52, true);
  const length = kind === RecordKind.clone && told === laidBytesMax ? newSize - offset : told;
  const mtime = new Time(getInt64(view, 40), view.getUint32(48, true));
  return { kind: "lost", file: getUint64(view, 16) as FileId, sequence: getUint64(view, 8), offset, length, newSize, mtime };
}

/** A record whose CRC was good; null for one no program of this format wrote. */
function decodeRecord(bytes: Uint8Array, view: DataView): LogRecord | null {
  const sequence = getUint64(view, 8);
  const file = getUint64(view, 16) as FileId;
  const offset = getUint64(view, 24);
  const newSize = getUint64(view, 32);
  const mtime = new Time(getInt64(view, 40), view.getUint32(48, true));
  const length = view.getUint32(52, true);
  switch (view.getUint8(56)) {
    case RecordKind.write:
      if (recordHeaderBytes + length > bytes.byteLength) return null;
      return { kind: "write", file, sequence, offset, length, newSize, mtime, data: bytes.subarray(recordHeaderBytes, recordHeaderBytes + length) };
    case RecordKind.pointer: {
      if (bytes.byteLength < pointerBytes) return null;
      const pack = getUint64(view, recordHeaderBytes) as PackId;
      const packOffset = getUint64(view, recordHeaderBytes + 8);
      return { kind: "pointer", file, sequence, offset, length, newSize, mtime, pack, packOffset, payloadCrc: view.getUint32(60, true) };
    }
    case RecordKind.truncate:
      return { kind: "truncate", file, sequence, newSize, mtime };
    case RecordKind.clone: {
      const runs = decodeRuns(bytes.byteLength, view);
      return runs === null ? null : { kind: "clone", file, sequence, offset, newSize, mtime, runs };
    }
    case RecordKind.punch:
      if (bytes.byteLength < punchBytes) return null;
      return { kind: "punch", file, sequence, offset, length: getUint64(view, recordHeaderBytes), newSize, mtime };
    default:
      return null;
  }
}

function decodeRuns(bytes: number, view: DataView): readonly ContentRun[] | null {
  const count = (bytes - recordHeaderBytes) / runBytes;
  if (!Number.isInteger(count)) return null;
  const runs: ContentRun[] = [];
  for (let i = 0; i < count; i++) {
    const at = recordHeaderBytes + i * runBytes;
    runs.push({ length: getUint64(view, at), pack: getUint64(view, at + 8) as PackId, packOffset: getUint64(view, at + 16) });
  }
  return runs;
}
