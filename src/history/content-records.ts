import { Time } from "#base/time.ts";
import type { ContentRun } from "#model/file-content.ts";
import type { ContentTap, PackedFile } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { type ByteReader, type ByteWriter, MalformedBytes } from "./bytes.ts";
import { ChunkMemory } from "./chunk-memory.ts";
import { absorbedBytesMin, chunkBytes, type GatheredWrite, Overwritten, RecordChunk } from "./gathered-writes.ts";

const RecordKind = { write: 1, pointer: 2, truncate: 3, clone: 4, punch: 5 } as const;
/** More runs than one clone has. */
const runsBound = 65_536;
const nsecMax = 999_999_999;
/** Fields of any record at their longest, and of a clone's run. */
const fieldsBytesMax = 128;
const runBytesMax = 24;
/** Bytes that were written over are taken out of a chunk when they are such a part of it: at once, and before it is sent, since to copy the rest costs less than to send them. */
const deadPartAtOnce = 1 / 2;
const deadPartSent = 1 / 16;
/** A change of content as the history has it: the log's record but for its checksum. */
export type ContentRecord =
  | { readonly kind: "write"; readonly file: FileId; readonly sequence: number; readonly offset: number; readonly length: number; readonly newSize: number; readonly mtime: Time; readonly data: Uint8Array }
  | { readonly kind: "pointer"; readonly file: FileId; readonly sequence: number; readonly offset: number; readonly length: number; readonly newSize: number; readonly mtime: Time; readonly pack: PackId; readonly packOffset: number; readonly payloadCrc: number }
  | { readonly kind: "truncate"; readonly file: FileId; readonly sequence: number; readonly newSize: number; readonly mtime: Time }
  | { readonly kind: "clone"; readonly file: FileId; readonly sequence: number; readonly offset: number; readonly newSize: number; readonly mtime: Time; readonly runs: readonly ContentRun[] }
  | { readonly kind: "punch"; readonly file: FileId; readonly sequence: number; readonly offset: number; readonly length: number; readonly newSize: number; readonly mtime: Time };

/** Slices of records, and the memory they lie in, to be given back once nobody reads them. */
export interface TakenRecords {
  readonly slices: readonly Uint8Array[];
  readonly memory: readonly Buffer[];
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
  readonly packs: ReadonlySet<PackId>;
}

/** Content changes gathered for a segment, in the order they were accepted in, without the bytes of writes that a later one wrote over. */
export class ContentRecords implements ContentTap {
  private full: RecordChunk[] = [];
  private chunk = new RecordChunk();
  private fullBytes = 0;
  private sequences: { first: number; last: number } = { first: 0, last: 0 };
  /** Packs that pointers refer to. */
  private packs = new Set<PackId>();
  /** Where the last record begins in its chunk. */
  private begun = 0;
  private readonly overwritten = new Overwritten();
  private readonly memory = new ChunkMemory();

  get bytes(): number {
    return this.fullBytes + this.chunk.bytes;
  }

  get isEmpty(): boolean {
    return this.sequences.last === 0;
  }

  /** What was gathered, without chunks of changes that are all before `needed`; the next begins. */
  take(needed = 0): TakenRecords {
    this.seal();
    this.forget(needed);
    this.compact();
    const taken = { slices: this.full.map((chunk) => chunk.taken), memory: this.full.map((chunk) => chunk.memory), bytes: this.fullBytes, ...this.sequences, packs: this.packs };
    this.full = [];
    this.fullBytes = 0;
    this.chunk = new RecordChunk();
    this.sequences = { first: 0, last: 0 };
    this.packs = new Set();
    this.overwritten.clear();
    return taken;
  }

  /** What was taken is read by nobody any more. */
  giveBack(memory: readonly Buffer[]): void {
    for (let i = 0; i < memory.length; i++) this.memory.give(memory[i] as Buffer);
  }

  /** Nothing was gathered for a while. */
  rest(): void {
    this.memory.rest();
  }

  /** Nobody needs changes before `needed` any more: full chunks of nothing else go. */
  forget(needed: number): void {
    let count = 0;
    for (; count < this.full.length; count++) {
      const chunk = this.full[count] as RecordChunk;
      if (chunk.lastSequence >= needed) break;
      this.fullBytes -= chunk.bytes;
      chunk.drop(this.memory);
    }
    if (count > 0) this.full.splice(0, count);
  }

