import type { Clock, Timer } from "#base/clock.ts";
import { StoreUnavailableError } from "#model/block-store.ts";
import type { ApplyResult, ChangeSet } from "#model/change-set.ts";
import type { AppliedListener } from "#model/metadata-store.ts";
import { Batch } from "../batch.ts";
import { evaluate } from "../engine.ts";
import type { Totals } from "../rows.ts";
import type { Sequence } from "../sequence.ts";
import type { MetadataStats } from "../stats.ts";
import { batchSpan, currentSpan } from "../traced.ts";
import { encode } from "./encode.ts";
import type { Fetcher } from "./fetcher.ts";
import type { Holds } from "./holds.ts";
import { needsOf } from "./needs.ts";
import { type Need, Unknown } from "./need.ts";
import type { PostgresRows } from "./rows.ts";
import type { View } from "./view.ts";
import type { Waiting } from "./waiting.ts";
import type { Waiter, Writer } from "./writer.ts";

/** Sets of one batch at most, and extents in them: bounds the time the event loop is held, and a statement. */
const batchSetsMax = 512;
const batchExtentsMax = 20_000;
/** Batches on their way at a time. */
const batchesMax = 2;

/** How long a set waits for its turn before whoever asked is told to come again; what was evaluated by then goes on. */
const waitMsMax = 10_000;
const queueMax = 20_000;

export interface ApplierParts {
  readonly view: View;
  readonly holds: Holds;
  readonly rows: PostgresRows;
  readonly fetcher: Fetcher;
  readonly sequence: Sequence;
  readonly writer: Writer;
  readonly share: number;
  readonly epoch: number;
  readonly clock: Clock;
  readonly totals: Totals;
  readonly stats: MetadataStats;
  /** What whoever listens knows is no longer what is stored. */
  readonly fatal: (error: unknown) => void;
}

/** How an evaluation of the first sets of the queue ended. */
type Outcome = { readonly ended: "applied" } | { readonly ended: "needs"; readonly need: Need; readonly index: number } | { readonly ended: "threw"; readonly error: unknown };

/**
 * Evaluates sets in the order they come, over the view; those that come while batches are on their way are combined into the next.
 * A set whose rows are not at hand waits for them, and with it those behind it.
 */
export class Applier {
  private readonly parts: ApplierParts;
  private queue: Waiting[] = [];
  private scheduled = false;
  private batchNumber = 0;
  /** So many of the next sets are evaluated each by itself: together they came to nothing. */
  private alone = 0;
  private patience: Timer | null = null;
  private closing: Error | null = null;
  private ended: unknown = null;
  private emptied: (() => void)[] = [];
  private listener: AppliedListener = () => {};
  /** As of the last evaluation. */
  totals: Totals;

  constructor(parts: ApplierParts) {
    this.parts = parts;
    this.totals = parts.totals;
  }

  /** Sets that wait for a batch. */
  get queued(): number {
    return this.queue.length;
  }

  onApplied(listener: AppliedListener): void {
    this.listener = listener;
  }

  apply(set: ChangeSet): Promise<ApplyResult> {
    const refusal = this.ended ?? this.closing;
    if (refusal !== null) return Promise.reject(refusal);
    if (this.queue.length >= queueMax) return Promise.reject(new StoreUnavailableError(`more than ${queueMax} changes wait for the metadata's database`));
    return new Promise((resolve, reject) => {
      const sinceMs = this.parts.clock.monotonicMs();
      this.queue.push({ set, result: null, fetching: 0, held: [], seen: false, left: false, sinceMs, resolve, reject, span: currentSpan() });
      this.schedule();
      if (this.patience === null) this.watch(waitMsMax);
    });
  }

  private watch(ms: number): void {
    this.patience = this.parts.clock.after(ms, () => {
      this.patience = null;
      this.withdraw();
    });
  }

  /** Takes out of the queue what has waited for too long: nothing of it has happened. */
  private withdraw(): void {
    const now = this.parts.clock.monotonicMs();
    let count = 0;
    while (count < this.queue.length && now - (this.queue[count] as Waiting).sinceMs >= waitMsMax) count++;
    for (const one of this.queue.splice(0, count)) this.reject(one, new StoreUnavailableError("the metadata's database does not take changes for now"));
    this.alone = Math.max(0, this.alone - count);
    const first = this.queue[0];
    if (first !== undefined) this.watch(waitMsMax - (now - first.sinceMs) + 1);
    else this.empty();
  }

  /** Something became possible. */
  readonly schedule = (): void => {
    if (this.scheduled) return;
    this.scheduled = true;
    this.parts.clock.atTurnEnd(this.turn);
  };

  private readonly turn = (): void => {
    this.scheduled = false;
    if (this.ended !== null) return;
    let first = this.queue.length;
    while (first > 0 && this.queue[first - 1]?.seen === false) first--;
    for (; first < this.queue.length; first++) this.prefetch(this.queue[first] as Waiting);
    this.advance();
    if (this.queue.length === 0) this.empty();
  };

  private prefetch(waiting: Waiting): void {
    waiting.seen = true;
    const needs = needsOf(waiting.set, this.parts.view);
    for (let i = 0; i < needs.length; i++) this.fetch(waiting, needs[i] as Need);
  }

