import { expect, test } from "bun:test";
import { faultyBlocks, MeteredBlocks, openMemoryBlocks } from "#blocks/index.ts";
import { StoreFault, StoreRefusedError, StoreUnavailableError, type SynchronousReads } from "#model/block-store.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

test("requests are counted by kind and outcome, with their bytes and how long they took", async () => {
  const clock = new ManualClock();
  let fails: Error | null = null;
  const under = faultyBlocks(openMemoryBlocks({ bytesMax: 1000 }), {
    before() {
      clock.ms += 7;
      if (fails !== null) throw fails;
    },
  });
  const store = new MeteredBlocks(under, clock);
  await store.put("a", { from: "slices", slices: [new Uint8Array(100), new Uint8Array(20)] });
  await store.get("a", 10, 50);
  await store.get("a", 10, 30);
  await store.get("none", 0, 1).catch(() => {});
  await store.put("b", { from: "slices", slices: [new Uint8Array(2000)] }).catch(() => {});
  for await (const _ of store.list("")) break;
  fails = new StoreUnavailableError("away");
  await store.size("a").catch(() => {});
  fails = new StoreRefusedError(StoreFault.key, "wrong key");
  await store.delete(["a"]).catch(() => {});
  fails = new Error("something else");
  await store.get("a", 0, 1).catch(() => {});
  const { put, get, size, delete: deletes, list } = store.counts;
  expect([put.results.ok, put.results.full, put.bytes, put.ms, put.msMax]).toEqual([1, 1, 120, 14, 7]);
  expect([get.results.ok, get.results.missing, get.results.failed, get.bytes, get.ms]).toEqual([2, 1, 1, 80, 28]);
  expect([size.results.unavailable, deletes.results.refused, list.results.ok, list.results.failed]).toEqual([1, 1, 1, 0]);
});

test("reads at once are counted where they gave something", async () => {
  const store = new MeteredBlocks(openMemoryBlocks(), new ManualClock()) as MeteredBlocks & SynchronousReads;
  await store.put("a", { from: "slices", slices: [new Uint8Array(100)] });
  expect([store.getNow("a", 0, new Uint8Array(60)), store.getNow("none", 0, new Uint8Array(60))]).toEqual([true, false]);
  expect([store.counts.get.results.ok, store.counts.get.bytes]).toEqual([1, 60]);
});
