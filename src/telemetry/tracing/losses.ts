import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock, Timer } from "#base/clock.ts";

/** From the first that is lost until it is told of, with those that are lost meanwhile. */
const gatherMs = 1_000;
/** From then on until others are told of. */
const quietMs = 600_000;

/** Counts what is lost, and tells of it: soon where it begins, and then seldom, so that what goes on for days fills no log. */
export class Losses {
  total = 0;
  private told = 0;
  private timer: Timer | null = null;
  private ended = false;
  private readonly clock: Clock;
  private readonly tell: (count: number) => void;
  /** What is told belongs to no request. */
  private readonly apart: (work: () => void) => void = AsyncLocalStorage.snapshot();

  /** `tell`: so many since the last time. */
  constructor(clock: Clock, tell: (count: number) => void) {
    this.clock = clock;
    this.tell = tell;
  }

  add(count: number): void {
    this.total += count;
    if (this.timer === null && !this.ended) this.apart(() => this.wait(gatherMs));
  }

  private wait(ms: number): void {
    this.timer = this.clock.after(ms, () => {
      this.timer = null;
      const count = this.total - this.told;
      if (count === 0) return;
      this.told = this.total;
      this.tell(count);
      this.wait(quietMs);
    });
  }

  /** Counts on, but tells nobody. */
  end(): void {
    this.ended = true;
    this.timer?.cancel();
  }
}
