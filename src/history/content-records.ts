import { Time } from "#base/time.ts";
import type { ContentRun } from "#model/file-content.ts";
import type { ContentTap } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { type ByteReader, ByteWriter, MalformedBytes } from "./bytes.ts";

const RecordKind = { write: 1, pointer: 2, truncate: 3, clone: 4, punch: 5 } as const;
/** More runs than one clone has. */
const runsBound = 65_536;
const nsecMax = 999_999_999;
/** From this size on a payload gets a copy of its own, which is not copied again. */
const copiedBytesMax = 16 * 1024;
/** A buffer of what was copied is handed on when it is this long, so that it need not be copied again to grow. */
const pieceBytes = 256 * 1024;

/** A change of content as the history has it: the log's record but for its checksum. */
export type ContentRecord =
  | { readonly kind: "write"; readonly file: FileId; readonly sequence: number; readonly offset: number; readonly length: number; readonly newSize: number; readonly mtime: Time; readonly data: Uint8Array }
  | { readonly kind: "pointer"; readonly file: FileId; readonly sequence: number; readonly offset: number; readonly length: number; readonly newSize: number; readonly mtime: Time; readonly pack: PackId; readonly packOffset: number; readonly payloadCrc: number }
  | { readonly kind: "truncate"; readonly file: FileId; readonly sequence: number; readonly newSize: number; readonly mtime: Time }
  | { readonly kind: "clone"; readonly file: FileId; readonly sequence: number; readonly offset: number; readonly newSize: number; readonly mtime: Time; readonly runs: readonly ContentRun[] }
  | { readonly kind: "punch"; readonly file: FileId; readonly sequence: number; readonly offset: number; readonly length: number; readonly newSize: number; readonly mtime: Time };

/** Content changes gathered for a segment, in the order they were accepted in. */
export class ContentRecords implements ContentTap {
  private readonly out = new ByteWriter();
  private pieces: Uint8Array[] = [];
  private piecesBytes = 0;
  private sequences: { first: number; last: number } = { first: 0, last: 0 };
  /** Packs that pointers refer to. */
  private packs = new Set<PackId>();

  get bytes(): number {
    return this.piecesBytes + this.out.length;
  }

  get isEmpty(): boolean {
    return this.sequences.last === 0;
  }

  /** What was gathered; the next begins. */
  take(): { readonly slices: readonly Uint8Array[]; readonly bytes: number; readonly first: number; readonly last: number; readonly packs: ReadonlySet<PackId> } {
    this.seal();
    const taken = { slices: this.pieces, bytes: this.piecesBytes, ...this.sequences, packs: this.packs };
    this.pieces = [];
    this.piecesBytes = 0;
    this.sequences = { first: 0, last: 0 };
    this.packs = new Set();
    return taken;
  }

  wrote(file: FileId, sequence: number, offset: number, payload: readonly Uint8Array[], length: number, newSize: number, mtime: Time): void {
    this.head(RecordKind.write, file, sequence, newSize, mtime);
    const { out } = this;
    out.uint(offset);
    out.uint(length);
    for (let i = 0; i < payload.length; i++) {
      const slice = payload[i] as Uint8Array;
      if (slice.length <= copiedBytesMax) out.raw(slice);
      else this.keep(slice);
    }
    if (out.length >= pieceBytes) this.seal();
  }

  pointed(file: FileId, sequence: number, offset: number, length: number, newSize: number, mtime: Time, pack: PackId, packOffset: number, payloadCrc: number): void {
    this.head(RecordKind.pointer, file, sequence, newSize, mtime);
    const { out } = this;
    out.uint(offset);
    out.uint(length);
    out.uint(pack);
    out.uint(packOffset);
    out.uint(payloadCrc);
    this.packs.add(pack);
  }

  truncated(file: FileId, sequence: number, newSize: number, mtime: Time): void {
    this.head(RecordKind.truncate, file, sequence, newSize, mtime);
  }

  /** Of packs that are stored already: the segment needs to wait for none of them. */
  cloned(file: FileId, sequence: number, offset: number, runs: readonly ContentRun[], newSize: number, mtime: Time): void {
    this.head(RecordKind.clone, file, sequence, newSize, mtime);
    const { out } = this;
    out.uint(offset);
    out.uint(runs.length);
    for (let i = 0; i < runs.length; i++) {
      const { length, pack, packOffset } = runs[i] as ContentRun;
      out.uint(length);
      out.uint(pack);
      out.uint(packOffset);
    }
    if (out.length >= pieceBytes) this.seal();
  }

  punched(file: FileId, sequence: number, offset: number, length: number, newSize: number, mtime: Time): void {
    this.head(RecordKind.punch, file, sequence, newSize, mtime);
    this.out.uint(offset);
    this.out.uint(length);
  }

  private head(kind: number, file: FileId, sequence: number, newSize: number, mtime: Time): void {
    const { out, sequences } = this;
    if (sequences.last === 0) sequences.first = sequence;
    sequences.last = sequence;
    out.byte(kind);
    out.uint(file);
    out.uint(sequence);
    out.uint(newSize);
    out.time(mtime);
  }

  /** Whoever wrote the bytes may use them for something else from here on. */
  private keep(slice: Uint8Array): void {
    this.seal();
    this.pieces.push(new Uint8Array(slice));
    this.piecesBytes += slice.length;
  }

  private seal(): void {
    if (this.out.length === 0) return;
    this.pieces.push(this.out.take());
    this.piecesBytes += this.out.length;
    this.out.clear();
  }
}

/** Reads one record; throws MalformedBytes for what is none. The data is a part of what is read. */
export function readContentRecord(from: ByteReader): ContentRecord {
  const kind = from.byte();
  const file = from.uint() as FileId;
  const sequence = from.uint();
  const newSize = from.uint();
  const sec = from.int();
  const nsec = from.uint();
  if (nsec > nsecMax) throw new MalformedBytes("a second has no such nanosecond");
  const mtime = new Time(sec, nsec);
  if (kind === RecordKind.truncate) return { kind: "truncate", file, sequence, newSize, mtime };
  const offset = from.uint();
  if (kind === RecordKind.clone) return { kind: "clone", file, sequence, offset, newSize, mtime, runs: readRuns(from) };
  const length = from.uint();
  if (kind === RecordKind.punch) return { kind: "punch", file, sequence, offset, length, newSize, mtime };
  if (kind === RecordKind.write) return { kind: "write", file, sequence, offset, length, newSize, mtime, data: from.raw(length) };
  if (kind !== RecordKind.pointer) throw new MalformedBytes(`there is no content record of kind ${kind}`);
  return { kind: "pointer", file, sequence, offset, length, newSize, mtime, pack: from.uint() as PackId, packOffset: from.uint(), payloadCrc: from.uint() };
}

function readRuns(from: ByteReader): readonly ContentRun[] {
  const count = from.uint();
  if (count > runsBound) throw new MalformedBytes(`a clone has no ${count} runs`);
  const runs: ContentRun[] = [];
  for (let i = 0; i < count; i++) runs.push({ length: from.uint(), pack: from.uint() as PackId, packOffset: from.uint() });
  return runs;
}
