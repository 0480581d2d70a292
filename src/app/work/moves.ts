import type { Config } from "#config/index.ts";
import { ControlError, type SharePlan } from "#control/index.ts";
import type { MoveHost } from "./move-share.ts";
import type { ShareTable } from "#vfs/index.ts";
import type { OpenShare, Surroundings } from "../share/open-share.ts";
import type { Fences } from "../stores/fence.ts";
import type { Volatile } from "../share/volatile.ts";

/** What is served at present. */
interface Serving {
  readonly table: ShareTable;
  readonly open: Map<string, OpenShare>;
  readonly volatile: Volatile;
  readonly fences: Fences;
}

/** Shares that are being moved and closed for that: nobody opens one where it was while the rest of it is copied. */
export class Moves implements MoveHost {
  readonly config: Config;
  readonly around: Surroundings;
  readonly volatile: Volatile;
  readonly fences: Fences;
  private readonly held = new Map<string, (plan: SharePlan) => boolean>();
  private readonly serving: Serving;
  private readonly reopen: () => Promise<unknown>;

  constructor({ config, around }: { readonly config: Config; readonly around: Surroundings }, serving: Serving, reopen: () => Promise<unknown>) {
    this.config = config;
    this.around = around;
    this.serving = serving;
    this.volatile = serving.volatile;
    this.fences = serving.fences;
    this.reopen = reopen;
  }

  hold(name: string, mayOpen: (plan: SharePlan) => boolean): void {
    this.held.set(name, mayOpen);
    const { table, open } = this.serving;
    table.expecting = true;
    table.remove(name, true);
    open.delete(name);
  }

  release(name: string): void {
    // Not waited for: a run that closes the share waits for who moves it.
    if (this.held.delete(name)) void this.reopen().catch(() => {});
  }

  resume(share: OpenShare): boolean {
    const { name } = share.plan;
    const { table, open } = this.serving;
    if (open.has(name)) return false;
    open.set(name, share);
    table.add(share.share);
    this.release(name);
    return true;
  }

  /** Throws where what would go is being copied. */
  refusePurge({ name }: SharePlan): void {
    if (this.held.has(name)) throw new ControlError("in_use", `share ${name} is being moved to other stores`, { hint: "Purge it again in a while, when the move has come to its end." });
  }

  /** Throws where a share is not to be opened by this plan now. */
  refuse(plan: SharePlan): void {
    const mayOpen = this.held.get(plan.name);
    if (mayOpen !== undefined && !mayOpen(plan)) throw new Error(`share ${plan.name} is being moved to other stores, and is served again in a moment`);
  }
}
