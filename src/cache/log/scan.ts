import type { Maybe } from "#base/brand.ts";
import fs from "node:fs";
import { Time } from "#base/time.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { ContentRun } from "#model/file-content.ts";
import { getInt64, getUint64, pointerBytes, punchBytes, recordHeaderBytes, RecordKind, runBytes } from "./format.ts";
import type { LogRecord } from "./index.ts";

const windowBytes = 1 << 22;

/** Reads a file forwards through one reused buffer. */
class Window {
  #bytes = new Uint8Array(windowBytes);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #filled = 0;

  /** The bytes `position`..`position + length`, or as many as there are; good until the next call. */
  at(fd: number, position: number, length: number): Uint8Array {
    if (position < this.#start || position + length > this.#start + this.#filled) this.#fill(fd, position, length);
    const from = position - this.#start;
    return this.#bytes.subarray(from, Math.min(from + length, this.#filled));
  }

  /** A view of what `at` gave last, from its first byte. */
  viewOf(bytes: Uint8Array): DataView {
    return new DataView(this.#view.buffer, bytes.byteOffset, bytes.byteLength);
  }

  forget(): void {
    this.#filled = 0;
  }

  #fill(fd: number, position: number, length: number): void {
    if (length > this.#bytes.byteLength) {
      this.#bytes = new Uint8Array(length);
      this.#view = new DataView(this.#bytes.buffer);
    }
    this.#start = position;
    this.#filled = 0;
    while (this.#filled < this.#bytes.byteLength) {
      const got = fs.readSync(fd, this.#bytes, this.#filled, this.#bytes.byteLength - this.#filled, position + this.#filled);
      if (got === 0) return;
      this.#filled += got;
    }
  }
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
  async scan(
    fd: number,
    position: number,
    fileBytes: number,
    seed: number,
    expected: number,
    cap: number,
    last: number,
    give: (record: LogRecord) => Maybe<void>,
  ): Promise<Scanned> {
    this.#window.forget();
    let at = position;
    let next = expected;
    let records = 0;
    while (next <= cap) {
      const bytes = this.#whole(fd, at, fileBytes, seed, next);
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
  torn(fd: number, position: number, fileBytes: number, seed: number, expected: number): Torn {
    this.#window.forget();
    let at = position;
    let whole = 0;
    for (let next = expected; ; next++) {
      const bytes = this.#claimed(fd, at, fileBytes, next);
      if (bytes === 0) return { bytes: at - position, whole };
      if (this.#whole(fd, at, fileBytes, seed, next) !== null) whole++;
      at += bytes;
    }
  }

  /** Length a record at `at` says it has, if it says that it is the one expected; else 0. */
  #claimed(fd: number, at: number, fileBytes: number, expected: number): number {
    if (at + recordHeaderBytes > fileBytes) return 0;
    const head = this.#window.at(fd, at, recordHeaderBytes);
    if (head.byteLength < recordHeaderBytes) return 0;
    const view = this.#window.viewOf(head);
    const length = view.getUint32(4, true);
    if (length < recordHeaderBytes || length % 8 !== 0 || at + length > fileBytes) return 0;
    return getUint64(view, 8) === expected ? length : 0;
  }

  #whole(fd: number, at: number, fileBytes: number, seed: number, expected: number): Uint8Array | null {
    const length = this.#claimed(fd, at, fileBytes, expected);
    if (length === 0) return null;
    const bytes = this.#window.at(fd, at, length);
    if (bytes.byteLength < length) return null;
    const crc = Bun.hash.crc32(bytes.subarray(4), seed);
    return this.#window.viewOf(bytes).getUint32(0, true) === crc ? bytes : null;
  }
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
