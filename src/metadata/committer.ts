import type { Clock } from "#base/clock.ts";
import type { ApplyResult, ChangeSet } from "#model/change-set.ts";
import type { AppliedListener } from "#model/metadata-store.ts";
import { type Span, spanned } from "#telemetry/tracing/index.ts";
import { Batch } from "./batch.ts";
import { evaluate } from "./engine.ts";
import type { EngineRows, Totals } from "./rows.ts";
import type { Sequence } from "./sequence.ts";
import { MetadataStats } from "./stats.ts";
import { batchSpan, currentSpan } from "./traced.ts";

/** Sets of one transaction at most: bounds the time the event loop is held. */
const batchSetsMax = 512;

/** A set on its way. */
export interface Pending {
  readonly set: ChangeSet;
  result: ApplyResult | null;
  readonly resolve: (result: ApplyResult) => void;
  readonly reject: (error: unknown) => void;
  /** What it is done for, where that is followed. */
  readonly span: Span | null;
}

/** Keeps what transactions apply, in the same transactions. */
export interface TurnKeeper {
  /** A transaction was begun. */
  begin(): void;
  add(set: ChangeSet): void;
  /** Everything is applied: what is to be kept is written, before the commit. */
  write(): void;
  committed(): void;
}

/** What differs between the stores that commit through a `Committer`. */
export interface CommitHooks {
  /** Whether an error of the rows means that there is no room. */
  isNoSpace(error: unknown): boolean;
  /** Room ran out: true where some could be made, so that another attempt is worth it. */
  makeRoom(): boolean;
  /** Whether there is room for a set. */
  admits(set: ChangeSet): boolean;
  /** Sets of this commit that were applied: resolve them once they are durable. */
  committed(applied: Pending[]): void;
  /** The state in memory can no longer be trusted; nothing more is committed. */
  fatal(error: unknown): void;
}

/**
 * Sets that arrive in one turn of the event loop share a transaction at its end. The listener hears of each after the commit,
 * before the sync. A transaction that fails is rolled back and its sets run again one by one, so that only those that cannot
 * be applied fail.
 */
export class Committer {
  private readonly rows: EngineRows;
  private readonly sequence: Sequence;
  private readonly clock: Clock;
  private readonly hooks: CommitHooks;
  private readonly keeper: TurnKeeper | null;
  private queue: Pending[] = [];
  private scheduled = false;
  private paused = false;
  private resumed: (() => void) | null = null;
  private closing: Error | null = null;
  private ended: unknown = null;
  private listener: AppliedListener = () => {};
  readonly stats: MetadataStats = new MetadataStats();
  /** As of the last commit. */
  totals: Totals;

  constructor(rows: EngineRows, sequence: Sequence, totals: Totals, clock: Clock, hooks: CommitHooks, keeper: TurnKeeper | null = null) {
    this.rows = rows;
    this.sequence = sequence;
    this.totals = totals;
    this.clock = clock;
    this.hooks = hooks;
    this.keeper = keeper;
  }

  onApplied(listener: AppliedListener): void {
    this.listener = listener;
  }

  apply(set: ChangeSet): Promise<ApplyResult> {
    const refusal = this.ended ?? this.closing;
    if (refusal !== null) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      this.queue.push({ set, result: null, resolve, reject, span: currentSpan() });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || this.paused) return;
    this.scheduled = true;
    this.clock.atTurnEnd(this.turn);
  }

  private readonly turn = (): void => {
    this.scheduled = false;
    if (this.paused || this.queue.length === 0) return;
    this.runQueued();
    if (this.queue.length > 0) this.schedule();
  };

  private runQueued(): void {
    let pending = this.queue;
    this.queue = [];
    if (pending.length > batchSetsMax) {
      this.queue = pending.slice(batchSetsMax);
      pending = pending.slice(0, batchSetsMax);
    }
    this.run(pending);
  }

  /** Holds commits back; sets queue meanwhile. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.resumed?.();
    if (this.queue.length > 0) this.schedule();
  }

  /** Commits whatever is queued and refuses everything later with `why`. */
  async end(why: Error): Promise<void> {
    this.closing = why;
    while (this.queue.length > 0 && this.ended === null) {
      if (this.paused) await new Promise<void>((resolve) => (this.resumed = resolve));
      else this.runQueued();
    }
    this.fail(why);
  }

  /** Refuses what is queued and everything later. */
  fail(error: unknown): void {
    this.ended ??= error;
    this.resumed?.();
    const queue = this.queue;
    this.queue = [];
    for (const pending of queue) pending.reject(error);
  }

  private run(pending: Pending[]): void {
    const span = batchSpan(pending);
    if (span === null) this.runTogether(pending);
    else void spanned(span, () => this.runTogether(pending));
  }

  private runTogether(pending: Pending[]): void {
    if (this.ended !== null) {
      for (const one of pending) one.reject(this.ended);
      return;
    }
    let totals: Totals;
    const begunMs = this.clock.monotonicMs();
    try {
      totals = this.transaction(pending);
    } catch (error) {
      if (!this.rolledBack()) {
        for (const one of pending) one.reject(error);
        return;
      }
      this.runAgain(pending, error);
      return;
    }
    this.totals = totals;
    this.stats.commits.add(this.clock.monotonicMs() - begunMs);
    this.stats.batches.observe(pending.length);
    this.keeper?.committed();
    this.tell(pending);
  }

  private runAgain(pending: Pending[], error: unknown): void {
    const noSpace = this.hooks.isNoSpace(error);
    const madeRoom = noSpace && this.hooks.makeRoom();
    if (pending.length > 1) {
      for (const one of pending) this.run([one]);
      return;
    }
    const only = pending[0] as Pending;
    if (madeRoom) this.run(pending);
    else if (noSpace) only.resolve({ applied: false, failed: "noSpace" });
    else only.reject(error);
  }

  private rolledBack(): boolean {
    try {
      this.rows.rollback();
      return true;
    } catch (error) {
      this.fail(error);
      this.hooks.fatal(error);
      return false;
    }
  }

  private transaction(pending: Pending[]): Totals {
    const { keeper } = this;
    this.rows.begin();
    keeper?.begin();
    const batch = new Batch(this.rows, this.sequence, this.totals);
    for (let i = 0; i < pending.length; i++) {
      const one = pending[i] as Pending;
      one.result = this.hooks.admits(one.set) ? evaluate(one.set, batch) : { applied: false, failed: "noSpace" };
      if (keeper !== null && one.result.applied) keeper.add(one.set);
    }
    batch.flush();
    keeper?.write();
    this.rows.commit();
    return batch.totals();
  }

  private tell(pending: Pending[]): void {
    const applied: Pending[] = [];
    for (let i = 0; i < pending.length; i++) {
      const one = pending[i] as Pending;
      const result = one.result as ApplyResult;
      if (!result.applied) {
        this.stats.refused++;
        one.resolve(result);
        continue;
      }
      applied.push(one);
      try {
        this.listener(one.set, result);
      } catch (error) {
        // The caches of whoever listens are no longer exact.
        this.fail(error);
        this.hooks.fatal(error);
        return;
      }
    }
    this.stats.applied += applied.length;
    if (applied.length > 0) this.hooks.committed(applied);
  }
}
