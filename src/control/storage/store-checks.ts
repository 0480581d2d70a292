import type { Clock, Timer } from "#base/clock.ts";
import type { StoreRow } from "../effects/index.ts";
import type { StoreKind } from "../nouns.ts";
import type { Runtime, StoreHealth, StorePlan } from "../runtime.ts";
import type { State } from "../state/index.ts";
import type { StorePlans } from "./store-plans.ts";

/** How often every store is tried in the background. */
export const storeCheckIntervalMs = 30_000;
/** A store that gives no answer for so long counts as unhealthy. */
export const storeCheckTimeoutMs = 15_000;

export interface StoreChecksParts {
  readonly state: State;
  readonly runtime: Runtime;
  readonly storePlans: StorePlans;
  readonly clock: Clock;
  readonly nowMs: () => number;
}

/** Whether the stores work, tried in the background and on demand. */
export class StoreChecks {
  private readonly parts: StoreChecksParts;
  /** By kind and id. */
  private readonly results = new Map<string, StoreHealth>();
  private timer: Timer | null = null;
  private stopped = false;

  constructor(parts: StoreChecksParts) {
    this.parts = parts;
  }

  start(): void {
    void this.round();
  }

  close(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  async check(kind: StoreKind, row: StoreRow): Promise<StoreHealth> {
    const health = await this.tried(kind, row, true);
    this.results.set(`${kind}/${row.id}`, health);
    return health;
  }

  known(kind: StoreKind, row: StoreRow): StoreHealth {
    return this.results.get(`${kind}/${row.id}`) ?? { healthy: false, error: "not tried yet", latencyMs: null, checkedAt: this.parts.nowMs() };
  }

  /** One after another, so that a round costs little at any moment. */
  private async round(): Promise<void> {
    const { metadataStores, blockStores } = this.parts.state;
    const all = [...metadataStores.all().map((row) => ["metadata", row] as const), ...blockStores.all().map((row) => ["block", row] as const)];
    for (const [kind, row] of all) if (!this.stopped) this.results.set(`${kind}/${row.id}`, await this.tried(kind, row, false));
    const ids = new Set(all.map(([kind, { id }]) => `${kind}/${id}`));
    for (const id of this.results.keys()) if (!ids.has(id)) this.results.delete(id);
    if (!this.stopped) this.timer = this.parts.clock.after(storeCheckIntervalMs, () => void this.round());
  }

  private tried(kind: StoreKind, row: StoreRow, writing: boolean): Promise<StoreHealth> {
    const unhealthy = (error: string): StoreHealth => ({ healthy: false, error, latencyMs: null, checkedAt: this.parts.nowMs() });
    return new Promise((resolve) => {
      const late = this.parts.clock.after(storeCheckTimeoutMs, () => resolve(unhealthy(`no answer within ${storeCheckTimeoutMs} ms`)));
      const plan = () => this.parts.runtime.tryStore(asItIs(this.parts.storePlans.of(kind, row)), writing);
      void Promise.resolve()
        .then(plan)
        .catch((error: Error) => unhealthy(error.message))
        .then((health) => {
          late.cancel();
          resolve(health);
        });
    });
  }
}

/** Looked at, never made: a new, empty bucket in the place of one that is away would hide that content is. */
export function asItIs(plan: StorePlan): StorePlan {
  const { create_bucket: _, ...config } = plan.config;
  return { ...plan, config };
}
