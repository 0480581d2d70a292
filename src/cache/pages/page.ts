import type { FileState } from "../file-state.ts";
import { BufferPool, type PageBuffer, pageBytes } from "./pool.ts";
import { Ranges } from "./ranges.ts";

/** 64 KiB of a file in memory. Offsets are within the page. */
export class Page {
  readonly file: FileState;
  readonly index: number;
  buffer: PageBuffer;
  /** Bytes that are what a reader must see; the rest of the buffer is undefined. */
  readonly valid = new Ranges();
  /** Bytes that nothing but the log holds yet. */
  readonly dirty = new Ranges();
  /** A flush has taken dirty bytes of this page and not finished. */
  flushing = false;
  /** Memory it is counted with (`FileTable.dirtyMemory`) while it can't be evicted for what is dirty. */
  counted = 0;
  /** Set by use, cleared by the clock hand: an unused page goes at the next pass. */
  referenced = true;
  next: Page | null = null;
  previous: Page | null = null;

  constructor(file: FileState, index: number, buffer: PageBuffer) {
    this.file = file;
    this.index = index;
    this.buffer = buffer;
  }

  get isEvictable(): boolean {
    return !this.flushing && this.dirty.isEmpty && this.buffer.refs === 1;
  }
}

/** Every page in memory, in a ring that the clock hand walks to find what may go. */
export class PageCache {
  readonly pool: BufferPool;
  /** Pages that made room for others, and their bytes. */
  evictions = 0;
  evictedBytes = 0;
  private hand: Page | null = null;
  private count = 0;

  constructor(capacityBytes: number) {
    this.pool = new BufferPool(capacityBytes);
    this.pool.evict = (bytes) => this.evict(bytes);
  }

  /** A new page of the file, nothing of it valid, with room for `bytes` bytes. */
  create(file: FileState, index: number, bytes: number): Page {
    return this.adopt(file, index, this.pool.allocate(bytes));
  }

  /** A new page around a buffer from this pool. */
  adopt(file: FileState, index: number, buffer: PageBuffer): Page {
    const page = new Page(file, index, buffer);
    file.pages.set(index, page);
    if (this.hand === null) {
      page.next = page;
      page.previous = page;
      this.hand = page;
    } else {
      const before = this.hand.previous as Page;
      page.previous = before;
      page.next = this.hand;
      before.next = page;
      this.hand.previous = page;
    }
    this.count++;
    return page;
  }

  /** Makes the page's first `bytes` bytes writable: a larger buffer where it is too small, a copy where it is shared. */
  makeWritable(page: Page, bytes: number): Uint8Array {
    const old = page.buffer;
    if (old.refs === 1 && old.bytes.length >= bytes) return old.bytes;
    // Held while the pool may evict: this page must not be what goes.
    old.retain();
    const fresh = this.pool.allocate(Math.max(bytes, Math.min(old.bytes.length, pageBytes)));
    for (let i = 0; i < page.valid.count; i++) {
      const start = page.valid.start(i);
      fresh.bytes.set(old.bytes.subarray(start, page.valid.end(i)), start);
    }
    page.buffer = fresh;
    old.release();
    old.release();
    return fresh.bytes;
  }

  /** Takes the page out; whoever still holds its buffer keeps it. */
  remove(page: Page): void {
    if (page.next === page) this.hand = null;
    else {
      const next = page.next as Page;
      const previous = page.previous as Page;
      next.previous = previous;
      previous.next = next;
      if (this.hand === page) this.hand = next;
    }
    page.next = null;
    page.previous = null;
    this.count--;
    page.file.pages.delete(page.index);
    page.buffer.release();
  }

  private evict(bytes: number): void {
    const target = this.pool.bytes - bytes;
    for (let steps = this.count * 2; steps > 0 && this.pool.bytes > target && this.hand !== null; steps--) {
      const page: Page = this.hand;
      this.hand = page.next;
      if (page.referenced) page.referenced = false;
      else if (page.isEvictable) {
        this.evictions++;
        this.evictedBytes += page.buffer.bytes.length;
        this.remove(page);
        page.file.pageEvicted();
      }
    }
  }
}
