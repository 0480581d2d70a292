/** Writes of a segment that is being gathered: their records in chunks, and which of them later ones wrote over. */
import type { Extent } from "#model/change-set.ts";
import type { PackedFile } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
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
  readonly sequence: number;
  readonly chunk: RecordChunk;
  /** Where its record begins in the chunk, where offset and length stand, and its bytes behind them. */
  start: number;
  at: number;
  data: number;
  /** Its bytes are not sent: a later write wrote over them, or a pack has them. */
  dead: boolean;
  /** The pack that has them, and where; 0: none. */
  pack: PackId | 0;
  packOffset: number;
}

/** A record of a write that a pack has the bytes of becomes one of a clone: its kind, and more than its fields take behind the offset. */
const cloneKind = 4;
const cloneFieldsMax = 32;

/**
 * Records one after another. The bytes of a write can be taken out again: its record then says that it wrote nothing, or that a pack has what it
 * wrote, under its number, since who reads records into a log begins another file of it wherever a number is missing.
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
  note(file: FileId, sequence: number, offset: number, length: number, start: number, at: number, data: number): GatheredWrite {
    const write: GatheredWrite = { file, offset, length, sequence, chunk: this, start, at, data, dead: false, pack: 0, packOffset: 0 };
    this.writes.push(write);
    return write;
  }

  /** Counts the bytes of a write as not needed; `compact` takes them out. */
  absorb(write: GatheredWrite): void {
    write.dead = true;
    this.dead += write.length;
  }

  /** Has records of writes point to the packs that have their bytes; `compact` takes these out. Says whether there are any, with the packs in `packs`. */
  packed(files: ReadonlyMap<FileId, PackedFile>, packs: Set<PackId>): boolean {
    let some = false;
    for (let i = 0; i < this.writes.length; i++) {
      const write = this.writes[i] as GatheredWrite;
      const file = write.dead ? undefined : files.get(write.file);
      if (file === undefined || write.sequence > file.sequence) continue;
      const extent = extentOf(file.extents, write.offset, write.length);
      if (extent === null) continue;
      write.pack = extent.pack;
      write.packOffset = extent.packOffset + (write.offset - extent.offset);
      packs.add(extent.pack);
      this.absorb(write);
      some = true;
    }
    return some;
  }

  /** Takes out what is not needed, once the chunk gets no more records. */
  compact(memory: ChunkMemory): void {
    const from = this.taken;
    const before = this.memory;
    // Bytes only move towards the beginning: they may stay in the memory they lie in.
    const most = Math.min(from.length, from.length - this.dead + this.writes.length * cloneFieldsMax);
    const to = memory.fits(before, most) ? before : memory.take(most);
    const kept: GatheredWrite[] = [];
    let read = 0;
    let written = 0;
    for (const write of this.writes) {
      const moved = read - written;
      if (!write.dead) {
        write.start -= moved;
        write.at -= moved;
        write.data -= moved;
        kept.push(write);
        continue;
      }
      to.set(from.subarray(read, write.data), written);
      written += write.data - read;
      if (write.pack === 0) blank(to, write.at - moved, written);
      else written = pointed(to, write, moved);
      read = write.data + write.length;
    }
    to.set(from.subarray(read), written);
    this.writes = kept;
    this.compacted = to.subarray(0, written + from.length - read);
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

/** Offset and length: zeros in as many bytes, of which the top bit says whether another follows. */
function blank(bytes: Buffer, from: number, to: number): void {
  for (let at = from; at < to; at++) bytes[at] = (bytes[at] as number) & 0x80;
}

/** The record as one of a clone of a single run; gives where it ends. Its bytes lay behind: there is room. */
function pointed(bytes: Buffer, { start, at, offset, length, pack, packOffset }: GatheredWrite, moved: number): number {
  bytes[start - moved] = cloneKind;
  fields.clear();
  fields.uint(offset);
  fields.uint(1);
  fields.uint(length);
  fields.uint(pack);
  fields.uint(packOffset);
  bytes.set(fields.written, at - moved);
  return at - moved + fields.length;
}

const fields = new ByteWriter(cloneFieldsMax * 2);

/** The extent that all of a range lies in. */
function extentOf(extents: readonly Extent[], offset: number, length: number): Extent | null {
  let low = 0;
  let high = extents.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const extent = extents[middle] as Extent;
    if (extent.offset > offset) high = middle - 1;
    else if (extent.offset + extent.length <= offset) low = middle + 1;
    else return offset + length <= extent.offset + extent.length ? extent : null;
  }
  return null;
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
