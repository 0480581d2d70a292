import type { Clock } from "#base/clock.ts";
import { ReusedMemory } from "#base/reused-memory.ts";
import type { BlockStore } from "#model/block-store.ts";
import { type BufferPool, type LentPages, type PageBuffer, pageBytes } from "../pages/index.ts";
import { blockBytes } from "./entry.ts";

/** Longest range of one request that reads ahead. */
export const pieceBytesMax = 8 * 2 ** 20;
/** Memory for ranges that nobody takes in this time is let go of. */
const memoryIdleMs = 10_000;
/** What a fetch has for bytes that are not its any more: whoever reads them nevertheless gets none, and its checksum is wrong. */
const none = new Uint8Array(0);
/** What was read ahead and not asked for in this time may go for something else. */
const staleMs = 10_000;

/** Who waits for the first `bytes` bytes of a fetch. */
interface Waiting {
  readonly bytes: number;
  readonly there: () => void;
  readonly failed: (error: unknown) => void;
}

/** Bytes on their way from the store, or just come from there. */
export class Fetch {
  readonly key: string;
  /** A multiple of `blockBytes`. */
  readonly from: number;
  readonly to: number;
  readonly ahead: boolean;
  /** Empty once they are another fetch's. */
  bytes: Uint8Array;
  /** Its bytes as pages, held until nobody needs it any more; null where they lie elsewhere. */
  pages: readonly PageBuffer[] | null;
  readonly arrived: Promise<void>;
  /** Bytes of it that are there, from the first on. */
  #came = 0;
  isFailed = false;
  readonly #waiting: Waiting[] = [];
  /** What it gives is not to be kept: the object is deleted, or the bytes are not what was put. */
  dropped = false;
  isArrived = false;
  /** Readers that wait for it, and will read its bytes. */
  readers = 0;
  /** Nobody finds it any more. */
  isForgotten = false;
  /** Bytes of it that readers took. */
  taken = 0;
  /** Being written to the disk, and written there. */
  saving = false;
  onDisk = false;
  arrivedMs = 0;

  constructor(key: string, from: number, to: number, ahead: boolean, store: BlockStore, bytes: Uint8Array, pages: readonly PageBuffer[] | null = null) {
    this.key = key;
    this.from = from;
    this.to = to;
    this.ahead = ahead;
    this.bytes = bytes;
    this.pages = pages;
    this.arrived = store.get(key, from, to - from, bytes, (came) => this.#more(came)).then(
      () => {
        this.isArrived = true;
        this.#more(this.length);
      },
      (error: unknown) => {
        this.isFailed = true;
        for (const { failed } of this.#waiting.splice(0)) failed(error);
        throw error;
      },
    );
  }

  /** Resolves when the bytes before `to` are there; rejects where they don't come. */
  async upTo(to: number): Promise<void> {
    const bytes = to - this.from;
    if (this.isArrived || this.isFailed) return await this.arrived;
    if (!this.has(to)) await new Promise<void>((there, failed) => this.#waiting.push({ bytes, there, failed }));
  }

  /** Whether the bytes before `to` are there. */
  has(to: number): boolean {
    return to - this.from <= this.#came;
  }

  #more(came: number): void {
    this.#came = came;
    for (let i = 0; i < this.#waiting.length; ) {
      const { bytes, there } = this.#waiting[i] as Waiting;
      if (bytes > came) {
        i++;
        continue;
      }
      this.#waiting.splice(i, 1);
      there();
    }
  }

  get length(): number {
    return this.to - this.from;
  }
}

/**
 * What is asked of the store at present. A block that is on its way is not asked for twice; what was read ahead is held until it
 * is taken. Of what is read ahead, on its way or held for its first reader, there are never more bytes than `aheadBytesMax`.
 */
export class Fetches {
  /** By key, then by block: the last fetch that has its beginning. */
  private readonly byKey = new Map<string, Map<number, Fetch>>();
  /** Read ahead and in the table, oldest first. */
  private readonly ahead = new Set<Fetch>();
  private aheadBytes = 0;
  private aheadBytesMax = 0;
  answers = 0;
  private readonly memory: ReusedMemory;
  private readonly store: BlockStore;
  private readonly clock: Clock;
  private readonly save: (fetch: Fetch) => boolean;
  /** Where the memory for what is read ahead comes from, if whoever reads has pages. */
  pool: BufferPool | null = null;

  /** `save` takes what has arrived to be kept, until `saved`; false where it is not going to be. */
  constructor(store: BlockStore, clock: Clock, aheadBytesMax: number, save: (fetch: Fetch) => boolean) {
    this.store = store;
    this.clock = clock;
    this.memory = new ReusedMemory({ pieceBytes: pieceBytesMax, wantedBytesMin: pieceBytesMax / 2 + 1, keptMax: 0, idle: { clock, ms: memoryIdleMs } });
    this.boundAhead(aheadBytesMax);
    this.save = save;
  }

  /** Another bound from now on. */
  boundAhead(bytesMax: number): void {
    this.aheadBytesMax = bytesMax;
    this.memory.keptMax = Math.floor(bytesMax / pieceBytesMax);
  }

