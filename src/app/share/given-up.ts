import type { Clock, Timer } from "#base/clock.ts";
import type { SharePlan } from "#control/index.ts";
import { StoreUnavailableError } from "#model/block-store.ts";

/** How often a share is tried whose store is away. */
const comeBackMs = 2_000;

/**
 * Shares that this server stopped serving for good, with why: another server has taken them. Opening one again would take it back, and
 * the two would take it from each other for ever; so that is left to whoever starts this server anew. Those whose stores are away are tried again.
 */
export class GivenUp {
  private readonly errors = new Map<string, Error>();
  private readonly clock: Clock;
  private timer: Timer | null = null;
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

  /** Has shares opened whose stores were away, in a while. */
  comeBack(failed: Iterable<Error>): void {
    if (this.timer !== null || ![...failed].some((error) => error instanceof StoreUnavailableError)) return;
    this.timer = this.clock.after(comeBackMs, () => {
      this.timer = null;
      this.reconcile().catch(() => {});
    });
  }

  has({ id }: SharePlan): boolean {
    return this.errors.has(id);
  }

  refuse({ id }: SharePlan): void {
    const error = this.errors.get(id);
    if (error !== undefined) throw error;
  }
}
