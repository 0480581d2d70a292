import { type Clock, systemClock, type Timer } from "#base/clock.ts";
import { Time } from "#base/time.ts";

/** Time that passes when a test says so; turns of the event loop end as they really do. */
export class ManualClock implements Clock {
  ms: number;
  private timers: { readonly at: number; readonly run: () => void }[] = [];

  constructor(ms = 0) {
    this.ms = ms;
  }

  now(): Time {
    return new Time(Math.floor(this.ms / 1000), (this.ms % 1000) * 1_000_000);
  }

  monotonicMs(): number {
    return this.ms;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { at: this.ms + delayMs, run };
    this.timers.push(timer);
    return { cancel: () => this.drop(timer) };
  }

  atTurnEnd(run: () => void): void {
    systemClock.atTurnEnd(run);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.timers.length;
  }

  /** Lets `ms` pass, timer after timer. */
  pass(ms: number): void {
    const end = this.ms + ms;
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.drop(next);
      this.ms = next.at;
      next.run();
    }
    this.ms = end;
  }

  private drop(timer: { readonly at: number }): void {
    this.timers = this.timers.filter((each) => each !== timer);
  }
}
