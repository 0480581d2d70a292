import type { Maybe } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";

/**
 * One sync at a time, shared by all who wait. Who asks for something that a running sync does not cover waits for the next,
 * which begins at the end of a turn, after the running one: only what was written before a sync began counts as covered.
 */
export class SharedSync {
  readonly #clock: Clock;
  readonly #flush: () => void;
  readonly #written: () => number;
  readonly #run: () => Promise<void>;
  readonly #fail: (error: Error) => void;
  #durable: number;
  /** What the running sync covers; `#running` is null when none runs. */
  #target = 0;
  #running: PromiseWithResolvers<void> | null = null;
  #next: PromiseWithResolvers<void> | null = null;
  #stopped = false;
  readonly #outcomes = new Set<PromiseWithResolvers<boolean>>();

  /**
   * `flush` hands what is buffered to the kernel, `written` says up to where that is done, `run` syncs that. `fail` is told of
   * a sync that failed; no other is begun, and waiters stay waiting.
   */
  constructor(
    durable: number,
    clock: Clock,
    flush: () => void,
    written: () => number,
    run: () => Promise<void>,
    fail: (error: Error) => void,
  ) {
    this.#durable = durable;
    this.#clock = clock;
    this.#flush = flush;
    this.#written = written;
    this.#run = run;
    this.#fail = fail;
  }

  /** Up to where everything is known to be on stable storage. */
  get durable(): number {
    return this.#durable;
  }

  reached(position: number): Maybe<void> {
    if (position <= this.#durable) return;
    if (this.#running !== null && position <= this.#target) return this.#running.promise;
    return this.again();
  }

  /** As `again`, but ends with a failure too: whether the sync was done. */
  settled(): Promise<boolean> {
    const outcome = Promise.withResolvers<boolean>();
    if (this.#stopped) {
      outcome.resolve(false);
      return outcome.promise;
    }
    this.#outcomes.add(outcome);
    void this.again().then(() => {
      this.#outcomes.delete(outcome);
      outcome.resolve(true);
    });
    return outcome.promise;
  }

  /** Resolves after a sync that begins from now on; never after a failure. */
  again(): Promise<void> {
    if (this.#next === null) {
      this.#next = Promise.withResolvers<void>();
      if (this.#running === null) this.#clock.atTurnEnd(() => this.#begin());
    }
    return this.#next.promise;
  }

  stop(): void {
    this.#stopped = true;
    for (const outcome of this.#outcomes) outcome.resolve(false);
    this.#outcomes.clear();
  }

  #begin(): void {
    if (this.#stopped || this.#running !== null || this.#next === null) return;
    this.#flush();
    if (this.#stopped) return;
    this.#target = this.#written();
    const batch = this.#next;
    this.#running = batch;
    this.#next = null;
    this.#run().then(
      () => this.#end(batch),
      (error: Error) => this.#fail(error),
    );
  }

  #end(batch: PromiseWithResolvers<void>): void {
    if (this.#stopped) return;
    this.#durable = this.#target;
    this.#running = null;
    if (this.#next !== null) this.#clock.atTurnEnd(() => this.#begin());
    batch.resolve();
  }
}
