/** Writes of a segment that is being gathered: their records in chunks, and which of them later ones wrote over. */
import type { FileId } from "#model/ids.ts";
import { ByteWriter } from "./bytes.ts";
import type { ChunkMemory } from "./chunk-memory.ts";

/** Records are gathered in chunks of this; one that is longer has a chunk of its own. */
export const chunkBytes = 256 * 1024;
/** The first chunk of a segment begins with this: most segments of a quiet share need no more. */
const firstChunkBytes = 4 * 1024;
/** A write shorter than this is not remembered: to find it again would cost more than to send it. */
export const absorbedBytesMin = 512;

/** A write whose bytes are in a chunk: what it wrote, and where its record has that. */
export interface GatheredWrite {
  readonly file: FileId;
  readonly offset: number;
  readonly length: number;
  readonly chunk: RecordChunk;
  /** Where offset and length stand in the chunk, and its bytes behind them. */
  at: number;
  data: number;
  dead: boolean;
}

/**
 * Records one after another. The bytes of a write can be taken out again: its record then says that it wrote nothing, under its number, since
 * who reads records into a log begins another file of it wherever a number is missing.
 */
export class RecordChunk {
  out: ByteWriter;
  lastSequence = 0;
  /** Bytes of writes that were taken out and still lie here. */
  dead = 0;
  private writes: GatheredWrite[] = [];
  private compacted: Uint8Array | null = null;
  /** What the compacted bytes lie in. */
  private compactedIn: Buffer | null = null;

  /** `memory`: for a chunk's bytes, or none: little is expected. */
  constructor(memory: Buffer | null = null) {
    this.out = new ByteWriter(memory ?? firstChunkBytes);
  }

  get bytes(): number {
    return this.compacted === null ? this.out.length : this.compacted.length;
  }

  /** The records, as they are sent: nothing is taken out any more. */
  get taken(): Uint8Array {
    return this.compacted ?? this.out.written;
  }

  /** What `taken` lies in. */
  get memory(): Buffer {
    return this.compactedIn ?? this.out.memory;
  }

  /** The record that was put here last is a write of this. */
  note(file: FileId, offset: number, length: number, at: number, data: number): GatheredWrite {
    const write: GatheredWrite = { file, offset, length, chunk: this, at, data, dead: false };
    this.writes.push(write);
    return write;
  }

  /** Counts the bytes of a write as not needed; `compact` takes them out. */
  absorb(write: GatheredWrite): void {
    write.dead = true;
    this.dead += write.length;
  }

  /** Takes out what is not needed, once the chunk gets no more records. */
  compact(memory: ChunkMemory): void {
    const from = this.taken;
    const before = this.memory;
    const length = from.length - this.dead;
    // Bytes only move towards the beginning: they may stay in the memory they lie in.
    const to = memory.fits(before, length) ? before : memory.take(length);
    const kept: GatheredWrite[] = [];
    let read = 0;
    let written = 0;
    for (const write of this.writes) {
      if (!write.dead) {
        write.at -= read - written;
        write.data -= read - written;
        kept.push(write);
        continue;
      }
      to.set(from.subarray(read, write.data), written);
      written += write.data - read;
      // Offset and length: zeros in as many bytes, of which the top bit says whether another follows.
      for (let at = written - (write.data - write.at); at < written; at++) to[at] = (to[at] as number) & 0x80;
      read = write.data + write.length;
    }
    to.set(from.subarray(read), written);
    this.writes = kept;
    this.compacted = to.subarray(0, length);
    this.compactedIn = to;
    this.dead = 0;
    this.out = nothing;
    if (to !== before) memory.give(before);
  }

  /** Nobody needs any of it. */
  drop(memory: ChunkMemory): void {
    for (const write of this.writes) write.dead = true;
    memory.give(this.memory);
    this.writes = [];
    this.compacted = null;
    this.compactedIn = null;
    this.out = nothing;
  }
}

/** Instead of a buffer that is not needed any more, though somebody may still know the chunk. */
const nothing = new ByteWriter(0);

/** The last write to each place, as far as it is known: two places may share an entry, and then of one it is not. */
export class Overwritten {
  private readonly last = new Map<number, GatheredWrite>();

  /** A write that one of this wholly replaces, and that was not taken out yet. */
  find(file: FileId, offset: number, length: number): GatheredWrite | null {
    if (length < absorbedBytesMin) return null;
    const found = this.last.get(placeOf(file, offset));
    return found === undefined || found.dead || found.file !== file || found.offset !== offset || found.length !== length ? null : found;
  }

  note(write: GatheredWrite): void {
    this.last.set(placeOf(write.file, write.offset), write);
  }

  clear(): void {
    this.last.clear();
  }
}

/** Files by their number's lower bits, offsets by the steps writes come in. */
function placeOf(file: FileId, offset: number): number {
  return Math.imul(file | 0, 0x9e3779b1) ^ Math.imul((offset / absorbedBytesMin) | 0, 0x85ebca6b);
}
