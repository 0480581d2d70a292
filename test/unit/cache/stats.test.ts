import { expect, test } from "bun:test";
import { recordHeaderBytes, pointerBytes } from "#cache/log/format.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { type BlockStore, StoreUnavailableError } from "#model/block-store.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { until } from "../../support/wait.ts";
import { Client, open, removeFile, storeWith, temporary } from "./content-kit.ts";

/** What a share's content counts of a load that is known. */

const MiB = 2 ** 20;
const page = 65_536;
const file = 100 as FileId;
const other = 101 as FileId;
const hour = 3_600_000;
/** Nothing is stored or collected unless a test asks for it. */
const quiet = {
  limits: { dirtyBytesMax: 8 * MiB, unstoredBytesMax: 64 * MiB, flushAgeMs: hour, flushBytes: 64 * MiB },
  garbage: { graceMs: 0, intervalMs: hour },
};

async function opened(cacheBytes: number, blocks: BlockStore = openMemoryBlocks({ bytesMax: 256 * MiB }), more: Partial<Parameters<typeof open>[3]> = {}) {
  const store = await storeWith([file, other]);
  const { content, upkeep, stats } = await open(store, blocks, temporary(), { ...quiet, cacheBytes, ...more });
  const close = async (): Promise<void> => {
    await content.close();
    await store.close();
  };
  return { store, content, upkeep, stats, client: new Client(store, content), close };
}

test("a read that memory answers whole is a hit, one that it doesn't a miss, whatever is read and however often", async () => {
  const { content, stats, client, close } = await opened(16 * MiB);
  for (let i = 0; i < 3; i++) await client.write(file, i * page, new Uint8Array(page).fill(1), 0);
  await client.read(file, 0, page);
  await client.read(file, page / 2, 2 * page);
  expect([stats.reads.hits, stats.reads.misses]).toEqual([2, 0]);
  // A large write goes into a pack, past the pages.
  await client.write(other, 0, new Uint8Array(4 * page).fill(2), 0);
  await client.read(other, 0, page);
  expect([stats.reads.hits, stats.reads.misses]).toEqual([2, 1]);
  await client.read(other, 0, page);
  await client.read(other, page / 2, page);
  expect([stats.reads.hits, stats.reads.misses]).toEqual([3, 2]);
  await content.drain();
  await client.read(file, 0, 3 * page);
  expect([stats.reads.hits, stats.reads.misses]).toEqual([4, 2]);
  await close();
});

test("a page that makes room for another is an eviction, with the bytes it held", async () => {
  const { content, stats, client, close } = await opened(MiB);
  await client.write(file, 0, new Uint8Array(MiB / 2).fill(1), 0);
  await client.write(other, 0, new Uint8Array(MiB).fill(2), 0);
  await content.drain();
  for (let i = 0; i < 8; i++) await client.read(file, i * page, page);
  expect([stats.pages.evictions, stats.pages.pool.bytes]).toEqual([0, 8 * page]);
  for (let i = 0; i < 16; i++) await client.read(other, i * page, page);
  // 24 pages were read, and 16 fit.
  expect([stats.pages.evictions, stats.pages.evictedBytes, stats.pages.pool.bytes]).toEqual([8, 8 * page, 16 * page]);
  expect(stats.pages.pool.capacity).toBe(MiB);
  await close();
});

test("log records and their bytes are counted, and syncs once for all who share one", async () => {
  const { content, stats, client, close } = await opened(16 * MiB);
  await client.write(file, 0, new Uint8Array(800), 0);
  await client.write(file, 800, new Uint8Array(200), 0);
  await client.write(other, 0, new Uint8Array(4 * page), 0);
  expect([stats.log.stats.records, stats.log.stats.bytes]).toEqual([3, 2 * recordHeaderBytes + 1000 + pointerBytes]);
  const before = stats.log.stats.syncs.count;
  await Promise.all([content.durable(file), content.durable(other)]);
  expect(stats.log.stats.syncs.count - before).toBe(1);
  await content.durable(file);
  expect(stats.log.stats.syncs.count - before).toBe(1);
  await close();
});

