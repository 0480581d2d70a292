import { assert } from "#base/assert.ts";
import { ReusedMemory } from "#base/reused-memory.ts";

/** A page holds this much of a file, from a multiple of it on. */
export const pageBytes = 65536;
/** A page's buffer is of the smallest class that holds what is known of the page. */
const classBytes = [4096, 16384, pageBytes] as const;
const slabBytes = 4 * 1024 * 1024;
/** Memory is had in blocks of two slabs, so that a long range can lie in one piece. */
export const blockBytes = 2 * slabBytes;
const pagesOfSlab = slabBytes / pageBytes;
/** So much more than its capacity and what is lent a pool may have in pieces before it lends no more. */
const piecesBytesMax = 2 * blockBytes;

class Slab {
  readonly memory: Uint8Array;
  readonly slots: number;
  readonly used: Uint8Array;
  free: number;
  readonly sizeClass: number;
  /** No slot before it is free. */
  firstFree = 0;

  constructor(sizeClass: number, memory: Uint8Array) {
    this.memory = memory;
    this.sizeClass = sizeClass;
    this.slots = slabBytes / (classBytes[sizeClass] as number);
    this.used = new Uint8Array(this.slots);
    this.free = this.slots;
  }

  /** The first of `count` free slots in a row, or -1. */
  run(count: number): number {
    let length = 0;
    for (let i = this.firstFree; i < this.slots; i++) {
      length = this.used[i] === 0 ? length + 1 : 0;
      if (length === count) return i - count + 1;
    }
    return -1;
  }
}

/**
 * Memory of a page. Shared by reference count: its page, each reply that is sent from it and each flush hold one. With more
 * than one holder it is immutable, and a write goes to a copy.
 */
export class PageBuffer {
  readonly bytes: Uint8Array;
  readonly slab: Slab;
  readonly slot: number;
  refs = 1;
  /** It is part of what the pool's capacity bounds. */
  counted: boolean;
  private readonly pool: BufferPool;

  constructor(pool: BufferPool, slab: Slab, slot: number, counted: boolean) {
    this.counted = counted;
    const size = classBytes[slab.sizeClass] as number;
    this.pool = pool;
    this.slab = slab;
    this.slot = slot;
    this.bytes = slab.memory.subarray(slot * size, (slot + 1) * size);
  }

  retain(): void {
    this.refs++;
  }

  release(): void {
    assert(this.refs > 0, "a page buffer was released twice");
    if (--this.refs === 0) this.pool.free(this);
  }

  /** What was lent becomes a page: the pool makes room for it. */
  count(): void {
    if (this.counted) return;
    this.counted = true;
    this.pool.countIn(this);
  }

  /** Whether `next` begins in memory where this ends, so that one slice can span both. */
  isBefore(next: PageBuffer): boolean {
    return next.slab === this.slab && next.slot === this.slot + 1;
  }

  /** `length` bytes from `from` on, in this one and those behind it in memory. */
  span(from: number, length: number): Uint8Array {
    const start = this.slot * (classBytes[this.slab.sizeClass] as number) + from;
    return this.slab.memory.subarray(start, start + length);
  }
}

/** Page buffers of one piece of memory, which are not counted before they become pages. */
export interface LentPages {
  readonly bytes: Uint8Array;
  readonly pages: readonly PageBuffer[];
}

/** An optional ability of a block store in front of another: to have what is read ahead come into page buffers, which readers take as they are. */
export interface LendsPages {
  /** From now on it comes into buffers of this pool. */
  lendFrom(pool: BufferPool): void;
  /** Resolves when the bytes `from`..`to` of an object have come into page buffers, or won't; null where there is none such to wait for. */
  coming(key: string, from: number, to: number): Promise<unknown> | null;
  /** The page buffers of a range that begins at a multiple of a page and has come into such, each retained for the caller, who verifies what is in them; else null. */
  take(key: string, from: number, to: number): readonly PageBuffer[] | null;
}

/**
 * Page memory in size classes, cut from 4 MiB slabs, so that steady work allocates nothing. `bytes` may pass `capacity` only by
 * what dirty and pinned pages hold: the evictor is asked before a buffer is handed out.
 */
export class BufferPool {
  capacity: number;
  bytes = 0;
  /** Slabs in use, of all classes. */
  slabCount = 0;
  /** Frees at least so many bytes of clean pages if it can. */
  evict: (bytes: number) => void = () => {};
  private readonly slabs: Slab[][] = classBytes.map(() => []);
  /** By its block, the half that nobody uses of one whose other half is in use. */
  private readonly spareHalves = new Map<ArrayBufferLike, Uint8Array>();
  /** Blocks that nobody uses, kept by `memory` for slabs of any class. */
  private spareBlocks = 0;
  private readonly memory = new ReusedMemory({ pieceBytes: blockBytes, keptMax: Number.POSITIVE_INFINITY, touchedAhead: true });

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Bytes of all blocks there are. */
  get memoryBytes(): number {
    return this.memory.made * blockBytes;
  }

  /** The class a buffer for `bytes` bytes belongs to. */
  static classFor(bytes: number): number {
    return bytes <= classBytes[0] ? 0 : bytes <= classBytes[1] ? 1 : 2;
  }

  /** A buffer of at least `bytes` bytes (at most a page); its content is undefined. */
  allocate(bytes: number): PageBuffer {
    const sizeClass = BufferPool.classFor(bytes);
    this.reserve(classBytes[sizeClass] as number);
    const slab = this.slabOf(sizeClass, 1) ?? this.grow(sizeClass);
    return this.take(slab, slab.run(1));
  }

