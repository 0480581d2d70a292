import fs from "node:fs";
import { fsyncOf, systemFiles, writeFully } from "./file-ops.ts";
import { align8, encodeHeaders, encodeRecord, encodeRuns, hasBody, laidBytes, pointerBytes, punchBytes, putUint64, recordHeaderBytes, RecordKind, recordSeed, recordsStart, runBytes, sealRecord } from "./format.ts";
import type { LogRecord } from "./index.ts";
import { segmentPath } from "./segments.ts";

/** Records are gathered into writes of this length. */
const gatheredBytes = 1 << 20;

/**
 * Writes a log that a start reads like any other, from records that came from elsewhere. Numbers of a segment's records follow one another, so a
 * gap begins the next segment.
 */
export class RecoveredLog {
  private readonly directory: string;
  private readonly instance: Uint8Array;
  private readonly segmentBytes: number;
  private readonly salt: number;
  private generation = 0;
  private fd = -1;
  private end = 0;
  private seed = 0;
  private last = 0;
  private buffer = Buffer.alloc(gatheredBytes);
  private gathered = 0;
  records = 0;

  /** An empty directory. A segment is as long as it gets, but at least `segmentBytes`. */
  constructor(directory: string, instance: Uint8Array, segmentBytes: number, salt: number) {
    this.directory = directory;
    this.instance = instance;
    this.segmentBytes = segmentBytes;
    this.salt = salt >>> 0;
  }

  add(record: LogRecord): void {
    const bytes = bytesOf(record);
    if (this.fd < 0 || record.sequence !== this.last + 1 || this.end + bytes > this.segmentBytes) this.begin(record.sequence);
    if (this.gathered + bytes > this.buffer.length) this.flush();
    if (bytes > this.buffer.length) this.buffer = Buffer.alloc(bytes);
    const at = this.gathered;
    const view = new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.byteLength);
    this.buffer.fill(0, at, at + bytes);
    const { file, sequence, newSize, mtime } = record;
    if (record.kind === "truncate") encodeRecord(view, at, RecordKind.truncate, bytes, sequence, file, 0, 0, newSize, mtime, 0, 0);
    else if (record.kind === "write") {
      encodeRecord(view, at, RecordKind.write, bytes, sequence, file, record.offset, record.length, newSize, mtime, 0, 0);
      this.buffer.set(record.data, at + recordHeaderBytes);
    } else if (record.kind === "clone") {
      encodeRecord(view, at, RecordKind.clone, bytes, sequence, file, record.offset, laidBytes(record.runs), newSize, mtime, 0, 0);
      encodeRuns(view, at + recordHeaderBytes, record.runs);
    } else if (record.kind === "punch") {
      encodeRecord(view, at, RecordKind.punch, bytes, sequence, file, record.offset, 0, newSize, mtime, 0, 0);
      putUint64(view, at + recordHeaderBytes, record.length);
    } else {
      encodeRecord(view, at, RecordKind.pointer, bytes, sequence, file, record.offset, record.length, newSize, mtime, record.payloadCrc, 0);
      putUint64(view, at + recordHeaderBytes, record.pack);
      putUint64(view, at + recordHeaderBytes + 8, record.packOffset);
    }
    sealRecord(this.buffer, view, at, bytes, hasBody(RecordKind[record.kind]), this.seed);
    this.gathered += bytes;
    this.end += bytes;
    this.last = sequence;
    this.records++;
  }

  private begin(firstSequence: number): void {
    this.finishSegment();
    const previous = this.generation;
    this.generation++;
    const { instance, generation, salt } = this;
    this.fd = fs.openSync(segmentPath(this.directory, generation), "wx", 0o600);
    const header = encodeHeaders({ instance, generation, firstSequence, previousGeneration: previous, previousLast: previous === 0 ? firstSequence - 1 : this.last, salt });
    writeFully(systemFiles, this.fd, header, 0, header.byteLength, 0);
    this.seed = recordSeed(instance, generation, salt);
    this.end = recordsStart;
  }

  private flush(): void {
    if (this.gathered === 0) return;
    writeFully(systemFiles, this.fd, this.buffer, 0, this.gathered, this.end - this.gathered);
    this.gathered = 0;
  }

  private finishSegment(): void {
    if (this.fd < 0) return;
    this.flush();
    fs.fdatasyncSync(this.fd);
    fs.closeSync(this.fd);
    this.fd = -1;
  }

  /** Nothing of it stays. */
  async discard(): Promise<void> {
    this.finishSegment();
    for (; this.generation > 0; this.generation--) await fs.promises.unlink(segmentPath(this.directory, this.generation));
  }

  /**
   * Everything is durable, the names of the files included. `reached`: the last change that its source knows of, which it may have left out since nobody
   * needs it; the log says that it is accounted for.
   */
  async finish(reached = 0): Promise<void> {
    if (this.records > 0 && reached > this.last) this.begin(reached + 1);
    this.finishSegment();
    const fd = fs.openSync(this.directory, "r");
    await fsyncOf(systemFiles, fd);
    fs.closeSync(fd);
  }
}

function bytesOf(record: LogRecord): number {
  switch (record.kind) {
    case "write":
      return recordHeaderBytes + align8(record.length);
    case "pointer":
      return pointerBytes;
    case "truncate":
      return recordHeaderBytes;
    case "clone":
      return recordHeaderBytes + record.runs.length * runBytes;
    case "punch":
      return punchBytes;
  }
}
