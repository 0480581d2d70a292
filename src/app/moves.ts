import type { Config } from "#config/index.ts";
import type { SharePlan } from "#control/index.ts";
import type { MoveHost } from "./move-share.ts";
import type { Surroundings } from "./open-share.ts";

/** Shares that are being moved and closed for that: nobody opens one where it was while the rest of it is copied. */
export class Moves implements MoveHost {
  readonly config: Config;
  readonly around: Surroundings;
  private readonly held = new Map<string, (plan: SharePlan) => boolean>();
  private readonly letGo: (name: string) => void;
  private readonly reopen: () => Promise<unknown>;

  constructor({ config, around }: { readonly config: Config; readonly around: Surroundings }, letGo: (name: string) => void, reopen: () => Promise<unknown>) {
    this.config = config;
    this.around = around;
    this.letGo = letGo;
    this.reopen = reopen;
  }

  hold(name: string, mayOpen: (plan: SharePlan) => boolean): void {
    this.held.set(name, mayOpen);
    this.letGo(name);
  }

  release(name: string): void {
    // Not waited for: a run that closes the share waits for who moves it.
    if (this.held.delete(name)) void this.reopen().catch(() => {});
  }

  /** Throws where a share is not to be opened by this plan now. */
  refuse(plan: SharePlan): void {
    const mayOpen = this.held.get(plan.name);
    if (mayOpen !== undefined && !mayOpen(plan)) throw new Error(`share ${plan.name} is being moved to other stores, and is served again in a moment`);
  }
}