  /** `count` page-sized buffers, next to each other in memory where that can be had. */
  allocatePages(count: number): PageBuffer[] {
    this.reserve(count * pageBytes);
    const buffers: PageBuffer[] = [];
    while (buffers.length < count) {
      let wanted = Math.min(count - buffers.length, slabBytes / pageBytes);
      let found = this.slabOf(2, wanted);
      // Where memory is in pieces, runs get shorter rather than slabs more.
      while (found === null && wanted > 1 && this.slabCount * slabBytes >= this.capacity) {
        wanted >>>= 1;
        found = this.slabOf(2, wanted);
      }
      const slab = found ?? this.grow(2);
      const first = slab.run(wanted);
      for (let i = 0; i < wanted; i++) buffers.push(this.take(slab, first + i));
    }
    return buffers;
  }

  /**
   * `count` page buffers (a block's at most) in one piece, for bytes that will be asked for; whoever lends so many that `lentBytesMax` is
   * passed is to blame. Null where memory is in so many pieces that one more would be too much.
   */
  lend(count: number, lentBytesMax: number): LentPages | null {
    if (this.spareBlocks === 0) this.reclaim();
    if (this.spareBlocks === 0 && this.memoryBytes + blockBytes > this.capacity + lentBytesMax + piecesBytesMax) return null;
    const block = this.takeBlock();
    const pages: PageBuffer[] = [];
    for (let at = 0; at < blockBytes; at += slabBytes) {
      const memory = new Uint8Array(block, at, slabBytes);
      const wanted = Math.min(count - pages.length, pagesOfSlab);
      if (wanted === 0) {
        this.keep(memory);
        continue;
      }
      const slab = this.add(2, memory);
      for (let i = 0; i < wanted; i++) pages.push(this.take(slab, i, false));
    }
    return { bytes: new Uint8Array(block, 0, count * pageBytes), pages };
  }

  /** Makes room for what was lent and becomes a page. */
  countIn(buffer: PageBuffer): void {
    const bytes = classBytes[buffer.slab.sizeClass] as number;
    this.reserve(bytes);
    this.bytes += bytes;
  }

  free(buffer: PageBuffer): void {
    const slab = buffer.slab;
    assert(slab.used[buffer.slot] === 1, "a page buffer was freed twice");
    slab.used[buffer.slot] = 0;
    slab.free++;
    if (buffer.slot < slab.firstFree) slab.firstFree = buffer.slot;
    if (buffer.counted) this.bytes -= classBytes[slab.sizeClass] as number;
    const slabs = this.slabs[slab.sizeClass] as Slab[];
    if (slab.free === slab.slots && slabs.length > 1 && slabs[slabs.length - 1] !== slab) {
      slabs.splice(slabs.indexOf(slab), 1);
      this.slabCount--;
      this.keep(slab.memory);
    }
  }

  /** Has another capacity from now on; what is above it goes as far as it is clean. */
  resize(capacity: number): void {
    this.capacity = capacity;
    this.reserve(0);
  }

  private reserve(bytes: number): void {
    if (this.bytes + bytes > this.capacity) this.evict(this.bytes + bytes - this.capacity);
  }

  private take(slab: Slab, slot: number, counted = true): PageBuffer {
    slab.used[slot] = 1;
    slab.free--;
    if (slot === slab.firstFree) slab.firstFree++;
    if (counted) this.bytes += classBytes[slab.sizeClass] as number;
    return new PageBuffer(this, slab, slot, counted);
  }

  /** A slab with `count` free slots in a row; null where none of the last few has them. */
  private slabOf(sizeClass: number, count: number): Slab | null {
    const slabs = this.slabs[sizeClass] as Slab[];
    for (let i = slabs.length - 1, tried = 0; i >= 0 && tried < 8; i--) {
      const slab = slabs[i] as Slab;
      if (slab.free < count) continue;
      tried++;
      if (slab.run(count) < 0) continue;
      if (i !== slabs.length - 1) {
        slabs[i] = slabs[slabs.length - 1] as Slab;
        slabs[slabs.length - 1] = slab;
      }
      return slab;
    }
    return null;
  }

  private grow(sizeClass: number): Slab {
    for (const [block, half] of this.spareHalves) {
      this.spareHalves.delete(block);
      return this.add(sizeClass, half);
    }
    const block = this.takeBlock();
    this.keep(new Uint8Array(block, slabBytes, slabBytes));
    return this.add(sizeClass, new Uint8Array(block, 0, slabBytes));
  }

  private add(sizeClass: number, memory: Uint8Array): Slab {
    const slab = new Slab(sizeClass, memory);
    (this.slabs[sizeClass] as Slab[]).push(slab);
    this.slabCount++;
    return slab;
  }

  /** Slabs that are kept for the next allocation, and of which nothing is in use, become memory for any use. */
  private reclaim(): void {
    for (const slabs of this.slabs) {
      for (let i = slabs.length - 1; i >= 0; i--) {
        const slab = slabs[i] as Slab;
        if (slab.free < slab.slots) continue;
        slabs.splice(i, 1);
        this.slabCount--;
        this.keep(slab.memory);
      }
    }
  }

  /** Memory nobody uses now; a block whose halves have come together is whole again. */
  private keep(half: Uint8Array): void {
    const block = half.buffer;
    if (!this.spareHalves.delete(block)) {
      this.spareHalves.set(block, half);
      return;
    }
    this.spareBlocks++;
    this.memory.give(new Uint8Array(block));
  }

  private takeBlock(): ArrayBufferLike {
    if (this.spareBlocks > 0) this.spareBlocks--;
    return this.memory.take(blockBytes).buffer;
  }
}
