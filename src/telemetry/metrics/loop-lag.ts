import type { Clock, Timer } from "#base/clock.ts";
import type { Metrics, Registration } from "./metrics.ts";

/** Time between two looks. */
const everyMs = 100;
/** The longest is of at least the last minute, whoever scrapes and how often: parts of it are forgotten one by one. */
const partMs = 5_000;
const partsKept = 60_000 / partMs + 1;

/** Measures how late timers fire: what keeps the event loop from them keeps everybody's requests waiting. Gives what ends it. */
export function measureLoopLag(metrics: Metrics, clock: Clock): Registration {
  const lag = metrics.histogram("dittofs_event_loop_lag_seconds");
  const longest = new Longest();
  const told = metrics.collect("dittofs_event_loop_lag_max_seconds", () => [{ labels: [], value: longest.at(clock.monotonicMs()) }]);
  let timer: Timer;
  const look = (dueMs: number): void => {
    const nowMs = clock.monotonicMs();
    const late = Math.max(0, nowMs - dueMs) / 1000;
    lag.observe(late);
    longest.add(late, nowMs);
    wait();
  };
  const wait = (): void => {
    const dueMs = clock.monotonicMs() + everyMs;
    timer = clock.after(everyMs, () => look(dueMs));
  };
  wait();
  return {
    end() {
      timer.cancel();
      told.end();
    },
  };
}

/** The largest value of the last minute, as many as there were. */
class Longest {
  private readonly parts = new Float64Array(partsKept);
  private newest = 0;

  add(value: number, nowMs: number): void {
    this.moveTo(nowMs);
    const at = this.newest % partsKept;
    if (value > this.parts[at]!) this.parts[at] = value;
  }

  at(nowMs: number): number {
    this.moveTo(nowMs);
    return Math.max(...this.parts);
  }

  private moveTo(nowMs: number): void {
    const part = Math.floor(nowMs / partMs);
    if (part - this.newest >= partsKept) this.parts.fill(0);
    else for (let gone = this.newest + 1; gone <= part; gone++) this.parts[gone % partsKept] = 0;
    this.newest = part;
  }
}
