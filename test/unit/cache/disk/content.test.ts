import { afterEach, beforeEach, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { type CacheFiles, systemCacheFiles, warm } from "#cache/disk/index.ts";
import { stepBytes, windowBytesMax } from "#cache/read-ahead.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { until } from "../../../support/wait.ts";
import { Client, type Content, open, storeWith, temporary } from "../content-kit.ts";
import { block, contentOf, copiesIn, CountingStore, MiB, openCache } from "./kit.ts";

/** Files over content over the cache: what readers of files see. */

const id = 101 as FileId;
const calm = { dirtyBytesMax: 512 * MiB, unstoredBytesMax: 1024 * MiB, flushAgeMs: 3_600_000, flushBytes: 512 * MiB };
/** The keys of a share's objects begin with its instance, which is another in each of these stores. */
const anyKey = "";

let store: CountingStore;
let metadata: MetadataStore;
let directory: string;
let content: Content;
let client: Client;
beforeEach(async () => {
  store = new CountingStore();
  metadata = await storeWith([id]);
  directory = temporary();
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

let cache: Awaited<ReturnType<typeof openCache>>;

async function start(bytesMax = 512 * MiB, files: CacheFiles = systemCacheFiles): Promise<void> {
  cache = await openCache(store.blocks, directory, { limits: { bytesMax, aheadBytesMax: 64 * MiB }, keyPrefix: anyKey, files });
  ({ content } = await open(metadata, cache, directory, { limits: calm, cacheBytes: 16 * MiB, garbage: { graceMs: 0, intervalMs: 3_600_000 } }));
  client = new Client(metadata, content);
}

async function stop(): Promise<void> {
  await content.close();
  await cache.close();
}

/** Writes a file in writes of 1 MiB, has it stored, and forgets all copies unless they are to be kept. */
async function stored(length: number, keep = false): Promise<Uint8Array> {
  await start();
  await cache.settled();
  const bytes = contentOf(1, length);
  for (let at = 0; at < length; at += MiB) {
    await client.write(id, at, bytes.subarray(at, Math.min(at + MiB, length)), 0);
    if (at % (32 * MiB) === 0) await content.drain();
  }
  await content.drain();
  await stop();
  if (!keep) fs.rmSync(join(directory, "disk"), { recursive: true, force: true });
  store.gets.length = 0;
  return bytes;
}

async function readAll(length: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < length; at += MiB) parts.push(await client.read(id, at, Math.min(MiB, length - at)));
  return Buffer.concat(parts);
}

test("packs that were uploaded are read from the disk after a restart, with no request", async () => {
  const bytes = await stored(20 * MiB + 5, true);
  await start();
  expect(Buffer.compare(await readAll(bytes.length), bytes)).toBe(0);
  expect(store.gets).toEqual([]);
  await stop();
});

test("damaged copies are never given: the bytes are fetched anew, and the copies replaced", async () => {
  const bytes = await stored(6 * MiB + 5, true);
  for (const copy of copiesIn(directory)) {
    const fd = fs.openSync(copy, "r+");
    for (let at = 1000; at < fs.fstatSync(fd).size; at += 7 * block + 13) fs.writeSync(fd, Buffer.from([0xff, 0x00, 0xaa, 0x55, 0x11]), 0, 5, at);
    fs.closeSync(fd);
  }
  await start();
  expect(Buffer.compare(await readAll(bytes.length), bytes)).toBe(0);
  expect([cache.stats.damaged > 0, store.gets.length > 0]).toEqual([true, true]);
  await cache.settled();
  await stop();
  store.gets.length = 0;
  await start();
  expect(Buffer.compare(await readAll(bytes.length), bytes)).toBe(0);
  expect(cache.stats.damaged).toBe(0);
  await stop();
});

test("bytes that came damaged from the store are asked for again, and no copy of them stays", async () => {
  const bytes = await stored(3 * MiB);
  const { blocks } = store;
  const get = blocks.get;
  let damaged = 0;
  let broken = 1;
  store.blocks.get = async (key, offset, length, target) => {
    const got = await get(key, offset, length, target);
    if (broken-- > 0 && ++damaged > 0) got[length >> 1] = (got[length >> 1] as number) ^ 1;
    return got;
  };
  await start();
  expect(Buffer.compare(await readAll(bytes.length), bytes)).toBe(0);
  expect(damaged).toBe(1);
  await cache.settled();
  await stop();
  // For ever: an error, and no copy that a later read would trip over.
  fs.rmSync(join(directory, "disk"), { recursive: true, force: true });
  broken = Number.POSITIVE_INFINITY;
  await start();
  await expect(client.read(id, 0, MiB)).rejects.toThrow("io");
  await cache.settled();
  broken = 0;
  expect(Buffer.compare(await readAll(bytes.length), bytes)).toBe(0);
  await stop();
});

for (const [disk, bytesMax, hangs] of [
  ["no disk", 0, false],
  ["a disk", 512 * MiB, false],
  ["a disk that hangs", 512 * MiB, true],
] as const) {
  test(`a file read in order has at least 32 MiB on their way to a reader that waits, with ${disk}`, async () => {
    const bytes = await stored(160 * MiB);
    const hanging = Promise.withResolvers<void>();
    const { files, busy } = watched(systemCacheFiles);
    await start(bytesMax, hangs ? { ...files, write: () => hanging.promise } : files);
    store.hold = true;
    let least = Number.POSITIVE_INFINITY;
    for (let at = 0; at < bytes.length; at += MiB) {
      let done = false;
      const read = client.read(id, at, MiB).then((got) => {
        done = true;
        expect(Buffer.compare(got, bytes.subarray(at, at + MiB))).toBe(0);
      });
      // The store answers in order, and one more only where the reader still waits.
      for (let answers = 0; !done; answers++) {
        expect(answers).toBeLessThan(100);
        await settledTurns(busy);
        if (done) break;
        if (at >= 16 * MiB && at < bytes.length - windowBytesMax - stepBytes) least = Math.min(least, store.inFlightBytes);
        store.release(1);
        await settledTurns(busy);
      }
      await read;
    }
    expect(least).toBeGreaterThanOrEqual(32 * MiB);
    expect(least).toBeLessThanOrEqual(64 * MiB);
    // Nothing was asked for twice.
    expect(store.gets.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(bytes.length + MiB);
    store.hold = false;
    store.release();
    hanging.resolve();
    await stop();
  }, 60_000);
}

test("random reads ask for the frames they need and no more", async () => {
  const bytes = await stored(64 * MiB);
  await start();
  for (let i = 0; i < 50; i++) {
    const at = ((i * 37) % 64) * MiB + i * 4096;
    expect(Buffer.compare(await client.read(id, at, 4096), bytes.subarray(at, at + 4096))).toBe(0);
  }
  expect(store.gets.length).toBeLessThanOrEqual(50);
  expect(store.gets.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(50 * 2 * block);
  expect(cache.stats.aheadBytes).toBe(0);
  await stop();
});

test("what is alive in a pack that is rewritten is fetched by a few requests, however scattered it is", async () => {
  const bytes = await stored(4 * MiB);
  await start(0);
  const [old] = await metadata.packs(0, 1);
  const page = 4096;
  for (let at = 0; at < bytes.length; at += page) {
    if ((at / page) % 5 >= 3) continue;
    bytes.fill(7, at, at + page);
    await client.write(id, at, bytes.subarray(at, at + page), 0);
  }
  await content.drain();
  await stop();
  store.gets.length = 0;
  cache = await openCache(store.blocks, directory, { limits: { bytesMax: 0, aheadBytesMax: 64 * MiB }, keyPrefix: anyKey });
  ({ content } = await open(metadata, cache, directory, { limits: calm, cacheBytes: 16 * MiB, garbage: { graceMs: 0, intervalMs: 20 } }));
  client = new Client(metadata, content);
  await until("the pack to be rewritten", 20_000, async () => ((await metadata.pack(old?.id as PackId)) === null ? true : null));
  expect(store.gets.length).toBeGreaterThan(0);
  expect(store.gets.length).toBeLessThanOrEqual(4);
  expect(Buffer.compare(await client.read(id, 0, bytes.length), bytes)).toBe(0);
  await stop();
}, 60_000);

test("warming fetches each byte once, the newest first, and stops where there is no room; nothing goes for it", async () => {
  const bytes = await stored(48 * MiB);
  await start(512 * MiB);
  expect(await warm(cache, metadata)).toEqual({ bytes: bytes.length, complete: true });
  expect(store.gets.reduce((sum, { length }) => sum + length, 0)).toBe(bytes.length);
  expect(await warm(cache, metadata)).toEqual({ bytes: 0, complete: true });
  store.gets.length = 0;
  expect(Buffer.compare(await readAll(bytes.length), bytes)).toBe(0);
  expect(store.gets).toEqual([]);
  expect(await cache.evict()).toBeGreaterThan(bytes.length);
  expect(copiesIn(directory)).toEqual([]);
  await stop();
  await start(30 * MiB);
  const some = await warm(cache, metadata);
  expect(some.complete).toBe(false);
  expect(some.bytes).toBeGreaterThan(16 * MiB);
  expect(cache.stats.evictedBytes).toBe(0);
  expect(cache.stats.bytes).toBeLessThanOrEqual(30 * MiB);
  store.gets.length = 0;
  expect(Buffer.compare(await client.read(id, 47 * MiB, MiB), bytes.subarray(47 * MiB))).toBe(0);
  expect(store.gets).toEqual([]);
  store.down = new Error("away");
  await expect(warm(cache, metadata).then(({ complete }) => complete)).resolves.toBe(false);
  await cache.evict();
  await expect(warm(cache, metadata)).rejects.toThrow("away");
  await stop();
});

/** These file operations, and whether any of them is under way. */
function watched(files: CacheFiles): { readonly files: CacheFiles; readonly busy: () => boolean } {
  let underWay = 0;
  const counted =
    <Arguments extends unknown[], Result>(operation: (...args: Arguments) => Promise<Result>) =>
    async (...args: Arguments): Promise<Result> => {
      underWay++;
      try {
        return await operation(...args);
      } finally {
        underWay--;
      }
    };
  const { makeDirectory, open, close, read, write, link, rename, unlink, names, stat, freeBytes } = files;
  return {
    files: {
      makeDirectory: counted(makeDirectory),
      open: counted(open),
      close: counted(close),
      read: counted(read),
      write: counted(write),
      link: counted(link),
      rename: counted(rename),
      unlink: counted(unlink),
      names: counted(names),
      stat: counted(stat),
      freeBytes: counted(freeBytes),
    },
    busy: () => underWay > 0,
  };
}

/** Lets everything run that waits for nothing but turns of the event loop and the thread pool's answers. */
async function settledTurns(busy: () => boolean): Promise<void> {
  for (let quiet = 0; quiet < 8; quiet = busy() ? 0 : quiet + 1) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
}
