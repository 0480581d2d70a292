import type { Desired, Failure } from "#control/index.ts";
import { type RuntimeOptions, ServerRuntime } from "../server/runtime.ts";

/** A server's runtime that opens one share, for whoever works on it, and serves nobody. */
export class OneShareRuntime extends ServerRuntime {
  private readonly only: string;

  constructor(only: string, options: RuntimeOptions) {
    super(options);
    this.only = only;
  }

  override reconcile(desired: Desired): Promise<readonly Failure[]> {
    return super.reconcile({ ...desired, shares: desired.shares.filter((plan) => plan.name === this.only), adapters: [] });
  }
}
