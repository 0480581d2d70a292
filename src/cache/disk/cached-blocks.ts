import type { BlockStore, HoldsCopies, ObjectSource } from "#model/block-store.ts";
import type { Clock } from "#base/clock.ts";
import type { DiskFiles } from "./disk-files.ts";
import type { BufferPool, LendsPages, PageBuffer } from "../pages/index.ts";
import { blockBytes } from "./entry.ts";
import { comingPages, takePages } from "./fetched-pages.ts";
import { type Fetch, Fetches, pieceBytesMax } from "./fetches.ts";
import type { DiskLimits } from "./room.ts";

/** What waits to be written to the disk at most; what comes beyond is not kept. */
const savingBytesMax = 64 * 2 ** 20;

export interface DiskCacheLimits extends DiskLimits {
  /** Memory for what is read ahead, on its way or not yet asked for. */
  readonly aheadBytesMax: number;
}

export interface DiskCacheStats {
  /** Reads that needed no request of their own to the store, and those that did; of their bytes likewise. */
  readonly hits: number;
  readonly misses: number;
  readonly hitBytes: number;
  readonly missBytes: number;
  /** Bytes asked for before anybody wanted them. */
  readonly aheadBytes: number;
  /** Copies that did not match their checksum. */
  readonly damaged: number;
  readonly evictedBytes: number;
  /** Objects whose copies went to make room. */
  readonly evictions: number;
  /** What the cache takes of the disk, and may. */
  readonly bytes: number;
  readonly bytesMax: number;
  readonly objects: number;
}

/** A store in front of which copies of what it gave are held on the disk, and ranges that several ask for are fetched once. */
export class CachedBlocks implements BlockStore, HoldsCopies, LendsPages {
  private readonly store: BlockStore;
  private readonly disk: DiskFiles | null;
  private readonly fetches: Fetches;
  /** Objects being deleted: no copy of one is made. */
  private readonly leaving = new Set<string>();
  private savingBytes = 0;
  private holdingBytes = 0;
  private saves: Promise<void> = Promise.resolve();
  private counts = { hits: 0, misses: 0, hitBytes: 0, missBytes: 0, aheadBytes: 0, damaged: 0 };

  constructor(store: BlockStore, disk: DiskFiles | null, limits: DiskCacheLimits, clock: Clock) {
    this.store = store;
    this.disk = disk;
    this.fetches = new Fetches(store, clock, limits.aheadBytesMax, (fetch) => this.save(fetch));
  }

  get stats(): DiskCacheStats {
    const disk = this.disk?.stats ?? { bytes: 0, bytesMax: 0, objects: 0, evictedBytes: 0, evictions: 0 };
    return { ...this.counts, ...disk };
  }

  get answers(): number {
    return this.fetches.answers;
  }

  setLimits(limits: DiskCacheLimits): void {
    this.fetches.boundAhead(limits.aheadBytesMax);
    this.disk?.setLimits(limits);
  }

  async put(key: string, source: ObjectSource): Promise<void> {
    const incoming = source.from === "file" && this.disk !== null ? await this.disk.keep(source.path, source.size) : null;
    let stored = false;
    try {
      await this.store.put(key, source);
      stored = true;
    } finally {
      if (incoming !== null) await this.disk?.kept(incoming, key, stored);
    }
  }

  async get(key: string, offset: number, length: number, target?: Uint8Array): Promise<Uint8Array> {
    if (length === 0) return await this.store.get(key, offset, length, target);
    const into = target ?? new Uint8Array(length);
    const parts = this.parts(key, offset, offset + length);
    let missed = 0;
    const waits: Promise<void>[] = [];
    for (const { from, to, source } of parts) {
      const part = into.subarray(from - offset, to - offset);
      if (source === "store") missed += part.byteLength;
      if (source === "disk") waits.push(this.fromDisk(key, from, part));
      else waits.push(this.fromFetch(source === "store" ? this.fetches.begin(key, from - (from % blockBytes), to) : source, from, part));
    }
    this.counts.missBytes += missed;
    this.counts.hitBytes += length - missed;
    if (missed > 0) this.counts.misses++;
    else this.counts.hits++;
    // All of them come to an end before the caller knows of one that failed: nothing writes into `into` afterwards.
    for (const outcome of await Promise.allSettled(waits)) if (outcome.status === "rejected") throw outcome.reason;
    return into;
  }

  prefetch(key: string, offset: number, length: number): boolean {
    const end = offset + length;
    for (const { from, to, source } of this.parts(key, offset - (offset % blockBytes), end)) {
      if (source !== "store") continue;
      for (let at = from; at < to; at += pieceBytesMax) {
        const stop = Math.min(at + pieceBytesMax, to);
        if (!this.fetches.beginAhead(key, at, stop)) return false;
        this.counts.aheadBytes += stop - at;
      }
    }
    return true;
  }

  lendFrom(pool: BufferPool): void {
    this.fetches.pool = pool;
  }

  coming(key: string, from: number, to: number): Promise<unknown> | null {
    return comingPages(this.fetches, key, from, to);
  }

  take(key: string, from: number, to: number): readonly PageBuffer[] | null {
    const taken = takePages(this.fetches, key, from, to);
    if (taken === null) return null;
    this.counts.hitBytes += to - from;
    this.counts.hits++;
    return taken;
  }

