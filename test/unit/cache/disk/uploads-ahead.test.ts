import { afterEach, beforeEach, expect, test } from "bun:test";
import fs from "node:fs";
import { openMemoryBlocks } from "#blocks/index.ts";
import { type BlockStore, type ObjectSource, StoreUnavailableError } from "#model/block-store.ts";
import type { CachedBlocks } from "#cache/disk/index.ts";
import type { FileId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { until } from "../../../support/wait.ts";
import { Client, type Content, copyOf, open, storeWith, temporary } from "../content-kit.ts";
import { contentOf, MiB, openCache } from "./kit.ts";

/** Packs that are put before the flush that needs them: nothing is put twice, nothing refers to them early, nothing of them is lost. */

const id = 101 as FileId;
const waitMs = 4_000;
/** A flush is due for less than three packs, and never by age. */
const limits = { dirtyBytesMax: 512 * MiB, unstoredBytesMax: 1024 * MiB, flushAgeMs: 3_600_000, flushBytes: 40 * MiB };
const first = 48 * MiB;
const all = 128 * MiB;
const bytes = contentOf(3, all);

/** A bucket whose uploads wait until they are let go. */
class Bucket {
  readonly memory = openMemoryBlocks({ bytesMax: 2 ** 30 });
  readonly begun: string[] = [];
  readonly failed: unknown[] = [];
  /** Uploads from this one on fail, this often. */
  failFrom = Number.POSITIVE_INFINITY;
  failures = 0;
  private waiting: { readonly number: number; readonly go: () => void }[] = [];
  private open = (_number: number): boolean => false;

  readonly blocks: BlockStore = {
    put: async (key: string, source: ObjectSource) => {
      const number = this.begun.push(key);
      if (!this.open(number)) await new Promise<void>((go) => this.waiting.push({ number, go }));
      try {
        if (number >= this.failFrom && this.failures > 0) {
          this.failures--;
          throw new StoreUnavailableError("the bucket can't be reached");
        }
        await this.memory.put(key, source);
      } catch (error) {
        this.failed.push(error);
        throw error;
      }
    },
    get: (key, offset, length, target) => this.memory.get(key, offset, length, target),
    size: (key) => this.memory.size(key),
    delete: (keys) => this.memory.delete(keys),
    list: (prefix) => this.memory.list(prefix),
    space: () => this.memory.space(),
    close: async () => {},
  };

  /** Lets uploads go, those of now and those to come, that `which` says. */
  release(which: (number: number) => boolean = () => true): void {
    this.open = which;
    const held = this.waiting;
    this.waiting = held.filter(({ number }) => !which(number));
    for (const { number, go } of held) if (which(number)) go();
  }
}

let metadata: MetadataStore;
let bucket: Bucket;
let directory: string;
const opened: { content: Content; cache: CachedBlocks; close(): Promise<void> }[] = [];

beforeEach(async () => {
  metadata = await storeWith([id]);
  bucket = new Bucket();
  directory = temporary();
});
afterEach(async () => {
  bucket.release();
  for (const { close } of opened.splice(0)) await close();
  fs.rmSync(directory, { recursive: true, force: true });
});

async function start(at = directory): Promise<{ content: Content; cache: CachedBlocks; client: Client }> {
  const cache = await openCache(bucket.blocks, at, { keyPrefix: "" });
  const { content } = await open(metadata, cache, at, { limits, cacheBytes: 16 * MiB, garbage: { graceMs: 0, intervalMs: 3_600_000 } });
  const close = async () => {
    await content.close();
    await cache.close();
  };
  opened.push({ content, cache, close });
  return { content, cache, client: new Client(metadata, content) };
}

async function write(client: Client, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += MiB) await client.write(id, at, bytes.subarray(at, at + MiB), 0);
}

const begun = (count: number) => until(`${count} uploads to begin`, waitMs, () => (bucket.begun.length >= count ? true : null));

/** So many that files are deleted, and synced, meanwhile. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) await fs.promises.stat(directory);
}

async function sameContent(client: Client): Promise<void> {
  for (let at = 0; at < all; at += MiB) expect(Buffer.compare(await client.read(id, at, MiB), bytes.subarray(at, at + MiB))).toBe(0);
}

/** Writes until a flush waits for the bucket with its packs, then more: of that, what is in full packs is on its way, too. */
async function writeAhead(client: Client): Promise<number> {
  await write(client, 0, first);
  await begun(3);
  const ofFlush = bucket.begun.length;
  await write(client, first, all);
  await begun(ofFlush + 4);
  return ofFlush;
}

test("full packs are on their way while a flush waits for its own; nothing refers to them before their flush, and each is put once", async () => {
  const { content, client } = await start();
  const ofFlush = await writeAhead(client);
  bucket.release((number) => number > ofFlush);
  await until("the packs ahead to be objects", waitMs, async () => ((await metadata.packs(0, 100)).length >= ofFlush + 4 ? true : null));
  expect(await metadata.extents(id, 0, all, 100)).toEqual([]);
  bucket.release();
  await content.drain();
  expect(content.unstoredBytes).toBe(0);
  expect(new Set(bucket.begun).size).toBe(bucket.begun.length);
  expect(bucket.failed).toEqual([]);
  await sameContent(client);
});

test("one that could not be put is put by its flush", async () => {
  const { content, client } = await start();
  const ofFlush = await writeAhead(client);
  bucket.failFrom = ofFlush + 1;
  bucket.failures = 2;
  bucket.release();
  await content.drain();
  expect([content.unstoredBytes, content.storeError, bucket.failed.length]).toEqual([0, null, 2]);
  expect(new Set(bucket.begun).size).toBe(bucket.begun.length - 2);
  await sameContent(client);
}, 60_000);

test("its file stays while it is on its way, though its content was removed meanwhile; a stop waits for it", async () => {
  const { content, cache, client } = await start();
  const ofFlush = await writeAhead(client);
  content.forget(id);
  bucket.release((number) => number <= ofFlush);
  await until("the flush to end", waitMs, () => (content.oldestUnstoredMs === null ? true : null));
  // Nobody needs the log any more, nor packs that nobody holds.
  await turns();
  let closed = false;
  const closing = content.close().then(() => (closed = true));
  await turns();
  expect(closed).toBe(false);
  bucket.release();
  await closing;
  opened.length = 0;
  await cache.close();
  expect(bucket.failed).toEqual([]);
});

test("after a crash between their upload and their flush, what was acknowledged is all there", async () => {
  const { content, client } = await start();
  const ofFlush = await writeAhead(client);
  expect(await content.durable(id)).toBeNull();
  bucket.release((number) => number > ofFlush);
  const keys = bucket.begun.slice(ofFlush);
  await until("the packs ahead to be objects", waitMs, async () => ((await Promise.all(keys.map((key) => bucket.memory.size(key)))).every((size) => size !== null) ? true : null));
  const left = copyOf(directory);
  // What the dead process held never goes on.
  const dead = opened.splice(0);
  bucket.release((number) => number > bucket.begun.length);
  const after = await start(left);
  await sameContent(after.client);
  bucket.release((number) => number > ofFlush);
  await after.content.drain();
  expect(after.content.unstoredBytes).toBe(0);
  await sameContent(after.client);
  expect(dead.length).toBe(1);
  // Nor when the test is over.
  bucket = new Bucket();
  for (const { cache } of dead) await cache.close();
}, 60_000);
