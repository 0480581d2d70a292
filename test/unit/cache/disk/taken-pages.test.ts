import { afterEach, beforeEach, expect, test } from "bun:test";
import fs from "node:fs";
import { systemClock } from "#base/clock.ts";
import { takePages } from "#cache/disk/fetched-pages.ts";
import { Fetches, pieceBytesMax } from "#cache/disk/fetches.ts";
import { BufferPool, blockBytes, pageBytes } from "#cache/pages/pool.ts";
import type { Came } from "#model/block-store.ts";
import type { FileId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { Client, type Content, open, storeWith, temporary } from "../content-kit.ts";
import { block, contentOf, CountingStore, MiB, openCache } from "./kit.ts";

/** What is read ahead comes into memory of pages, and is read while the rest of it is still to come. */

const id = 101 as FileId;
const calm = { dirtyBytesMax: 512 * MiB, unstoredBytesMax: 1024 * MiB, flushAgeMs: 3_600_000, flushBytes: 512 * MiB };

let directory: string;
beforeEach(() => {
  directory = temporary();
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

/** A store whose answers come bit by bit, as a test says. */
class Trickle extends CountingStore {
  readonly answers: { readonly length: number; readonly come: (upTo: number) => void; readonly fail: (error: Error) => void }[] = [];

  constructor() {
    super();
    this.blocks.get = (key, offset, length, target, came) => this.trickled(key, offset, length, target, came);
  }

  private async trickled(key: string, offset: number, length: number, target: Uint8Array = new Uint8Array(length), came: Came = () => {}): Promise<Uint8Array> {
    this.gets.push({ key, offset, length });
    const bytes = await this.store.get(key, offset, length);
    const whole = Promise.withResolvers<Uint8Array>();
    let done = 0;
    const come = (upTo: number) => {
      target.set(bytes.subarray(done, upTo), done);
      done = upTo;
      came(done);
      if (done === length) whole.resolve(target);
    };
    this.answers.push({ length, come, fail: whole.reject });
    return await whole.promise;
  }
}

const turns = async () => {
  for (let i = 0; i < 4; i++) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
};

test("pages of a range that is on its way are given as they come, stay when the rest fails, and go back to the pool", async () => {
  const store = new Trickle();
  const [key = ""] = await store.fill(1, 3 * pieceBytesMax);
  const pool = new BufferPool(64 * MiB);
  const fetches = new Fetches(store.blocks, systemClock, 64 * MiB, () => false);
  fetches.pool = pool;
  const expected = contentOf(0, 3 * pieceBytesMax);
  for (const outcome of ["whole", "cut", "cut", "whole", "cut"] as const) {
    expect(fetches.beginAhead(key, 0, pieceBytesMax)).toBe(true);
    const fetch = fetches.find(key, 0, block);
    if (fetch === null) throw new Error("what was asked for is not on its way");
    await turns();
    const answer = store.answers.shift();
    let isThere = false;
    const waited = fetch.upTo(2 * block).then(() => (isThere = true));
    const never = fetch.upTo(pieceBytesMax).then(
      () => "whole",
      () => "cut",
    );
    answer?.come(2 * block - 1);
    await turns();
    expect([isThere, takePages(fetches, key, 0, 2 * block)]).toEqual([false, null]);
    expect(takePages(fetches, key, 0, block)?.map((page) => (page.release(), page.refs))).toEqual([1]);
    answer?.come(2 * block);
    await waited;
    const taken = takePages(fetches, key, 0, 2 * block);
    if (taken === null) throw new Error("what came was not given");
    for (const page of taken) page.count();
    expect(pool.bytes).toBe(2 * pageBytes);
    if (outcome === "whole") answer?.come(pieceBytesMax);
    else answer?.fail(new Error("cut"));
    expect(await never).toBe(outcome);
    const rest = takePages(fetches, key, 2 * block, pieceBytesMax);
    expect(rest === null).toBe(outcome === "cut");
    // All of it was taken, or it failed: the fetch holds nothing any more.
    for (const [i, page] of taken.entries()) {
      expect(page.refs).toBe(1);
      expect(Buffer.compare(page.bytes, expected.subarray(i * block, (i + 1) * block))).toBe(0);
      page.release();
    }
    for (const page of rest ?? []) page.release();
    expect(pool.bytes).toBe(0);
    expect(fetches.find(key, 0, block)).toBeNull();
    // Another range has the same memory.
    expect(pool.memoryBytes).toBe(blockBytes);
  }
  fetches.close();
});

test("what is dropped or let go of gives its memory back, once nobody reads it and nothing is written to the disk from it", async () => {
  const store = new CountingStore();
  const [key = ""] = await store.fill(1, 2 * pieceBytesMax);
  const pool = new BufferPool(64 * MiB);
  const fetches = new Fetches(store.blocks, systemClock, 64 * MiB, () => true);
  fetches.pool = pool;
  const lendable = () => {
    const lent = pool.lend(1, 0);
    lent?.pages[0]?.release();
    return pool.memoryBytes / blockBytes;
  };
  fetches.beginAhead(key, 0, pieceBytesMax);
  const fetch = fetches.find(key, 0, block);
  if (fetch === null) throw new Error("what was asked for is not on its way");
  await fetch.arrived;
  await turns();
  fetch.readers++;
  fetches.drop(key, 0, block);
  fetches.saved(fetch, false);
  expect([fetch.pages === null, lendable()]).toEqual([false, 2]);
  fetches.left(fetch);
  expect([fetch.pages, fetch.bytes.byteLength]).toEqual([null, 0]);
  fetches.beginAhead(key, pieceBytesMax, 2 * pieceBytesMax);
  expect(pool.memoryBytes).toBe(2 * blockBytes);
  fetches.close();
});

test("a pool in pieces lends no more than is bounded, and what is read ahead then lies elsewhere", () => {
  const pool = new BufferPool(32 * MiB);
  const kept = [];
  let lent = 0;
  // Each time one page of a block stays, as where a reader comes back to some of what he read.
  for (let i = 0; i < 100; i++) {
    const piece = pool.lend(blockBytes / pageBytes, 8 * MiB);
    if (piece === null) continue;
    lent++;
    for (const [p, page] of piece.pages.entries()) {
      if (p > 0) page.release();
      else {
        page.count();
        kept.push(page);
      }
    }
  }
  expect(lent).toBe((32 + 8 + 16) / 8);
  expect(pool.memoryBytes).toBe(56 * MiB);
  for (const page of kept) page.release();
  expect(pool.bytes).toBe(0);
  for (let i = 0; i < 100; i++) for (const page of pool.lend(blockBytes / pageBytes, 8 * MiB)?.pages ?? []) page.release();
  expect(pool.memoryBytes).toBe(56 * MiB);
});

let metadata: MetadataStore;
let content: Content;
let client: Client;

async function withContent(store: CountingStore, run: (cache: Awaited<ReturnType<typeof openCache>>) => Promise<void>, cacheBytes = 16 * MiB): Promise<void> {
  const cache = await openCache(store.blocks, directory, { limits: { bytesMax: 0, aheadBytesMax: 64 * MiB }, keyPrefix: "" });
  ({ content } = await open(metadata, cache, directory, { limits: calm, cacheBytes, garbage: { graceMs: 0, intervalMs: 3_600_000 } }));
  client = new Client(metadata, content);
  await run(cache);
  await content.close();
  await cache.close();
}

/** A file that lies in the store alone, written in writes of 1 MiB that come in no order, its end in a page. */
async function stored(store: CountingStore, length: number): Promise<Uint8Array> {
  metadata = await storeWith([id]);
  const bytes = contentOf(1, length);
  await withContent(store, async () => {
    const count = Math.ceil(length / MiB);
    for (let i = 0; i < count; i++) {
      const at = (i % 8 === 7 ? i - 7 : Math.min(i + 1, count - 1)) * MiB;
      await client.write(id, at, bytes.subarray(at, Math.min(at + MiB, length)), 0);
    }
    for (let at = 0; at < length; at += MiB) await client.write(id, at, bytes.subarray(at, Math.min(at + MiB, length)), 0);
    await content.drain();
  });
  store.gets.length = 0;
  return bytes;
}

test("a file read in order, written to meanwhile, is what it should be, and its pages are those it was read ahead into", async () => {
  const store = new CountingStore();
  const bytes = await stored(store, 70 * MiB + 12_345);
  await withContent(store, async (cache) => {
    let taken = 0;
    const take = cache.take.bind(cache);
    cache.take = (key, from, to) => {
      const pages = take(key, from, to);
      if (pages !== null) taken += to - from;
      return pages;
    };
    for (let at = 0; at < bytes.length; at += MiB) {
      const got = await client.read(id, at, Math.min(MiB, bytes.length - at));
      expect(Buffer.compare(got, bytes.subarray(at, Math.min(at + MiB, bytes.length)))).toBe(0);
      // Over what was just read, and what was read ahead.
      for (const [to, length] of [[at + 1000, 70_000], [at + 3 * MiB + 5, 300]] as const) {
        if (to + length > bytes.length) continue;
        bytes.fill(at & 0xff | 1, to, to + length);
        await client.write(id, to, bytes.subarray(to, to + length), 0);
      }
      expect(Buffer.compare(await client.read(id, at, Math.min(MiB, bytes.length - at)), bytes.subarray(at, Math.min(at + MiB, bytes.length)))).toBe(0);
    }
    expect(taken).toBeGreaterThan(20 * MiB);
  });
});

test("what was read ahead and is not what was put is given to nobody: it is read again, and an error if it stays so", async () => {
  const store = new CountingStore();
  const bytes = await stored(store, 40 * MiB);
  const { get } = store.blocks;
  let harm: (key: string, offset: number, length: number) => boolean = () => false;
  let harmed = 0;
  store.blocks.get = async (key, offset, length, target, came) => {
    const got = await get(key, offset, length, target);
    if (harm(key, offset, length) && ++harmed > 0) for (let at = 70_000; at < length; at += MiB) got[at] = (got[at] as number) ^ 1;
    came?.(length);
    return got;
  };
  for (const forEver of [false, true]) {
    const asked = new Set<string>();
    harmed = 0;
    // Long ranges are those that are read ahead; for ever, the short ones too.
    harm = (key, offset, length) => length >= 4 * MiB || (forEver && offset >= 8 * MiB && asked.add(`${key} ${offset}`).size > 0);
    await withContent(store, async () => {
      let errors = 0;
      for (let at = 0; at < bytes.length; at += MiB) {
        try {
          expect(Buffer.compare(await client.read(id, at, MiB), bytes.subarray(at, at + MiB))).toBe(0);
        } catch (error) {
          if ((error as Error).message !== "io") throw error;
          errors++;
        }
      }
      expect(harmed).toBeGreaterThan(3);
      expect(errors > 0).toBe(forEver);
      harm = () => false;
      for (let at = 0; at < bytes.length; at += MiB) expect(Buffer.compare(await client.read(id, at, MiB), bytes.subarray(at, at + MiB))).toBe(0);
    });
  }
});

test("a file with holes between its pages that is read in order is asked for once", async () => {
  const store = new CountingStore();
  metadata = await storeWith([id]);
  const bytes = contentOf(1, 48 * MiB);
  const data = MiB - block;
  await withContent(store, async () => {
    for (let at = 0; at < bytes.length; at += MiB) {
      bytes.fill(0, at + data, at + MiB);
      await client.write(id, at, bytes.subarray(at, at + data), 0);
    }
    await content.drain();
  });
  store.gets.length = 0;
  await withContent(store, async () => {
    for (let at = 0; at + MiB <= bytes.length - block; at += MiB) expect(Buffer.compare(await client.read(id, at, MiB), bytes.subarray(at, at + MiB))).toBe(0);
  });
  const asked = store.gets.reduce((sum, { length }) => sum + length, 0);
  expect(asked).toBeLessThan(bytes.length + MiB);
});
