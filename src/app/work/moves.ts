import { approximateSize, type Config } from "#config/index.ts";
import { ControlError, type Failure, type SharePlan } from "#control/index.ts";
import type { MoveHost } from "./move-share.ts";
import { Absence, type FileSystem, type ShareTable } from "#vfs/index.ts";
import { NotNow } from "../share/absence.ts";
import type { OpenShare, Surroundings } from "../share/open-share.ts";
import type { Fences } from "../stores/fence.ts";
import { lasts } from "../share/tree.ts";
import type { Volatile } from "../share/volatile.ts";

/** A share in memory that is to be opened anew has so long to store what it accepted, once while it is served and once with its clients waiting. */
const settleMs = 30_000;
/** What was wrong with its block store may be over: it is tried for so long. */
const troubleMs = 5_000;

/** What is served at present. */
interface Serving {
  readonly table: ShareTable;
  readonly open: Map<string, OpenShare>;
  readonly volatile: Volatile;
  readonly fences: Fences;
  /** No table has the share any more: whoever has something open in it is to let go of it. */
  readonly gone: (fs: FileSystem) => void;
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
    const { table, open, gone } = this.serving;
    const share = table.remove(name, Absence.returning);
    open.delete(name);
    if (share !== undefined) gone(share);
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

  /**
   * Before a share is closed to be opened anew by other settings: one in memory has no log, so that closed with content that its block store doesn't take it would be empty
   * afterwards. Takes it from its clients with everything stored; gives why it stays open as it is instead, or null.
   */
  async settle(share: OpenShare): Promise<Failure | null> {
    const { plan } = share;
    if (lasts(plan)) return null;
    const { table, open, gone } = this.serving;
    const kept = (reason: string): Failure => ({ target: { type: "share", name: plan.name }, reason });
    // While it is served first: nobody is to wait for a store that takes nothing.
    if (!(await this.drained(share))) return kept(unsettled(share));
    const isMoving = (): boolean => open.get(plan.name) !== share;
    const moving = "it is being moved to other stores; try again when that has ended";
    if (isMoving()) return kept(moving);
    table.remove(plan.name, Absence.returning);
    // Who has something open in it needs no table: from here on nobody writes.
    gone(share.share);
    const quiet = await share.share.drain(settleMs);
    await this.drained(share);
    // A move that came meanwhile closes it.
    if (isMoving()) return kept(moving);
    if (quiet && !share.isUnstored) return null;
    table.add(share.share);
    return kept(quiet ? unsettled(share) : `requests of clients took longer than ${settleMs / 1000} s, and what they write would be lost if it were closed. It is served as before; try again`);
  }

  /** Throws where closing a share now would lose what clients wrote: it is in memory, and its block store does not take it. */
  async refuseLosing(name: string): Promise<void> {
    const share = this.serving.open.get(name);
    if (share === undefined || lasts(share.plan) || (await this.drained(share))) return;
    throw new ControlError("conflict", `Share ${name} was not deleted: ${untaken(share)}. Closed with that unstored it would be empty for whoever takes it over.`, {
      hint: "Put the store right and delete it again. Deleted by force, or with its data (--purge), what it has is lost.",
    });
  }

  /** Stores what a share accepted by now; false: its store doesn't take it. */
  private async drained(share: OpenShare): Promise<boolean> {
    const { clock } = this.around;
    const fromMs = clock.monotonicMs();
    let givenUp = false;
    await share.drain(() => (givenUp = clock.monotonicMs() - fromMs > (share.report.storeError === null ? settleMs : troubleMs)));
    return !givenUp;
  }

  /** Throws where what would go is being copied. */
  refusePurge({ name }: SharePlan): void {
    if (this.held.has(name)) throw new ControlError("in_use", `share ${name} is being moved to other stores`, { hint: "Purge it again in a while, when the move has come to its end." });
  }

  /** Throws where a share is not to be opened by this plan now. */
  refuse(plan: SharePlan): void {
    const mayOpen = this.held.get(plan.name);
    if (mayOpen !== undefined && !mayOpen(plan)) throw new NotNow(`share ${plan.name} is being moved to other stores, and is served again in a moment`);
  }
}

function unsettled(share: OpenShare): string {
  return (
    `${untaken(share)}. Other settings of a store close the share and open it anew, and with that unstored it would be empty. ` +
    `It is served as before. Put the store right where it is, or have it store what waits (dittofs system drain-uploads --share ${share.plan.name}), then try again; if it takes nothing any more, copy the share's files elsewhere first`
  );
}

function untaken({ plan: { blocks }, unstoredBytes, report: { storeError } }: OpenShare): string {
  return `its metadata is in memory, and block store ${blocks.name} has not taken ${approximateSize(unstoredBytes)} of what clients wrote${storeError === null ? "" : ` (${storeError})`}`;
}
