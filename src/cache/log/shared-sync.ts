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
  readonly #failure = Promise.withResolvers<void>();

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

  /** Resolves when nothing will be synced any more because something failed. */
  get failure(): Promise<void> {
    return this.#failure.promise;
  }

  reached(position: number): Maybe<void> {
    if (position <= this.#durable) return;
    if (this.#running !== null && position <= this.#target) return this.#running.promise;
    return this.again();
  }

  /** Resolves after a sync that begins from now on. */
  again(): Promise<void> {
    if (this.#next === null) {
      this.#next = Promise.withResolvers<void>();
      if (this.#running === null) this.#clock.atTurnEnd(() => this.#begin());
    }
    return this.#next.promise;
  }

  stop(): void {
    this.#stopped = true;
    this.#failure.resolve();
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
