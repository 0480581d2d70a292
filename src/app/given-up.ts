import type { SharePlan } from "#control/index.ts";

/**
 * Shares that this server stopped serving for good, with why: another server has taken them. Opening one again would take it back, and
 * the two would take it from each other for ever; so that is left to whoever starts this server anew.
 */
export class GivenUp {
  private readonly errors = new Map<string, Error>();

  add({ id }: SharePlan, error: Error): void {
    this.errors.set(id, error);
  }

  has({ id }: SharePlan): boolean {
    return this.errors.has(id);
  }

  refuse({ id }: SharePlan): void {
    const error = this.errors.get(id);
    if (error !== undefined) throw error;
  }
}
