import { afterEach, beforeEach, expect, test } from "bun:test";
import fs from "node:fs";
import { systemClock } from "#base/clock.ts";
import { Fetches, pieceBytesMax } from "#cache/disk/fetches.ts";
import { SeededRandom, seedFor } from "../../../support/seeded-random.ts";
import { temporary } from "../content-kit.ts";
import { block, contentOf, CountingStore, KiB, MiB, openCache } from "./kit.ts";

/** Memory that ranges are received into is another range's only once nobody reads it. */

let directory: string;
beforeEach(() => {
  directory = temporary();
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

const length = 48 * MiB;

test("whoever reads in order makes do with a few buffers", async () => {
  const store = new CountingStore();
  const [key = ""] = await store.fill(1, length);
  const fetches = new Fetches(store.blocks, systemClock, 24 * MiB, () => false);
  const expected = contentOf(0, length);
  for (let at = 0; at < length; at += pieceBytesMax) {
    expect(fetches.beginAhead(key, at, at + pieceBytesMax)).toBe(true);
    const fetch = fetches.find(key, at, at + block);
    if (fetch === null) throw new Error("what was asked for is not on its way");
    fetch.readers += 2;
    await fetch.arrived;
    expect(Buffer.compare(fetch.bytes, expected.subarray(at, at + pieceBytesMax))).toBe(0);
    fetches.took(fetch, pieceBytesMax);
    // The other reader comes later, after all was taken once.
    expect(Buffer.compare(fetch.bytes, expected.subarray(at, at + pieceBytesMax))).toBe(0);
    expect(fetches.find(key, at, at + block)).toBeNull();
    fetches.took(fetch, block);
    expect(fetch.bytes.byteLength).toBe(0);
  }
  expect(fetches.piecesMade).toBe(1);
  fetches.close();
});

test("what is written to the disk, or arrives for nobody, is no other range's meanwhile", async () => {
  const store = new CountingStore();
  const [key = ""] = await store.fill(1, length);
  const fetches = new Fetches(store.blocks, systemClock, 24 * MiB, () => true);
  fetches.beginAhead(key, 0, pieceBytesMax);
  const saved = fetches.find(key, 0, block);
  store.hold = true;
  fetches.beginAhead(key, pieceBytesMax, 2 * pieceBytesMax);
  const dropped = fetches.find(key, pieceBytesMax, pieceBytesMax + block);
  if (saved === null || dropped === null) throw new Error("what was asked for is not on its way");
  saved.readers++;
  await saved.arrived;
  fetches.took(saved, pieceBytesMax);
  expect(saved.bytes.byteLength).toBe(pieceBytesMax);
  fetches.saved(saved, true);
  expect(saved.bytes.byteLength).toBe(0);
  // One that is dropped while it is written to the disk.
  const other = 2 * pieceBytesMax;
  store.hold = false;
  fetches.beginAhead(key, other, other + pieceBytesMax);
  const written = fetches.find(key, other, other + block);
  if (written === null) throw new Error("what was asked for is not on its way");
  written.readers++;
  await written.arrived;
  fetches.drop(key, other, other + pieceBytesMax);
  fetches.took(written, block);
  expect(written.bytes.byteLength).toBe(pieceBytesMax);
  fetches.saved(written, false);
  expect(written.bytes.byteLength).toBe(0);
  expect(fetches.drop(key, pieceBytesMax, 2 * pieceBytesMax)).toBe(true);
  expect(dropped.bytes.byteLength).toBe(pieceBytesMax);
  store.release();
  await dropped.arrived;
  await Promise.resolve();
  expect(dropped.bytes.byteLength).toBe(0);
  fetches.close();
});

test("readers of all kinds, at the same time, get what they asked for", async () => {
  const random = new SeededRandom(seedFor("fetch buffers", "FETCH_SEED"));
  const store = new CountingStore();
  const keys = await store.fill(3, length);
  const contents = keys.map((_, i) => contentOf(i, length));
  for (const bytesMax of [0, 256 * MiB]) {
    const cache = await openCache(store.blocks, directory, { limits: { bytesMax, aheadBytesMax: 32 * MiB } });
    const readers: Promise<void>[] = [];
    for (let round = 0; round < 40; round++) {
      const index = random.below(3);
      const key = keys[index] as string;
      const expected = contents[index] as Uint8Array;
      if (random.chance(0.4)) cache.prefetch(key, random.below(length / block - 128) * block, pieceBytesMax);
      if (random.chance(0.1)) cache.distrust(key, random.below(length), MiB);
      for (let i = 0; i < 4; i++) {
        const bytes = random.pick([100 * KiB, MiB, 6 * MiB]);
        const offset = random.below(length - bytes);
        readers.push(cache.get(key, offset, bytes).then((found) => expect(Buffer.compare(found, expected.subarray(offset, offset + bytes))).toBe(0)));
      }
      if (readers.length > 12) await Promise.all(readers.splice(0, 8));
    }
    await Promise.all(readers);
    await cache.close();
  }
}, 60_000);