  /** The fetch that brings bytes `from`..`to` of one block, or null. */
  find(key: string, from: number, to: number): Fetch | null {
    const fetch = this.byKey.get(key)?.get(Math.floor(from / blockBytes));
    return fetch !== undefined && fetch.from <= from && to <= fetch.to ? fetch : null;
  }

  /** Asks the store for a range that somebody waits for. */
  begin(key: string, from: number, to: number): Fetch {
    return this.add(new Fetch(key, from, to, false, this.store, this.memory.take(to - from)));
  }

  /** Asks for a range that nobody waits for yet; false where that would be too much. */
  beginAhead(key: string, from: number, to: number): boolean {
    if (this.aheadBytes + to - from > this.aheadBytesMax) this.letGo(to - from);
    if (this.aheadBytes + to - from > this.aheadBytesMax) return false;
    const lent = this.lent(to - from);
    this.add(new Fetch(key, from, to, true, this.store, lent?.bytes.subarray(0, to - from) ?? this.memory.take(to - from), lent?.pages));
    return true;
  }

  /** A small range in a large piece of memory would hold it for nothing. */
  private lent(bytes: number): LentPages | null {
    if (this.pool === null || bytes > pieceBytesMax || bytes < pieceBytesMax / 2) return null;
    return this.pool.lend(Math.ceil(bytes / pageBytes), this.aheadBytesMax);
  }

  /** Pieces of memory that were made for what came, rather than used again. */
  get piecesMade(): number {
    return this.memory.made;
  }

  /** A reader, of those it counts, took bytes of it. */
  took(fetch: Fetch, bytes: number): void {
    fetch.taken += bytes;
    this.left(fetch);
  }

  /** A reader, of those it counts, reads no more of it. */
  left(fetch: Fetch): void {
    fetch.readers--;
    // What was taken and waits for the disk is no longer ahead of anybody.
    if (fetch.taken >= fetch.length) this.leaveAhead(fetch);
    this.settle(fetch);
  }

  saved(fetch: Fetch, kept: boolean): void {
    fetch.saving = false;
    fetch.onDisk = kept;
    this.settle(fetch);
  }

  /** No reader is given what the fetches of this range bring, nor is it kept. Whether there were any. */
  drop(key: string, from: number, to: number): boolean {
    let any = false;
    for (const fetch of new Set(this.byKey.get(key)?.values() ?? [])) {
      if (fetch.to <= from || to <= fetch.from) continue;
      any = true;
      fetch.dropped = true;
      this.forget(fetch);
      this.settle(fetch);
    }
    return any;
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    for (const blocks of [...this.byKey.values()]) await Promise.allSettled([...blocks.values()].map(({ arrived }) => arrived));
  }

  private add(fetch: Fetch): Fetch {
    let blocks = this.byKey.get(fetch.key);
    if (blocks === undefined) this.byKey.set(fetch.key, (blocks = new Map()));
    for (let block = fetch.from / blockBytes; block * blockBytes < fetch.to; block++) blocks.set(block, fetch);
    if (fetch.ahead) {
      this.ahead.add(fetch);
      this.aheadBytes += fetch.length;
    }
    fetch.arrived.then(
      () => {
        this.answers++;
        fetch.arrivedMs = this.clock.monotonicMs();
        if (!fetch.dropped) fetch.saving = this.save(fetch);
        this.settle(fetch);
      },
      () => {
        this.forget(fetch);
        this.settle(fetch);
      },
    );
    return fetch;
  }

  /** It stays in the table until it is on the disk, and what was read ahead until it was taken. */
  private settle(fetch: Fetch): void {
    if (fetch.isArrived && !fetch.saving && (!fetch.ahead || fetch.taken >= fetch.length)) this.forget(fetch);
    if (fetch.readers === 0 && (fetch.isArrived || fetch.isFailed) && !fetch.saving && fetch.isForgotten) this.reuse(fetch);
  }

  /** Nobody finds the fetch, nobody reads from it, and nothing is written into it: the store gave its answer. */
  private reuse(fetch: Fetch): void {
    const { pages } = fetch;
    if (pages !== null) {
      fetch.pages = null;
      for (let i = 0; i < pages.length; i++) (pages[i] as PageBuffer).release();
    } else this.memory.give(fetch.bytes);
    fetch.bytes = none;
  }

  close(): void {
    this.memory.close();
  }

  /** What can be read from the disk goes first of all, and what nobody asked for in time. */
  private letGo(bytes: number): void {
    const before = this.clock.monotonicMs() - staleMs;
    for (const fetch of this.ahead) {
      if (this.aheadBytes + bytes <= this.aheadBytesMax) return;
      if (!fetch.isArrived || fetch.saving || !(fetch.onDisk || fetch.arrivedMs <= before)) continue;
      this.forget(fetch);
      this.settle(fetch);
    }
  }

  private leaveAhead(fetch: Fetch): void {
    if (this.ahead.delete(fetch)) this.aheadBytes -= fetch.length;
  }

  private forget(fetch: Fetch): void {
    fetch.isForgotten = true;
    this.leaveAhead(fetch);
    const blocks = this.byKey.get(fetch.key);
    if (blocks === undefined) return;
    for (let block = fetch.from / blockBytes; block * blockBytes < fetch.to; block++) if (blocks.get(block) === fetch) blocks.delete(block);
    if (blocks.size === 0) this.byKey.delete(fetch.key);
  }
}