  distrust(key: string, offset: number, length: number): boolean {
    const fetched = this.fetches.drop(key, offset, offset + length);
    const any = (this.disk?.drop(key) ?? false) || fetched;
    if (any) this.counts.damaged++;
    return any;
  }

  /** Fills `target` where the disk has a copy of all of it, without asking the store; false: it hasn't. */
  async copy(key: string, offset: number, target: Uint8Array): Promise<boolean> {
    for (const { from, to, source } of this.parts(key, offset, offset + target.byteLength)) {
      if (source !== "disk" || (await this.disk?.read(key, from, target.subarray(from - offset, to - offset))) !== true) return false;
    }
    return true;
  }

  /** Has the disk hold a range; bytes fetched for that, or null where it can't: there is no room without removing something, or writing fails. */
  async hold(key: string, offset: number, length: number): Promise<number | null> {
    const { disk } = this;
    if (disk === null) return null;
    let bytes = 0;
    for (const { from, to, source } of this.parts(key, offset, offset + length)) {
      if (source === "disk") continue;
      const missing = source === "store" ? to - from : 0;
      // What others fetch to be held will need its room, too.
      const room = missing + blockBytes;
      if (!disk.hasRoom(this.holdingBytes + room)) return null;
      this.holdingBytes += room;
      try {
        await (source === "store" ? this.fetches.begin(key, from - (from % blockBytes), to) : source).arrived;
        // Behind what waits to be written: it is never more than may wait.
        await this.saves;
      } finally {
        this.holdingBytes -= room;
      }
      bytes += missing;
    }
    // The disk may have been full, or broken.
    return this.parts(key, offset, offset + length).every(({ source }) => source === "disk") ? bytes : null;
  }

  /** Resolves when what is held by now would be known after a kill. */
  async remember(): Promise<void> {
    await this.disk?.remember();
  }

  /** Removes every copy from the disk; the bytes that gives back. */
  async evict(): Promise<number> {
    await this.saves;
    return (await this.disk?.dropAll()) ?? 0;
  }

  size(key: string): Promise<number | null> {
    return this.store.size(key);
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.leave(key);
    try {
      await this.store.delete(keys);
    } finally {
      for (const key of keys) this.leaving.delete(key);
    }
  }

  list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number | null }> {
    return this.store.list(prefix);
  }

  space(): Promise<{ readonly free: number; readonly total: number } | null> {
    return this.store.space();
  }

  /** Resolves when what has come is on the disk, as far as it is kept, and the disk keeps its limits. */
  async settled(): Promise<void> {
    await this.fetches.settled();
    await this.saves;
    await this.disk?.settled();
  }

  /** Closes the store, too. */
  async close(): Promise<void> {
    await this.saves;
    this.fetches.close();
    await this.disk?.close();
    await this.store.close();
  }

  /** The range in runs of blocks that come from the same place, in order. */
  private parts(key: string, offset: number, end: number): Part[] {
    const parts: Part[] = [];
    for (let from = offset; from < end; ) {
      const to = Math.min(from - (from % blockBytes) + blockBytes, end);
      const source = this.fetches.find(key, from, to) ?? (this.disk?.covers(key, from, to) === true ? "disk" : "store");
      const last = parts[parts.length - 1];
      if (last !== undefined && last.source === source) last.to = to;
      else parts.push({ from, to, source });
      from = to;
    }
    return parts;
  }

  private async fromDisk(key: string, from: number, target: Uint8Array): Promise<void> {
    if (await this.disk?.read(key, from, target)) return;
    const end = from + target.byteLength;
    const waits = this.parts(key, from, end).map((part) => {
      const fetch = typeof part.source === "string" ? this.fetches.begin(key, part.from - (part.from % blockBytes), part.to) : part.source;
      return this.fromFetch(fetch, part.from, target.subarray(part.from - from, part.to - from));
    });
    for (const outcome of await Promise.allSettled(waits)) if (outcome.status === "rejected") throw outcome.reason;
  }

  private async fromFetch(fetch: Fetch, from: number, target: Uint8Array): Promise<void> {
    // Before anybody else has a turn: from here on the bytes are kept for this reader.
    fetch.readers++;
    try {
      await fetch.upTo(from + target.byteLength);
    } catch (error) {
      this.fetches.left(fetch);
      throw error;
    }
    target.set(fetch.bytes.subarray(from - fetch.from, from - fetch.from + target.byteLength));
    this.fetches.took(fetch, target.byteLength);
  }

  private leave(key: string): void {
    this.leaving.add(key);
    this.fetches.drop(key, 0, Number.POSITIVE_INFINITY);
    this.disk?.drop(key);
  }

  /** One write at a time, behind the readers' backs. */
  private save(fetch: Fetch): boolean {
    const { disk } = this;
    if (disk === null || this.leaving.has(fetch.key) || this.savingBytes + fetch.length > savingBytesMax) return false;
    this.savingBytes += fetch.length;
    this.saves = this.saves
      .then(() => disk.write(fetch.key, fetch.from, fetch.bytes, () => !fetch.dropped))
      .then((kept) => {
        this.savingBytes -= fetch.length;
        this.fetches.saved(fetch, kept);
      });
    return true;
  }
}

interface Part {
  readonly from: number;
  to: number;
  /** A fetch that brings it, or where to ask for it. */
  readonly source: Fetch | "disk" | "store";
}
