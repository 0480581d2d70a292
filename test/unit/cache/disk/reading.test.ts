import { afterEach, beforeEach, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { PlannedFaults, faultyBlocks } from "#blocks/fault/index.ts";
import { systemClock } from "#base/clock.ts";
import { systemCacheFiles } from "#cache/disk/index.ts";
import { MissingObjectError } from "#model/block-store.ts";
import { SeededRandom, seedFor } from "../../../support/seeded-random.ts";
import { until } from "../../../support/wait.ts";
import { temporary } from "../content-kit.ts";
import { block, contentOf, copiesIn, CountingStore, KiB, MiB, openCache } from "./kit.ts";

let store: CountingStore;
let directory: string;
beforeEach(() => {
  store = new CountingStore();
  directory = temporary();
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

test("what was read once is read from the disk, also while the store is away and after a restart", async () => {
  const [key = ""] = await store.fill(1, MiB);
  let cache = await openCache(store.blocks, directory);
  expect(await cache.get(key, 0, 4 * block)).toEqual(contentOf(0, MiB).subarray(0, 4 * block));
  await cache.settled();
  store.down = new Error("away");
  expect(cache.answers).toBe(1);
  expect(await cache.get(key, block, 2 * block)).toEqual(contentOf(0, MiB).subarray(block, 3 * block));
  // A copy says nothing of whether the store works.
  expect(cache.answers).toBe(1);
  await expect(cache.get(key, 3 * block, 2 * block)).rejects.toThrow("away");
  await cache.close();
  cache = await openCache(store.blocks, directory);
  expect(await cache.get(key, 0, 4 * block)).toEqual(contentOf(0, MiB).subarray(0, 4 * block));
  expect(cache.stats).toMatchObject({ hits: 1, misses: 0, hitBytes: 4 * block, objects: 1 });
  await cache.close();
});

test("only what is missing of a range is asked for", async () => {
  const [key = ""] = await store.fill(1, MiB);
  const cache = await openCache(store.blocks, directory);
  await cache.get(key, 4 * block, 2 * block);
  await cache.settled();
  store.gets.length = 0;
  expect(await cache.get(key, 2 * block, 6 * block)).toEqual(contentOf(0, MiB).subarray(2 * block, 8 * block));
  expect(store.gets.map(({ offset, length }) => [offset / block, length / block])).toEqual([[2, 2], [6, 2]]);
  await cache.close();
});

test("the end of an object, which is no whole block, is kept as far as it was read", async () => {
  const length = 2 * block + 1000;
  const [key = ""] = await store.fill(1, length);
  const cache = await openCache(store.blocks, directory);
  await cache.get(key, block, length - block - 100);
  await cache.settled();
  store.gets.length = 0;
  expect(await cache.get(key, block, block + 900)).toEqual(contentOf(0, length).subarray(block, 2 * block + 900));
  expect(store.gets).toEqual([]);
  expect(await cache.get(key, block, block + 1000)).toEqual(contentOf(0, length).subarray(block));
  expect(store.gets.map(({ offset, length }) => [offset, length])).toEqual([[2 * block, 1000]]);
  await cache.settled();
  expect(await cache.get(key, 0, length)).toEqual(contentOf(0, length));
  await cache.close();
});

test("concurrent readers of one range cause one request, and of ranges that overlap one for each byte", async () => {
  const [key = ""] = await store.fill(1, MiB);
  for (const bytesMax of [0, 64 * MiB]) {
    const cache = await openCache(store.blocks, directory, { limits: { bytesMax } });
    store.gets.length = 0;
    store.hold = true;
    const reads = Array.from({ length: 20 }, () => cache.get(key, 0, 4 * block));
    const overlapping = cache.get(key, 2 * block, 4 * block);
    const within = cache.get(key, block + 5, 10);
    store.hold = false;
    store.release();
    for (const read of reads) expect(await read).toEqual(contentOf(0, MiB).subarray(0, 4 * block));
    expect(await overlapping).toEqual(contentOf(0, MiB).subarray(2 * block, 6 * block));
    expect(await within).toEqual(contentOf(0, MiB).subarray(block + 5, block + 15));
    expect(store.gets.map(({ offset, length }) => [offset / block, length / block])).toEqual([[0, 4], [4, 2]]);
    await cache.close();
  }
});

test("everybody who waited for a request that failed is told, and the next reader asks again", async () => {
  const [key = ""] = await store.fill(1, MiB);
  const cache = await openCache(store.blocks, directory);
  store.hold = true;
  store.down = new Error("away");
  const reads = [cache.get(key, 0, block), cache.get(key, 0, block)];
  store.hold = false;
  store.release();
  for (const outcome of await Promise.allSettled(reads)) expect(outcome).toMatchObject({ status: "rejected", reason: { message: "away" } });
  store.down = null;
  expect(await cache.get(key, 0, block)).toEqual(contentOf(0, block));
  expect(store.gets.length).toBe(2);
  await cache.close();
});

test("a pack that was just uploaded stays as its own copy, in the same file", async () => {
  const cache = await openCache(store.blocks, directory);
  await cache.settled();
  const path = join(directory, "pack");
  const bytes = contentOf(3, 5 * block + 77);
  fs.writeFileSync(path, bytes);
  const { ino } = fs.statSync(path);
  await cache.put("share/00/pack", { from: "file", path, size: bytes.length });
  expect(fs.existsSync(path)).toBe(false);
  expect(copiesIn(directory).map((copy) => fs.statSync(copy).ino)).toEqual([ino]);
  expect(await cache.get("share/00/pack", 0, bytes.length)).toEqual(bytes);
  expect(store.gets).toEqual([]);
  await cache.delete(["share/00/pack"]);
  await cache.settled();
  expect(copiesIn(directory)).toEqual([]);
  await expect(cache.get("share/00/pack", 0, 1)).rejects.toBeInstanceOf(MissingObjectError);
  await cache.close();
});

test("a pack that could not be uploaded leaves no copy", async () => {
  const cache = await openCache({ ...store.blocks, put: () => Promise.reject(new Error("away")) }, directory);
  await cache.settled();
  const path = join(directory, "pack");
  fs.writeFileSync(path, "bytes");
  await expect(cache.put("share/00/pack", { from: "file", path, size: 5 })).rejects.toThrow("away");
  await cache.settled();
  expect(fs.readFileSync(path, "utf8")).toBe("bytes");
  expect(copiesIn(directory)).toEqual([]);
  expect(fs.readdirSync(join(directory, "disk", "incoming"))).toEqual([]);
  await cache.close();
});

test("an object deleted while it is read leaves no copy", async () => {
  const [key = ""] = await store.fill(1, MiB);
  const cache = await openCache(store.blocks, directory);
  store.holdAnswers = true;
  const read = cache.get(key, 0, block);
  await until("the answer is on its way", 5_000, () => (store.held > 0 ? true : null));
  await cache.delete([key]);
  store.holdAnswers = false;
  store.release();
  expect(await read).toEqual(contentOf(0, block));
  await cache.settled();
  expect(copiesIn(directory)).toEqual([]);
  await expect(cache.get(key, 0, block)).rejects.toBeInstanceOf(MissingObjectError);
  await cache.close();
});

test("a reader waits for no write: the disk may hang, be full or broken", async () => {
  const [key = ""] = await store.fill(1, MiB);
  const hanging = Promise.withResolvers<void>();
  hanging.promise.catch(() => {});
  let cache = await openCache(store.blocks, directory, { files: { ...systemCacheFiles, write: () => hanging.promise } });
  expect(await cache.get(key, 0, block)).toEqual(contentOf(0, block));
  // What waits to be written is read from memory.
  expect(await cache.get(key, 0, block)).toEqual(contentOf(0, block));
  expect(store.gets.length).toBe(1);
  hanging.reject(Object.assign(new Error("no space"), { code: "ENOSPC" }));
  await cache.settled();
  expect(await cache.get(key, 0, block)).toEqual(contentOf(0, block));
  expect(store.gets.length).toBe(2);
  expect(copiesIn(directory)).toEqual([]);
  await cache.close();
  cache = await openCache(store.blocks, directory, { files: { ...systemCacheFiles, makeDirectory: () => Promise.reject(new Error("read-only")) } });
  expect(await cache.get(key, 0, block)).toEqual(contentOf(0, block));
  await cache.close();
});

test("with a store that fails by chance every read is right or an error", async () => {
  const random = new SeededRandom(seedFor("disk cache over faults", "DISK_CACHE_FAULTS_SEED"));
  const length = 3 * MiB + 12_345;
  const keys = await store.fill(6, length);
  const contents = keys.map((_, object) => contentOf(object, length));
  const faults = new PlannedFaults({ clock: systemClock, random, errors: 150, halves: 150 });
  const cache = await openCache(faultyBlocks(store.blocks, faults), directory, { limits: { bytesMax: 9 * MiB } });
  let failed = 0;
  for (let round = 0; round < 40; round++) {
    const reads = Array.from({ length: 8 }, async () => {
      const object = random.below(keys.length);
      const offset = random.below(3 * MiB);
      const stop = Math.min(offset + random.between(1, 300 * KiB), length);
      if (random.chance(0.1)) cache.prefetch(keys[object] as string, offset, stop - offset);
      try {
        const bytes = await cache.get(keys[object] as string, offset, stop - offset);
        expect(Buffer.compare(bytes, contents[object]!.subarray(offset, stop))).toBe(0);
      } catch (error) {
        failed++;
        expect((error as Error).message).toContain("by plan");
      }
    });
    await Promise.all(reads);
  }
  expect([failed > 0, cache.stats.hits > 0]).toEqual([true, true]);
  await cache.close();
});

test("a copy is given without the store being asked, and only where the disk has all of it", async () => {
  const [key = ""] = await store.fill(1, MiB);
  const cache = await openCache(store.blocks, directory);
  const target = new Uint8Array(2 * block);
  expect(await cache.copy(key, 0, target)).toBeFalse();
  await cache.get(key, 0, 3 * block);
  await cache.settled();
  store.down = new Error("away");
  const asked = store.gets.length;
  expect(await cache.copy(key, block, target)).toBeTrue();
  expect(target).toEqual(contentOf(0, MiB).subarray(block, 3 * block));
  expect(await cache.copy(key, 2 * block, target)).toBeFalse();
  expect(await cache.copy("share/00/none", 0, target)).toBeFalse();
  expect(store.gets.length).toBe(asked);
  await cache.close();
});
