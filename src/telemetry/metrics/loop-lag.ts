import type { Clock, Timer } from "#base/clock.ts";
import type { Metrics, Registration } from "./metrics.ts";

/** Time between two looks. */
const everyMs = 100;

/** Measures how late timers fire: what keeps the event loop from them keeps everybody's requests waiting. Gives what ends it. */
export function measureLoopLag(metrics: Metrics, clock: Clock): Registration {
  const lag = metrics.histogram("dittofs_event_loop_lag_seconds");
  let longest = 0;
  const told = metrics.collect("dittofs_event_loop_lag_max_seconds", () => {
    const value = longest;
    longest = 0;
    return [{ labels: [], value }];
  });
  let timer: Timer;
  const look = (dueMs: number): void => {
    const late = Math.max(0, clock.monotonicMs() - dueMs) / 1000;
    lag.observe(late);
    if (late > longest) longest = late;
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