test("flushes are counted by what came of them, packs when they are stored, and what the store is away for says so", async () => {
  const blocks = openMemoryBlocks({ bytesMax: 256 * MiB });
  const put = blocks.put.bind(blocks);
  let away = true;
  blocks.put = async (key, source) => {
    if (away) throw new StoreUnavailableError("away");
    await put(key, source);
  };
  const { content, stats, client, close } = await opened(16 * MiB, blocks);
  await client.write(file, 0, new Uint8Array(MiB).fill(3), 0);
  expect(stats.health.isReachable).toBe(true);
  const drained = content.drain();
  await until("a flush to fail", 5_000, () => (stats.flushes.away > 0 ? true : null));
  expect([stats.flushes.stored, stats.flushes.away, stats.flushes.durations.count]).toEqual([0, 1, 1]);
  expect([stats.health.isReachable, stats.packs.stored]).toEqual([false, 0]);
  away = false;
  await drained;
  expect([stats.flushes.stored, stats.flushes.failed, stats.flushes.noRoom]).toEqual([1, 0, 0]);
  expect([stats.health.isReachable, stats.packs.stored]).toEqual([true, 1]);
  expect(stats.packs.storedBytes).toBeGreaterThan(MiB);
  await close();
});

test("writers that wait are counted, and those for whom there is no room", async () => {
  const { content, stats, client, close } = await opened(16 * MiB, undefined, { limits: { ...quiet.limits, dirtyBytesMax: MiB } });
  for (let i = 0; i < 10; i++) await client.write(file, i * 100_000, new Uint8Array(100_000), 0);
  const waiting = content.admit(100_000);
  await Promise.resolve();
  expect([stats.writers.delayed, stats.writers.turnedAway]).toEqual([1, 0]);
  expect(await waiting).toBeNull();
  expect(stats.writers.waiters).toBe(0);
  await close();
});

test("a collection counts its passes, what it deletes, and what it leaves", async () => {
  const { store, content, upkeep, stats, client, close } = await opened(16 * MiB);
  await client.write(file, 0, new Uint8Array(MiB).fill(5), 0);
  await content.drain();
  await client.write(other, 0, new Uint8Array(2 * MiB).fill(6), 0);
  await content.drain();
  expect(stats.garbage.packs).toBeNull();
  await upkeep.collect();
  expect([stats.garbage.done, stats.garbage.deleted, stats.garbage.packs]).toEqual([1, 0, { count: 2, bytes: 3 * MiB, liveBytes: 3 * MiB }]);
  await removeFile(store, content, file);
  await upkeep.collect();
  expect([stats.garbage.done, stats.garbage.failed, stats.garbage.deleted, stats.garbage.deletedBytes]).toEqual([2, 0, 1, MiB]);
  expect(stats.garbage.packs).toEqual({ count: 1, bytes: 2 * MiB, liveBytes: 2 * MiB });
  expect([stats.garbage.durations.count, stats.garbage.endedAt === null]).toEqual([2, false]);
  await close();
});

test("stored content that is missing is a damage each time somebody reads it", async () => {
  const blocks = openMemoryBlocks({ bytesMax: 256 * MiB });
  const { content, stats, client, store, close } = await opened(16 * MiB, blocks);
  await client.write(file, 0, new Uint8Array(MiB).fill(5), 0);
  await content.drain();
  const keys: string[] = [];
  for await (const { key } of blocks.list("")) keys.push(key);
  await blocks.delete(keys);
  const read = await content.read((await store.inode(file))!, 0, page);
  expect(read).toBe(FsError.of("io"));
  expect([stats.health.lostObjects, stats.health.damagesFound]).toEqual([1, 1]);
  await content.read((await store.inode(file))!, 0, page);
  expect([stats.health.lostObjects, stats.health.damagesFound]).toEqual([1, 2]);
  await close();
});
