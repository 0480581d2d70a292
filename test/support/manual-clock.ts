import { type Clock, systemClock, type Timer } from "#base/clock.ts";
import { Time } from "#base/time.ts";

/** Real time for what disks and threads do on a machine with much else to do. */
const diskMsMax = 30_000;

interface Waiting extends Timer {
  readonly at: number;
  readonly delayMs: number;
  readonly run: () => void;
}

/** Time that passes when a test says so; turns of the event loop, and with them disks, are real. */
export class ManualClock implements Clock {
  ms: number;
  private timers: Waiting[] = [];

  constructor(ms = 1_800_000_000_250) {
    this.ms = ms;
  }

  now(): Time {
    return new Time(Math.floor(this.ms / 1000), (this.ms % 1000) * 1_000_000);
  }

  monotonicMs(): number {
    return this.ms;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { at: this.ms + delayMs, delayMs, run, cancel: () => this.drop(timer) };
    this.timers.push(timer);
    return timer;
  }

  atTurnEnd(run: () => void): void {
    systemClock.atTurnEnd(run);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.timers.length;
  }

  /** For how long each of them was set, in the order they were. */
  get waits(): readonly number[] {
    return this.timers.map(({ delayMs }) => delayMs);
  }

  /** Lets `ms` pass, timer after timer. */
  pass(ms: number): void {
    const end = this.ms + ms;
    while (this.next(end));
    this.ms = end;
  }

  /** The same with turns between, in which what the timers began goes on. */
  async passInTurns(ms: number): Promise<void> {
    const end = this.ms + ms;
    do await turns();
    while (this.next(end));
    this.ms = end;
    await turns();
  }

  /** Lets time pass in small steps until `promise` is settled, at most `limitMs` of it; disks, which know nothing of that, have theirs. */
  async until<T>(promise: Promise<T>, limitMs = 120_000): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    const began = performance.now();
    for (const end = this.ms + limitMs; !settled; ) {
      if (this.ms <= end) await this.passInTurns(50);
      else if (performance.now() - began < diskMsMax) await turns();
      else throw new Error(`not within ${limitMs} simulated ms`);
    }
    return promise;
  }

  /** Fires the timers set so far, whenever their time is. */
  fire(): void {
    for (const timer of [...this.timers]) if (this.timers.includes(timer)) this.run(timer);
  }

  /** Fires the first timer that is due by `end`. */
  private next(end: number): boolean {
    const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
    if (next === undefined) return false;
    this.ms = Math.max(this.ms, next.at);
    this.run(next);
    return true;
  }

  private run(timer: Waiting): void {
    this.drop(timer);
    timer.run();
  }

  private drop(timer: Waiting): void {
    this.timers = this.timers.filter((each) => each !== timer);
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
