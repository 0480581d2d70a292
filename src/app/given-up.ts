import type { SharePlan } from "#control/index.ts";

/**
 * Shares that this server stopped serving for good, with why: another server has taken them. Opening one again would take it back, and
 * the two would take it from each other for ever; so that is left to whoever starts this server anew.
 */
export class GivenUp {
  private readonly errors = new Map<string, Error>();
  private readonly reconcile: () => Promise<unknown> | null;

  /** `reconcile` closes shares that are given up. */
  constructor(reconcile: () => Promise<unknown> | null) {
    this.reconcile = reconcile;
  }

  /** What a share's parts call when it can't be served any more. */
  teller({ id }: SharePlan): (error: Error) => void {
    return (error) => {
      this.errors.set(id, error);
      this.reconcile()?.catch(() => {});
    };
  }

  has({ id }: SharePlan): boolean {
    return this.errors.has(id);
  }

  refuse({ id }: SharePlan): void {
    const error = this.errors.get(id);
    if (error !== undefined) throw error;
  }
}
