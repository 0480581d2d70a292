import { type Clock, systemClock, type Timer } from "#base/clock.ts";
import { Time } from "#base/time.ts";

/** Time that passes only when the test says so; turns of the event loop, and with them disks, are real. */
export class SimulatedClock implements Clock {
  ms = 0;
  private timers: { readonly at: number; readonly run: () => void }[] = [];

  now(): Time {
    return new Time(1_700_000_000 + Math.floor(this.ms / 1000), (this.ms % 1000) * 1_000_000);
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

  /** Lets `ms` pass, timer after timer, with turns between in which what they began goes on. */
  async pass(ms: number): Promise<void> {
    const end = this.ms + ms;
    for (;;) {
      await turns();
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.drop(next);
      this.ms = Math.max(this.ms, next.at);
      next.run();
    }
    this.ms = end;
    await turns();
  }

  /** Lets time pass in small steps until `promise` is settled, at most `limitMs` of it. */
  async until<T>(promise: Promise<T>, limitMs = 120_000): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    for (const end = this.ms + limitMs; !settled; ) {
      if (this.ms > end) throw new Error(`not within ${limitMs} simulated ms`);
      await this.pass(50);
    }
    return promise;
  }

  private drop(timer: { readonly at: number; readonly run: () => void }): void {
    this.timers = this.timers.filter((each) => each !== timer);
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
