import { expect, test } from "bun:test";
import { type Clock, systemClock } from "#base/clock.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { Parting } from "#cache/parting.ts";
import type { ShareHistory } from "#model/history.ts";
import { silentLogger } from "#telemetry/logger.ts";

/** A history that publishes when it is told to, with a clock that stands still until then. */
function slow() {
  const published = Promise.withResolvers<boolean>();
  const timers = new Set<() => void>();
  const clock: Clock = { ...systemClock, after: (_ms, run) => (timers.add(run), { cancel: () => void timers.delete(run) }) };
  return { history: { passed: () => published.promise } as unknown as ShareHistory, published, clock, timers };
}

const objects = async (): Promise<ReturnType<typeof openMemoryBlocks>> => {
  const blocks = openMemoryBlocks();
  for (const key of ["a", "b", "c"]) await blocks.put(key, { from: "slices", slices: [new Uint8Array(3)] });
  return blocks;
};

test("whoever asked for a collection waits until what it let go is published and deleted", async () => {
  const blocks = await objects();
  const { history, published, clock, timers } = slow();
  const parting = new Parting(history, blocks, silentLogger);
  await parting.ended(clock);
  parting.add("a");
  parting.add("b");
  let ended = false;
  const waiting = parting.ended(clock).then(() => (ended = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect([ended, parting.has("a"), await blocks.size("a")]).toEqual([false, true, 3]);
  published.resolve(true);
  await waiting;
  expect([parting.has("a"), await blocks.size("a"), await blocks.size("b"), await blocks.size("c")]).toEqual([false, null, null, 3]);
  expect(timers.size).toBe(0);
  parting.add("c");
  await parting.ended(clock);
  expect(await blocks.size("c")).toBeNull();
});

test("and no longer than a while, where the store is away", async () => {
  const { history, clock, timers } = slow();
  const parting = new Parting(history, await objects(), silentLogger);
  parting.add("a");
  const waiting = parting.ended(clock);
  for (const run of timers) run();
  await waiting;
  expect(parting.has("a")).toBeTrue();
});
