import { afterEach, beforeEach, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { type CacheFiles, type CachedBlocks, systemCacheFiles } from "#cache/disk/index.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { SeededRandom, seedFor } from "../../../support/seeded-random.ts";
import { until } from "../../../support/wait.ts";
import { temporary } from "../content-kit.ts";
import { allocatedIn, baseBytes, block, contentOf, copiesIn, CountingStore, fileBytes, KiB, MiB, openCache } from "./kit.ts";

let store: CountingStore;
let directory: string;
beforeEach(() => {
  store = new CountingStore();
  directory = temporary();
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

/** File operations that look at the disk after each change of it. */
function watched(look: () => void): CacheFiles {
  return {
    ...systemCacheFiles,
    async write(fd, bytes, position) {
      await systemCacheFiles.write(fd, bytes, position);
      look();
    },
    async rename(from, to) {
      await systemCacheFiles.rename(from, to);
      look();
    },
  };
}

async function readSome(cache: CachedBlocks, random: SeededRandom, keys: readonly string[], length: number): Promise<void> {
  const reads = Array.from({ length: random.between(1, 6) }, async () => {
    const object = random.below(keys.length);
    const offset = random.below(length);
    await cache.get(keys[object] as string, offset, Math.min(length - offset, random.between(1, 600 * KiB)));
  });
  await Promise.all(reads);
}

test("random reads, uploads and changes of the limit never bring it above its size", async () => {
  const random = new SeededRandom(seedFor("disk cache bound", "DISK_CACHE_BOUND_SEED"));
  const length = 2 * MiB + 4321;
  const keys = await store.fill(12, length);
  let bytesMax = 9 * MiB;
  let highest = 0;
  let shrinking = false;
  let looks = 0;
  let hits = 0;
  let evicted = 0;
  const over: number[] = [];
  const files = watched(() => {
    looks++;
    const allocated = allocatedIn(join(directory, "disk"));
    highest = Math.max(highest, allocated);
    if (!shrinking && allocated > bytesMax) over.push(allocated - bytesMax);
  });
  let cache = await openCache(store.blocks, directory, { limits: { bytesMax }, files });
  for (let round = 0; round < 150; round++) {
    await readSome(cache, random, keys, length);
    const what = random.weighted({ nothing: 80, put: 8, limit: 4, restart: 4 });
    if (what === "put") {
      const path = join(directory, "pack");
      const key = `share/01/${round}`;
      fs.writeFileSync(path, contentOf(round, random.between(1, 3 * MiB)));
      await cache.put(key, { from: "file", path, size: fs.statSync(path).size });
      keys.push(key);
      await store.store.delete([key]);
      await store.store.put(key, { from: "slices", slices: [contentOf(round, length)] });
    } else if (what === "limit") {
      shrinking = true;
      bytesMax = random.between(4 * MiB, 12 * MiB);
      cache.setLimits({ bytesMax, freeBytesMin: 0, aheadBytesMax: 8 * MiB });
      await cache.settled();
      shrinking = false;
    } else if (what === "restart") {
      hits += cache.stats.hits;
      evicted += cache.stats.evictedBytes;
      await cache.close();
      cache = await openCache(store.blocks, directory, { limits: { bytesMax }, files });
    }
    if (random.chance(0.3)) await cache.settled();
    expect(cache.stats.bytes).toBeLessThanOrEqual(bytesMax);
  }
  await cache.settled();
  expect(cache.stats.bytes).toBeLessThanOrEqual(bytesMax);
  expect(allocatedIn(join(directory, "disk"))).toBeLessThanOrEqual(cache.stats.bytes);
  // It is used, too.
  expect(over).toEqual([]);
  expect([highest > 3 * MiB, evicted + cache.stats.evictedBytes > 0, hits + cache.stats.hits > 0, looks > 20]).toEqual([true, true, true, true]);
  await cache.close();
}, 60_000);

test("an object larger than the cache is kept as far as there is room", async () => {
  const [key = ""] = await store.fill(1, 8 * MiB);
  const bytesMax = 6 * MiB;
  let highest = 0;
  const cache = await openCache(store.blocks, directory, { limits: { bytesMax }, files: watched(() => void (highest = Math.max(highest, allocatedIn(join(directory, "disk"))))) });
  for (let at = 0; at < 8 * MiB; at += MiB) expect(await cache.get(key, at, MiB)).toEqual(contentOf(0, 8 * MiB).subarray(at, at + MiB));
  await cache.settled();
  expect(highest).toBeGreaterThan(2 * MiB);
  expect(highest).toBeLessThanOrEqual(bytesMax);
  await cache.close();
});

test("what was used longest ago goes first, whatever was fetched first", async () => {
  const keys = await store.fill(4, MiB);
  const [a = "", b = "", c = "", d = ""] = keys;
  const cache = await openCache(store.blocks, directory, { limits: { bytesMax: baseBytes + 3 * (MiB + fileBytes) } });
  for (const key of [a, b, c, a]) {
    await cache.get(key, 0, MiB);
    await cache.settled();
  }
  await cache.get(d, 0, MiB);
  await cache.settled();
  store.gets.length = 0;
  for (const key of [a, c, d]) await cache.get(key, 0, MiB);
  expect(store.gets).toEqual([]);
  await cache.get(b, 0, MiB);
  expect(store.gets.map(({ key }) => key)).toEqual([b]);
  await cache.close();
});

test("the order of use survives a restart", async () => {
  const keys = await store.fill(4, MiB);
  const [a = "", b = "", c = "", d = ""] = keys;
  const limits = { bytesMax: baseBytes + 3 * (MiB + fileBytes) };
  let cache = await openCache(store.blocks, directory, { limits });
  for (const key of [a, b, c, a]) {
    await cache.get(key, 0, MiB);
    await cache.settled();
  }
  await cache.close();
  cache = await openCache(store.blocks, directory, { limits });
  await cache.get(d, 0, MiB);
  await cache.settled();
  store.gets.length = 0;
  for (const key of [a, c, d, b]) await cache.get(key, 0, block);
  expect(store.gets.map(({ key }) => key)).toEqual([b]);
  await cache.close();
});

test("it leaves the least free space, gives way when others fill the disk, and comes back when there is room", async () => {
  const keys = await store.fill(8, MiB);
  const clock = new ManualClock();
  let others = 0;
  const free = () => 20 * MiB - others - allocatedIn(join(directory, "disk"));
  const freeBytesMin = 12 * MiB;
  let least = Number.POSITIVE_INFINITY;
  const files: CacheFiles = { ...watched(() => void (least = Math.min(least, free()))), freeBytes: async () => free() };
  const cache = await openCache(store.blocks, directory, { limits: { freeBytesMin }, clock, files });
  for (const key of keys) await cache.get(key, 0, MiB);
  await cache.settled();
  expect(copiesIn(directory).length).toBeGreaterThan(5);
  expect(least).toBeGreaterThanOrEqual(freeBytesMin);
  others = 4 * MiB;
  clock.pass(5_000);
  await cache.settled();
  expect(free()).toBeGreaterThanOrEqual(freeBytesMin);
  expect(copiesIn(directory).length).toBeGreaterThan(1);
  others = 10 * MiB;
  clock.pass(5_000);
  await cache.settled();
  expect(copiesIn(directory)).toEqual([]);
  await cache.get(keys[0] as string, 0, MiB);
  await cache.settled();
  expect(copiesIn(directory)).toEqual([]);
  others = 0;
  await cache.get(keys[0] as string, 0, MiB);
  await cache.settled();
  expect(copiesIn(directory).length).toBe(1);
  await cache.close();
});

test("a disk that is full stops it for a while, and nothing else", async () => {
  const keys = await store.fill(3, MiB);
  const clock = new ManualClock();
  let full = true;
  let writes = 0;
  const files: CacheFiles = {
    ...systemCacheFiles,
    write: (fd, bytes, position) => {
      writes++;
      return full ? Promise.reject(Object.assign(new Error("no space"), { code: "ENOSPC" })) : systemCacheFiles.write(fd, bytes, position);
    },
  };
  const cache = await openCache(store.blocks, directory, { clock, files });
  for (const [i, key] of keys.entries()) {
    expect(await cache.get(key, 0, MiB)).toEqual(contentOf(i, MiB));
    await cache.settled();
  }
  expect([writes, copiesIn(directory).length, cache.stats.bytes]).toEqual([1, 0, baseBytes]);
  full = false;
  clock.pass(10_000);
  await cache.get(keys[0] as string, 0, MiB);
  await cache.settled();
  expect(copiesIn(directory).length).toBe(1);
  await cache.close();
});

test("a directory that is deleted under it costs copies and a while without new ones, and nothing else", async () => {
  const keys = await store.fill(3, MiB);
  const clock = new ManualClock();
  const cache = await openCache(store.blocks, directory, { clock });
  await cache.get(keys[0] as string, 0, MiB);
  await cache.settled();
  fs.rmSync(join(directory, "disk"), { recursive: true });
  for (const [i, key] of keys.entries()) {
    expect(await cache.get(key, 0, MiB)).toEqual(contentOf(i, MiB));
    await cache.settled();
  }
  expect(await cache.hold(keys[2] as string, 0, MiB)).toBeNull();
  await until("its directories", 5_000, () => (fs.existsSync(join(directory, "disk", "files", "f")) ? true : null));
  clock.pass(10_000);
  expect(await cache.hold(keys[2] as string, 0, MiB)).toBe(MiB);
  expect(await cache.get(keys[1] as string, 0, MiB)).toEqual(contentOf(1, MiB));
  await cache.settled();
  expect(copiesIn(directory).length).toBe(2);
  await cache.close();
});

test("a size of nothing keeps nothing, and removes what was kept", async () => {
  const [key = ""] = await store.fill(1, MiB);
  let cache = await openCache(store.blocks, directory);
  await cache.get(key, 0, MiB);
  await cache.close();
  cache = await openCache(store.blocks, directory, { limits: { bytesMax: 0 } });
  expect(fs.existsSync(join(directory, "disk"))).toBe(false);
  expect(await cache.get(key, 0, MiB)).toEqual(contentOf(0, MiB));
  await cache.settled();
  expect(fs.existsSync(join(directory, "disk"))).toBe(false);
  await cache.close();
});

test("each copy that makes room for another is counted, with what it took", async () => {
  const keys = await store.fill(6, MiB);
  const cache = await openCache(store.blocks, directory, { limits: { bytesMax: baseBytes + 3 * MiB + 512 * KiB } });
  for (const key of keys) {
    await cache.get(key, 0, MiB);
    await cache.settled();
  }
  const { evictions, evictedBytes, objects } = cache.stats;
  expect([evictions, objects]).toEqual([3, 3]);
  expect(evictedBytes).toBeGreaterThanOrEqual(3 * MiB);
  await cache.close();
});
