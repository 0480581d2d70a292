import type { Clock, Timer } from "#base/clock.ts";
import type { SharePlan } from "#control/index.ts";
import { UnfencedStore } from "#history/index.ts";
import { StoreUnavailableError } from "#model/block-store.ts";

/** How often a share is tried whose store is away. */
const comeBackMs = 2_000;
/** How soon one whose store keeps no two servers apart, and how seldom in the end: each try writes into the store. */
const fencedMsMin = 30_000;
const fencedMsMax = 240_000;

/**
 * Shares that this server stopped serving, with why. Where another server has taken one it is for good: opening it again would take it back, and
 * the two would take it from each other for ever; so that is left to whoever starts this server anew. Those whose stores are away, or keep no two servers
 * apart, are tried again.
 */
export class GivenUp {
  private readonly errors = new Map<string, Error>();
  private readonly clock: Clock;
  private timer: Timer | null = null;
  private fencedMs = fencedMsMin;
  private readonly reconcile: () => Promise<unknown>;

  /** `reconcile` closes shares that are given up, and opens those that are not open. */
  constructor(clock: Clock, reconcile: () => Promise<unknown>) {
    this.clock = clock;
    this.reconcile = reconcile;
  }

  /** What a share's parts call when it can't be served any more. */
  teller({ id }: SharePlan): (error: Error) => void {
    return (error) => {
      this.errors.set(id, error);
      this.reconcile().catch(() => {});
    };
  }

  /** Has shares opened whose stores were not fit to serve from, in a while. */
  comeBack(failed: Iterable<Error>): void {
    const errors = [...failed];
    const unfenced = errors.some((error) => error instanceof UnfencedStore);
    if (!unfenced) this.fencedMs = fencedMsMin;
    if (errors.some((error) => error instanceof StoreUnavailableError)) return this.again(comeBackMs);
    if (!unfenced) return;
    this.again(this.fencedMs);
    this.fencedMs = Math.min(fencedMsMax, this.fencedMs * 2);
  }

  /** The last word counts: an earlier one may have been of a share that is open by now. */
  private again(ms: number): void {
    this.timer?.cancel();
    this.timer = this.clock.after(ms, () => {
      this.timer = null;
      this.reconcile().catch(() => {});
    });
  }

  has({ id }: SharePlan): boolean {
    return this.errors.has(id);
  }

  /** Why a share is not served any more; undefined: it was not given up. */
  why({ id }: SharePlan): Error | undefined {
    return this.errors.get(id);
  }

  /** Of a share that is closed: throws where it is not to be opened again. */
  refuse({ id }: SharePlan): void {
    const error = this.errors.get(id);
    if (error === undefined) return;
    // It is looked at again as it is opened.
    if (!(error instanceof UnfencedStore)) throw error;
    this.errors.delete(id);
  }
}