  /** Writes whose bytes packs have by now point to these from here on. Says whether there are any. */
  packed(files: ReadonlyMap<FileId, PackedFile>): boolean {
    this.seal();
    let some = false;
    for (let i = 0; i < this.full.length; i++) {
      const chunk = this.full[i] as RecordChunk;
      if (!chunk.packed(files, this.packs)) continue;
      this.compactOne(chunk);
      some = true;
    }
    return some;
  }

  /** Takes out what later writes wrote over. */
  compact(): void {
    for (let i = 0; i < this.full.length; i++) {
      const chunk = this.full[i] as RecordChunk;
      if (chunk.dead > chunk.bytes * deadPartSent) this.compactOne(chunk);
    }
  }

  wrote(file: FileId, sequence: number, offset: number, payload: readonly Uint8Array[], length: number, newSize: number, mtime: Time): void {
    const before = this.overwritten.find(file, offset, length);
    if (before !== null) this.absorb(before);
    const out = this.head(RecordKind.write, file, sequence, newSize, mtime, length);
    const at = out.length;
    const { begun } = this;
    out.uint(offset);
    out.uint(length);
    const data = out.length;
    for (let i = 0; i < payload.length; i++) out.raw(payload[i] as Uint8Array);
    if (length >= absorbedBytesMin) this.overwritten.note(this.chunk.note(file, sequence, offset, length, begun, at, data));
  }

  pointed(file: FileId, sequence: number, offset: number, length: number, newSize: number, mtime: Time, pack: PackId, packOffset: number, payloadCrc: number): void {
    const out = this.head(RecordKind.pointer, file, sequence, newSize, mtime, 0);
    out.uint(offset);
    out.uint(length);
    out.uint(pack);
    out.uint(packOffset);
    out.uint(payloadCrc);
    this.packs.add(pack);
  }

  truncated(file: FileId, sequence: number, newSize: number, mtime: Time): void {
    this.head(RecordKind.truncate, file, sequence, newSize, mtime, 0);
  }

  /** Of packs that are stored already: the segment needs to wait for none of them. */
  cloned(file: FileId, sequence: number, offset: number, runs: readonly ContentRun[], newSize: number, mtime: Time): void {
    const out = this.head(RecordKind.clone, file, sequence, newSize, mtime, runs.length * runBytesMax);
    out.uint(offset);
    out.uint(runs.length);
    for (let i = 0; i < runs.length; i++) {
      const { length, pack, packOffset } = runs[i] as ContentRun;
      out.uint(length);
      out.uint(pack);
      out.uint(packOffset);
    }
  }

  punched(file: FileId, sequence: number, offset: number, length: number, newSize: number, mtime: Time): void {
    const out = this.head(RecordKind.punch, file, sequence, newSize, mtime, 0);
    out.uint(offset);
    out.uint(length);
  }

  /** Begins a record with so many bytes behind its fields. */
  private head(kind: number, file: FileId, sequence: number, newSize: number, mtime: Time, more: number): ByteWriter {
    if (this.chunk.bytes + more + fieldsBytesMax > chunkBytes) this.seal();
    const { chunk, sequences } = this;
    const { out } = chunk;
    this.begun = out.length;
    if (sequences.last === 0) sequences.first = sequence;
    sequences.last = sequence;
    chunk.lastSequence = sequence;
    out.byte(kind);
    out.uint(file);
    out.uint(sequence);
    out.uint(newSize);
    out.time(mtime);
    return out;
  }

  private absorb(before: GatheredWrite): void {
    const { chunk } = before;
    chunk.absorb(before);
    if (chunk !== this.chunk && chunk.dead >= chunk.bytes * deadPartAtOnce) this.compactOne(chunk);
  }

  private compactOne(chunk: RecordChunk): void {
    const bytes = chunk.bytes;
    chunk.compact(this.memory);
    this.fullBytes -= bytes - chunk.bytes;
  }

  private seal(): void {
    const { chunk } = this;
    if (chunk.bytes === 0) return;
    if (chunk.dead >= chunk.bytes * deadPartAtOnce) chunk.compact(this.memory);
    this.full.push(chunk);
    this.fullBytes += chunk.bytes;
    this.chunk = new RecordChunk(this.memory.take(chunkBytes));
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
