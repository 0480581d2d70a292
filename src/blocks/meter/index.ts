/** A block store around another that counts what is asked of it, how that went and how long it took. */
import type { Clock } from "#base/clock.ts";
import { type BlockStore, type Came, MissingObjectError, type ObjectSource, StoreFullError, StoreRefusedError, StoreUnavailableError, type SynchronousReads } from "#model/block-store.ts";
import { Durations } from "#telemetry/distribution.ts";
import { childSpan, spanned } from "#telemetry/tracing/index.ts";
import { adoptsFrom, readsNow, wireOf } from "../abilities.ts";
import type { S3Blocks } from "../s3/index.ts";
import { sourceBytes } from "../source.ts";

export const meteredOperations = ["put", "get", "size", "delete", "list"] as const;
export type MeteredOperation = (typeof meteredOperations)[number];

/** How a request ended. */
export const outcomes = ["ok", "missing", "unavailable", "refused", "full", "failed"] as const;
export type Outcome = (typeof outcomes)[number];

/** Requests of one kind since the store was opened. */
export class Counts {
  readonly results: Record<Outcome, number> = { ok: 0, missing: 0, unavailable: 0, refused: 0, full: 0, failed: 0 };
  /** Of requests that went well. */
  bytes = 0;
  /** From asking to the answer, of all of them together, and of the slowest. */
  ms = 0;
  msMax = 0;
  /** Of those that had to wait. */
  readonly durations: Durations = new Durations();
  /** Until the first bytes came, with which readers may go on: of gets that told. */
  readonly firstBytes: Durations = new Durations();
}

export class MeteredBlocks implements BlockStore {
  readonly counts: Readonly<Record<MeteredOperation, Counts>> = { put: new Counts(), get: new Counts(), size: new Counts(), delete: new Counts(), list: new Counts() };
  declare readonly stagingDirectory?: string;
  declare readonly getNow?: SynchronousReads["getNow"];
  /** Of a store that is asked over the wire: its requests one by one. */
  readonly wire: Pick<S3Blocks, "attempts" | "uploads"> | null;
  private readonly blocks: BlockStore;
  private readonly clock: Clock;

  constructor(blocks: BlockStore, clock: Clock) {
    this.blocks = blocks;
    this.clock = clock;
    this.wire = wireOf(blocks);
    const staging = adoptsFrom(blocks);
    if (staging !== null) Object.assign(this, { stagingDirectory: staging });
    const now = readsNow(blocks);
    if (now !== null) Object.assign(this, { getNow: (key: string, offset: number, target: Uint8Array) => this.countNow(now.getNow(key, offset, target), target.byteLength) });
  }

  put(key: string, source: ObjectSource): Promise<void> {
    return this.counted("put", sourceBytes(source), () => this.blocks.put(key, source));
  }

  get(key: string, offset: number, length: number, target?: Uint8Array, came?: Came): Promise<Uint8Array> {
    return this.counted("get", length, () => this.blocks.get(key, offset, length, target, came === undefined ? undefined : this.noteFirst(came)));
  }

  size(key: string): Promise<number | null> {
    return this.counted("size", 0, () => this.blocks.size(key));
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.counted("delete", 0, () => this.blocks.delete(keys));
  }

  private noteFirst(came: Came): Came {
    const begunMs = this.clock.monotonicMs();
    let noted = false;
    return (bytes) => {
      if (!noted) this.counts.get.firstBytes.add(this.clock.monotonicMs() - begunMs);
      noted = true;
      came(bytes);
    };
  }

  async *list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number | null }> {
    const begunMs = this.clock.monotonicMs();
    let outcome: Outcome = "ok";
    try {
      yield* this.blocks.list(prefix);
    } catch (error) {
      outcome = outcomeOf(error);
      throw error;
    } finally {
      this.count("list", outcome, 0, begunMs);
    }
  }

  /** Asks nothing of a server. */
  space(): Promise<{ readonly free: number; readonly total: number } | null> {
    return this.blocks.space();
  }

  close(): Promise<void> {
    return this.blocks.close();
  }

  private counted<T>(operation: MeteredOperation, bytes: number, ask: () => Promise<T>): Promise<T> {
    const span = childSpan(`blocks.${operation}`, bytes === 0 ? {} : { "dittofs.bytes": bytes });
    return span === null ? this.timed(operation, bytes, ask) : spanned(span, () => this.timed(operation, bytes, ask));
  }

  private async timed<T>(operation: MeteredOperation, bytes: number, ask: () => Promise<T>): Promise<T> {
    const begunMs = this.clock.monotonicMs();
    try {
      const answer = await ask();
      this.count(operation, "ok", bytes, begunMs);
      return answer;
    } catch (error) {
      this.count(operation, outcomeOf(error), 0, begunMs);
      throw error;
    }
  }

  private count(operation: MeteredOperation, outcome: Outcome, bytes: number, begunMs: number): void {
    const counts = this.counts[operation];
    const ms = this.clock.monotonicMs() - begunMs;
    counts.results[outcome]++;
    counts.bytes += bytes;
    counts.ms += ms;
    if (ms > counts.msMax) counts.msMax = ms;
    counts.durations.add(ms);
  }

  /** What takes no waiting takes no time worth a look at the clock. */
  private countNow(given: boolean, bytes: number): boolean {
    if (!given) return false;
    this.counts.get.results.ok++;
    this.counts.get.bytes += bytes;
    return true;
  }
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof MissingObjectError) return "missing";
  if (error instanceof StoreUnavailableError) return "unavailable";
  if (error instanceof StoreRefusedError) return "refused";
  return error instanceof StoreFullError ? "full" : "failed";
}
