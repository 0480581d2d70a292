import { Time } from "./time.ts";

/** A timer that was set; `cancel` is harmless after it fired. */
export interface Timer {
  cancel(): void;
}

/** Where all of the server gets its time from, so that tests run it under a simulated one. */
export interface Clock {
  /** Wall-clock time, for attributes and logs. */
  now(): Time;
  /** Milliseconds that never go back, for durations and deadlines. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`; an idle process is not kept alive by it. */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` after the I/O callbacks of this event-loop turn: the point where a turn's work is committed together. */
  atTurnEnd(run: () => void): void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now(): Time {
    const ms = performance.timeOrigin + performance.now();
    const sec = Math.floor(ms / 1000);
    return new Time(sec, Math.floor((ms - sec * 1000) * 1_000_000));
  },
  monotonicMs(): number {
    return performance.now();
  },
  after(delayMs: number, run: () => void): Timer {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  atTurnEnd(run: () => void): void {
    setImmediate(run);
  },
};

/** Waits and keeps the process alive meanwhile, unlike a Clock's timers: for command lines, not for servers. */
export function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

const longMs = 2 ** 30;

/** Keeps the process alive until it is cancelled, for command lines that wait for what a Clock's timers bring about. */
export function keepAlive(): Timer {
  const timer = setInterval(() => {}, longMs);
  return { cancel: () => clearInterval(timer) };
}
