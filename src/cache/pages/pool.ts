import { assert } from "#base/assert.ts";
import { ReusedMemory } from "#base/reused-memory.ts";

/** A page holds this much of a file, from a multiple of it on. */
export const pageBytes = 65536;
/** A page's buffer is of the smallest class that holds what is known of the page. */
const classBytes = [4096, 16384, pageBytes] as const;
const slabBytes = 4 * 1024 * 1024;

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
  private readonly pool: BufferPool;

  constructor(pool: BufferPool, slab: Slab, slot: number) {
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

  /** Whether `next` begins in memory where this ends, so that one slice can span both. */
  isBefore(next: PageBuffer): boolean {
    return next.slab === this.slab && next.slot === this.slot + 1;
  }
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
  /** Memory of slabs given up serves the next ones of any class. */
  private readonly memory = new ReusedMemory({ pieceBytes: slabBytes, keptMax: Number.POSITIVE_INFINITY, touchedAhead: true });

  constructor(capacity: number) {
    this.capacity = capacity;
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

  free(buffer: PageBuffer): void {
    const slab = buffer.slab;
    assert(slab.used[buffer.slot] === 1, "a page buffer was freed twice");
    slab.used[buffer.slot] = 0;
    slab.free++;
    if (buffer.slot < slab.firstFree) slab.firstFree = buffer.slot;
    this.bytes -= classBytes[slab.sizeClass] as number;
    const slabs = this.slabs[slab.sizeClass] as Slab[];
    if (slab.free === slab.slots && slabs.length > 1 && slabs[slabs.length - 1] !== slab) {
      slabs.splice(slabs.indexOf(slab), 1);
      this.slabCount--;
      this.memory.give(slab.memory);
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

  private take(slab: Slab, slot: number): PageBuffer {
    slab.used[slot] = 1;
    slab.free--;
    if (slot === slab.firstFree) slab.firstFree++;
    this.bytes += classBytes[slab.sizeClass] as number;
    return new PageBuffer(this, slab, slot);
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
    const slab = new Slab(sizeClass, this.memory.take(slabBytes));
    (this.slabs[sizeClass] as Slab[]).push(slab);
    this.slabCount++;
    return slab;
  }
}
