/** A block store around another that is asked no more often, and for no more bytes, than a rate allows. Requests wait for their turn. */
import type { Clock } from "#base/clock.ts";
import type { BlockStore, Came, ObjectSource, SynchronousReads } from "#model/block-store.ts";
import { adoptsFrom, readsNow } from "../abilities.ts";
import { sourceBytes } from "../source.ts";
import { TokenBucket } from "./token-bucket.ts";

export { waitersMax } from "./token-bucket.ts";

/** Each a number a second; null: no bound. */
export interface Rates {
  readonly requests: number | null;
  readonly uploadBytes: number | null;
  readonly downloadBytes: number | null;
}

/** Wraps `blocks`, which it closes with itself. */
export function limitBlocks(blocks: BlockStore, rates: Rates, clock: Clock): BlockStore {
  return new LimitedBlocks(blocks, rates, clock);
}

class LimitedBlocks implements BlockStore {
  declare readonly stagingDirectory?: string;
  declare readonly getNow?: SynchronousReads["getNow"];
  private readonly blocks: BlockStore;
  private readonly requests: TokenBucket | null;
  private readonly up: TokenBucket | null;
  private readonly down: TokenBucket | null;

  constructor(blocks: BlockStore, rates: Rates, clock: Clock) {
    const bucket = (rate: number | null, what: string) => (rate === null ? null : new TokenBucket(rate, clock, `${rate} ${what} a second`));
    this.blocks = blocks;
    this.requests = bucket(rates.requests, "requests");
    this.up = bucket(rates.uploadBytes, "uploaded bytes");
    this.down = bucket(rates.downloadBytes, "downloaded bytes");
    const staging = adoptsFrom(blocks);
    if (staging !== null) Object.assign(this, { stagingDirectory: staging });
    const now = readsNow(blocks);
    if (now !== null) Object.assign(this, { getNow: (key: string, offset: number, target: Uint8Array) => this.turnNow(target.byteLength) && now.getNow(key, offset, target) });
  }

  async put(key: string, source: ObjectSource): Promise<void> {
    await this.requests?.take(1);
    await this.up?.take(sourceBytes(source));
    await this.blocks.put(key, source);
  }

  async get(key: string, offset: number, length: number, target?: Uint8Array, came?: Came): Promise<Uint8Array> {
    await this.requests?.take(1);
    await this.down?.take(length);
    return await this.blocks.get(key, offset, length, target, came);
  }

  async size(key: string): Promise<number | null> {
    await this.requests?.take(1);
    return await this.blocks.size(key);
  }

  async delete(keys: readonly string[]): Promise<void> {
    await this.requests?.take(1);
    await this.blocks.delete(keys);
  }

  /** Counts as one request, however many pages it takes. */
  async *list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number | null }> {
    await this.requests?.take(1);
    yield* this.blocks.list(prefix);
  }

  /** Asks nothing of a server. */
  space(): Promise<{ readonly free: number; readonly total: number } | null> {
    return this.blocks.space();
  }

  close(): Promise<void> {
    return this.blocks.close();
  }

  private turnNow(bytes: number): boolean {
    if (this.requests !== null && !this.requests.takeNow(1)) return false;
    return this.down === null || this.down.takeNow(bytes);
  }
}
