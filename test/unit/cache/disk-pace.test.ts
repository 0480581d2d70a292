import { expect, test } from "bun:test";
import { DiskPace } from "#cache/disk-pace.ts";
import type { OpenPack } from "#cache/packs/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const mebibyte = 2 ** 20;

function paced() {
  const clock = new ManualClock();
  const pace = new DiskPace(clock);
  const write = (tookMs: number): void => {
    const since = clock.monotonicMs();
    clock.ms += tookMs;
    pace.wrote(since);
  };
  return { clock, pace, write };
}

test("fast writes stay with the event loop, and one that was held up now and then changes nothing", () => {
  const { pace, write } = paced();
  for (let i = 0; i < 100; i++) write(i % 10 === 0 ? 7 : 0.4);
  expect(pace.isBrisk).toBe(true);
});

test("where writes are slow they are left to the pool, longer each time it happens again", () => {
  const { clock, pace, write } = paced();
  for (let i = 0; i < 6; i++) write(4);
  expect(pace.isBrisk).toBe(false);
  clock.ms += 500;
  expect(pace.isBrisk).toBe(true);
  write(200);
  clock.ms += 600;
  expect(pace.isBrisk).toBe(false);
  clock.ms += 400;
  expect(pace.isBrisk).toBe(true);
});

test("a stop of the whole disk is met once a time at most", () => {
  const { clock, pace, write } = paced();
  let met = 0;
  for (let at = 0; at < 120_000; at += 10) {
    if (pace.isBrisk) {
      met++;
      write(200);
    } else clock.ms += 10;
  }
  expect(met).toBeLessThan(20);
});

test("while much is on its way to the disk the pool writes", async () => {
  const { pace } = paced();
  const syncs: (() => void)[] = [];
  const pack = { size: 80 * mebibyte, durable: () => new Promise<void>((resolve) => syncs.push(resolve)) } as unknown as OpenPack;
  pace.syncAhead(pack);
  expect(pace.isBrisk).toBe(true);
  pace.syncAhead(pack);
  expect(pace.isBrisk).toBe(false);
  syncs[0]?.();
  await Promise.resolve();
  expect(pace.isBrisk).toBe(true);
});
