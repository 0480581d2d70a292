import { expect, test } from "bun:test";
import { ActivitySum, percentileMs, Rates } from "#telemetry/requests/rates.ts";
import { RequestSwitch, type WatchedRequest } from "#telemetry/requests/index.ts";
import { bucketOf, durationBuckets } from "#telemetry/requests/durations.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const protocol = { operations: ["NULL", "READ", "WRITE"], statuses: [0, 5], statusName: (_: number, status: number) => String(status) };
const request = (): WatchedRequest => ({ beganMs: -1, waitsIn: null });

test("what was done since the last look, by operation and share, and nothing of what was before the first", () => {
  const clock = new ManualClock();
  const held = new RequestSwitch(protocol, clock).hold();
  const { watch } = held;
  const done = (operation: number, share: string, status: number, ms: number, bytes: number) => {
    const one = request();
    watch.began(one, clock.ms);
    clock.ms += ms;
    watch.ended(one, operation, share, status, bytes);
    watch.answersLeft();
  };
  done(1, "/a", 0, 1, 999);
  const rates = new Rates(watch);
  for (let i = 0; i < 10; i++) done(1, "/a", 0, 4, 100);
  done(2, "/b", 0, 8, 50);
  done(2, "/b", 5, 8, 50);
  const waiting = request();
  watch.began(waiting, clock.ms);
  watch.waits(waiting, 2, "/b");
  const { total, operations, shares } = rates.since();
  expect(total.over(2)).toMatchObject({ operations: 6, failures: 0.5, readBytes: 500, writtenBytes: 25, waiting: 1 });
  expect([...operations.keys()].sort()).toEqual(["READ", "WRITE"]);
  expect(operations.get("READ")?.over(1)).toMatchObject({ operations: 10, failures: 0, readBytes: 1000, writtenBytes: 0 });
  expect(shares.get("/b")?.over(1)).toMatchObject({ operations: 2, failures: 1, waiting: 1 });
  const { p50 } = shares.get("/a")?.over(1).latency ?? { p50: 0 };
  expect(p50).toBeGreaterThan(3);
  expect(p50).toBeLessThan(5.2);
  watch.ended(waiting, 2, "/b", 0, 0);
  expect(rates.since().total.over(1)).toMatchObject({ operations: 1, waiting: 0, readBytes: 0 });
  expect(rates.since().total.over(1)).toMatchObject({ operations: 0, latency: null });
  // A share that went and came again counts anew: never less than nothing.
  watch.forget("/a");
  done(1, "/a", 0, 4, 100);
  expect(rates.since().shares.get("/a")?.over(1)).toMatchObject({ operations: 1, readBytes: 100 });
});

test("percentiles are within a bucket's width of the truth", () => {
  const durations = new Float64Array(durationBuckets);
  for (let ms = 1; ms <= 1000; ms++) durations[bucketOf(ms)]!++;
  for (const [part, exact] of [[0.5, 500], [0.95, 950], [0.99, 990]] as const) {
    expect(Math.abs(percentileMs(durations, 1000, part) - exact) / exact).toBeLessThan(0.25);
  }
  expect(percentileMs(new Float64Array(durationBuckets), 0, 0.5)).toBe(0);
  expect(new ActivitySum().over(1).latency).toBeNull();
});
