import { expect, test } from "bun:test";
import { openMemoryBlocks } from "#blocks/index.ts";
import { deriveContentLimits, type GivenLimits } from "#cache/index.ts";
import type { FileId } from "#model/ids.ts";
import { until } from "../../support/wait.ts";
import { Client, type Content, open, storeWith, temporary } from "./content-kit.ts";

/** Limits, durability and drains of a content that serves meanwhile. */

const MiB = 1024 * 1024;
const file = 100 as FileId;
const hour = 3_600_000;

function limitsOf(dirtyBytesMax: number): GivenLimits {
  return { dirtyBytesMax, unstoredBytesMax: 64 * MiB, flushAgeMs: hour, flushBytes: 64 * MiB };
}

function setDirtyMax(content: Content, dirtyBytesMax: number, cacheBytes = 16 * MiB): void {
  content.setLimits(deriveContentLimits({ limits: limitsOf(dirtyBytesMax), cacheBytes, segmentBytes: 4 * MiB }), cacheBytes);
}

async function opened(dirtyBytesMax: number) {
  const store = await storeWith([file]);
  const { content } = await open(store, openMemoryBlocks({ bytesMax: 256 * MiB }), temporary(), { limits: limitsOf(dirtyBytesMax), cacheBytes: 16 * MiB });
  return { store, content, client: new Client(store, content) };
}

test("a smaller limit holds writers back from the next write on, a larger one lets those who wait go on", async () => {
  const { store, content, client } = await opened(4 * MiB);
  for (let i = 0; i < 20; i++) await client.write(file, i * 100_000, new Uint8Array(100_000), 0);
  expect(content.admit(100_000)).toBeNull();
  // Nothing is due for an hour, but whoever waits has the flusher begin: what it stores makes room.
  setDirtyMax(content, MiB);
  const waiting = content.admit(100_000);
  expect(waiting).toBeInstanceOf(Promise);
  setDirtyMax(content, 4 * MiB);
  expect(await waiting).toBeNull();
  await content.close();
  await store.close();
});

test("less page memory is given back at once as far as it is clean; what was written stays", async () => {
  const { store, content, client } = await opened(8 * MiB);
  const bytes = new Uint8Array(100_000).fill(7);
  for (let i = 0; i < 50; i++) await client.write(file, i * 100_000, bytes, 0);
  await content.drain();
  expect(content.dirtyBytes).toBe(0);
  setDirtyMax(content, 2 * MiB, 4 * MiB);
  for (let i = 0; i < 50; i++) expect(Buffer.compare(await client.read(file, i * 100_000, 100_000), bytes)).toBe(0);
  await content.close();
  await store.close();
});

test("what is acknowledged from a change of durability on is synced, what was written before it included", async () => {
  const store = await storeWith([file]);
  const { content } = await open(store, openMemoryBlocks({ bytesMax: 256 * MiB }), temporary(), { limits: limitsOf(4 * MiB), durability: "writeback" });
  const client = new Client(store, content);
  await client.write(file, 0, new Uint8Array(1000), 0);
  await content.durable(file);
  // Written to the kernel: nothing is left to wait for in this tier.
  expect(content.durable(file)).toBeNull();
  content.setDurability("local");
  expect(content.durable(file)).toBeInstanceOf(Promise);
  expect(await content.durable(file)).toBeNull();
  content.setDurability("writeback");
  expect(content.durable(file)).toBeNull();
  await content.close();
  await store.close();
});

test("a drain ends with what was accepted before it, or when it is given up", async () => {
  const { store, content, client } = await opened(8 * MiB);
  await client.write(file, 0, new Uint8Array(100_000), 0);
  const { accepted, oldest } = content.progress;
  expect([oldest <= accepted, content.dirtyBytes]).toEqual([true, 100_000]);
  await content.drain();
  expect(content.progress.oldest).toBe(Number.POSITIVE_INFINITY);
  await client.write(file, 0, new Uint8Array(100_000), 0);
  await content.drain(() => true);
  expect(content.dirtyBytes).toBe(100_000);
  await content.close();
  await store.close();
});

test("what is written over and over is stored for the log's length once that is eight times flush_size, and not before", async () => {
  const store = await storeWith([file]);
  const limits = { dirtyBytesMax: 4 * MiB, unstoredBytesMax: 64 * MiB, flushAgeMs: hour, flushBytes: 2 * MiB };
  const { content, stats } = await open(store, openMemoryBlocks({ bytesMax: 256 * MiB }), temporary(), { limits, cacheBytes: 16 * MiB, segmentBytes: MiB });
  const client = new Client(store, content);
  const page = new Uint8Array(64 * 1024);
  /** A record is a little longer than what is written. */
  const pages = Math.floor((16 * MiB) / (page.length + 256));
  for (let i = 0; i < pages - 1; i++) await client.write(file, 0, page, 0);
  expect([stats.flushes.stored, content.dirtyBytes]).toEqual([0, page.length]);
  for (let i = 0; i < 4; i++) await client.write(file, 0, page, 0);
  await until("a flush", 10_000, () => (stats.flushes.stored === 1 ? true : null));
  await content.close();
  await store.close();
});
