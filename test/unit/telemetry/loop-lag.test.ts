import { expect, test } from "bun:test";
import { silentLogger } from "#telemetry/logger.ts";
import { measureLoopLag } from "#telemetry/metrics/index.ts";
import { MetricsRegistry } from "#telemetry/metrics/registry.ts";
import { Scrape } from "../../support/scrape.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** A clock whose timers fire late. */
class LateClock extends ManualClock {
  lateMs = 0;
  override monotonicMs(): number {
    return super.monotonicMs() + this.lateMs;
  }
}

test("lag is how late a timer fires; the longest is of the last minute, for everybody who scrapes", async () => {
  const clock = new LateClock();
  const registry = new MetricsRegistry(silentLogger);
  const lag = measureLoopLag(registry, clock);
  const scrape = async () => new Scrape(await registry.text());
  clock.pass(300);
  clock.lateMs = 250;
  clock.pass(100);
  const first = await scrape();
  expect(first.value("dittofs_event_loop_lag_seconds_count")).toBe(4);
  expect(first.value("dittofs_event_loop_lag_seconds_sum")).toBeCloseTo(0.25, 9);
  expect(first.value("dittofs_event_loop_lag_max_seconds")).toBeCloseTo(0.25, 9);
  expect((await scrape()).value("dittofs_event_loop_lag_max_seconds")).toBeCloseTo(0.25, 9);
  clock.pass(59_000);
  expect((await scrape()).value("dittofs_event_loop_lag_max_seconds")).toBeCloseTo(0.25, 9);
  clock.pass(7_000);
  expect((await scrape()).value("dittofs_event_loop_lag_max_seconds")).toBe(0);
  clock.lateMs += 5;
  clock.pass(100);
  clock.pass(3_600_000);
  expect((await scrape()).value("dittofs_event_loop_lag_max_seconds")).toBe(0);
  lag.end();
  expect(clock.pending).toBe(0);
});