  private fetch(waiting: Waiting, need: Need): void {
    waiting.fetching++;
    this.parts.fetcher.fetch(need).then(
      () => {
        waiting.fetching--;
        if (waiting.left) return;
        this.parts.holds.hold(need, waiting.held);
        this.schedule();
      },
      (error: unknown) => {
        const index = this.queue.indexOf(waiting);
        if (index < 0) return;
        this.queue.splice(index, 1);
        this.leave(waiting);
        waiting.reject(error);
        this.schedule();
      },
    );
  }

  /** Sets at the head of the queue that may share a batch now. */
  private ready(): number {
    const most = this.alone > 0 ? 1 : batchSetsMax;
    let extents = 0;
    let count = 0;
    for (; count < this.queue.length && count < most; count++) {
      const one = this.queue[count] as Waiting;
      // Asked for by a listener, a moment ago.
      if (!one.seen) this.prefetch(one);
      if (one.fetching > 0) break;
      const { set } = one;
      for (let i = 0; i < set.changes.length; i++) {
        const change = set.changes[i];
        if (change?.do === "storeContent" || change?.do === "layExtents") extents += change.extents.length;
      }
      if (extents > batchExtentsMax && count > 0) break;
    }
    return count;
  }

  private advance(): void {
    const { writer } = this.parts;
    while (this.ended === null && writer.depth < batchesMax && !writer.away) {
      let count = this.ready();
      if (count === 0) return;
      let outcome = this.evaluate(count);
      if (outcome.ended === "needs") {
        this.fetch(this.queue[outcome.index] as Waiting, outcome.need);
        count = outcome.index;
        if (count === 0) return;
        // Those before it asked for nothing that is not at hand.
        outcome = this.evaluate(count);
      }
      if (outcome.ended === "applied") this.seal(this.queue.splice(0, count));
      else if (outcome.ended === "needs") return;
      else if (count === 1) this.reject(this.queue.shift() as Waiting, outcome.error);
      else this.alone = count;
      if (this.alone > 0 && count === 1) this.alone--;
    }
  }

  private leave(waiting: Waiting): void {
    waiting.left = true;
    this.parts.holds.drop(waiting.held);
  }

  private reject(waiting: Waiting, error: unknown): void {
    this.leave(waiting);
    waiting.reject(error);
  }

  private evaluate(count: number): Outcome {
    const { rows, sequence } = this.parts;
    rows.begin();
    let index = 0;
    try {
      const batch = new Batch(rows, sequence, this.totals);
      for (; index < count; index++) {
        const one = this.queue[index] as Waiting;
        one.result = evaluate(one.set, batch);
      }
      batch.flush();
      rows.commit();
      this.totals = batch.totals();
      return { ended: "applied" };
    } catch (error) {
      rows.rollback();
      return error instanceof Unknown && index < count ? { ended: "needs", need: error.need, index } : { ended: "threw", error };
    }
  }

  private seal(sets: readonly Waiting[]): void {
    const { view, rows, writer, share, epoch, stats } = this.parts;
    const writes = rows.take();
    const waiter: Waiter = {
      committed: () => sets.forEach((one) => one.result?.applied === true && one.resolve(one.result)),
      failed: (error) => sets.forEach((one) => one.reject(error)),
    };
    if (writes.empty) {
      for (const one of sets) this.leave(one);
      if (this.tell(sets)) writer.afterLast(waiter);
      return;
    }
    stats.batches.observe(sets.length);
    const number = ++this.batchNumber;
    view.pins.pin(number, writes.slots);
    for (const one of sets) this.leave(one);
    for (const { id } of writes.newInodes) view.drawn.delete(id);
    view.bound();
    const values = [share, epoch, number, writes.treeVersions, writes.inodes, writes.bytes, ...encode(writes)];
    if (!this.tell(sets)) return;
    writer.send({ number, values, waiters: [{ committed: () => view.pins.committed(number), failed: () => {} }, waiter], span: batchSpan(sets) });
  }

  private tell(sets: readonly Waiting[]): boolean {
    for (let i = 0; i < sets.length; i++) {
      const one = sets[i] as Waiting;
      const result = one.result as ApplyResult;
      if (!result.applied) {
        this.parts.stats.refused++;
        one.resolve(result);
        continue;
      }
      this.parts.stats.applied++;
      try {
        this.listener(one.set, result);
      } catch (error) {
        // The caches of whoever listens are no longer exact.
        this.fail(error);
        this.parts.fatal(error);
        return false;
      }
    }
    return true;
  }

  private empty(): void {
    const waiting = this.emptied;
    this.emptied = [];
    for (const go of waiting) go();
  }

  /** Refuses everything later with `why`, once what is queued is evaluated. */
  async end(why: Error): Promise<void> {
    this.closing = why;
    if (this.queue.length > 0 && this.ended === null) await new Promise<void>((resolve) => this.emptied.push(resolve));
    await this.parts.writer.drain();
    this.fail(why);
  }

  /** Refuses what is queued and everything later. */
  fail(error: unknown): void {
    this.ended ??= error;
    const { queue } = this;
    this.queue = [];
    for (const one of queue) this.reject(one, error);
    this.patience?.cancel();
    this.empty();
  }
}
