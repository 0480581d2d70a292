import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { type Faults, faultyBlocks } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import type { ContentOptions } from "#cache/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { Durability } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { until } from "../../support/wait.ts";
import { Client, compare, type Content, open, storeWith, temporary } from "./content-kit.ts";

/** Durability `remote`: what an acknowledged commit waited for, and what waiting together costs. */

const id = 101 as FileId;
const MiB = 2 ** 20;
/** Nothing is flushed but for commits. */
const calm = { dirtyBytesMax: 64 * MiB, unstoredBytesMax: 256 * MiB, flushAgeMs: 3_600_000, flushBytes: 64 * MiB };
const remotely = (more: Partial<ContentOptions> = {}): Partial<ContentOptions> => ({ durability: Durability.remote, limits: calm, cacheBytes: 128 * MiB, garbage: { graceMs: 0, intervalMs: 3_600_000 }, ...more });

/** What block store and metadata store hold, without anything of the local disk. */
async function elsewhere(store: MetadataStore, blocks: BlockStore, file: FileId, model: Uint8Array): Promise<void> {
  const { content } = await open(store, blocks, temporary(), { limits: calm });
  await compare(new Client(store, content), file, model);
  await content.close();
}

/** The store, whose sets of flushes wait for `gate`. */
function gated(store: MetadataStore, gate: Promise<void>): MetadataStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "apply") return value.bind(target);
      return async (set: Parameters<MetadataStore["apply"]>[0]) => {
        if (set.changes.some((change) => change.do === "storeContent")) await gate;
        return target.apply(set);
      };
    },
  });
}

/** Whether a promise is settled by the end of some turns of the event loop. */
async function isSettled(promise: unknown): Promise<boolean> {
  let settled = false;
  void Promise.resolve(promise).then(() => {
    settled = true;
  });
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

test("a commit is answered when the block store and the metadata store have the data, and not before", async () => {
  const store = await storeWith([id]);
  const memory = openMemoryBlocks();
  const putting = Promise.withResolvers<void>();
  const put = Promise.withResolvers<void>();
  const stored = Promise.withResolvers<void>();
  const faults: Faults = {
    before: (operation) => {
      if (operation !== "put") return;
      putting.resolve();
      return put.promise;
    },
  };
  const { content } = await open(gated(store, stored.promise), faultyBlocks(memory, faults), temporary(), remotely());
  const client = new Client(store, content);
  const model = new Uint8Array(200_000).fill(1);
  // Bytes that were handed over are the content's until they are written: they must not change any more.
  await client.write(id, 0, model.slice(), 0);
  await client.write(id, 0, model.fill(2, 0, 5_000).slice(0, 5_000), 0);
  const committed = Promise.resolve(content.durable(id));
  await putting.promise;
  expect(await isSettled(committed)).toBe(false);
  put.resolve();
  expect(await isSettled(committed)).toBe(false);
  stored.resolve();
  expect(await committed).toBeNull();
  expect(content.durable(id)).toBeNull();
  await elsewhere(store, memory, id, model);
  await content.close();
});

test("a commit waits for what was written before it, however much is written after it", async () => {
  const store = await storeWith([id]);
  const memory = openMemoryBlocks();
  const { content } = await open(store, memory, temporary(), remotely());
  const client = new Client(store, content);
  let last = Promise.resolve<FsError | null>(null);
  for (let i = 1; i <= 30; i++) {
    await client.write(id, i * 1000, new Uint8Array(1000).fill(i), 0);
    last = Promise.resolve(content.durable(id));
    if (i % 7 === 0) {
      expect(await last).toBeNull();
      const { content: copy } = await open(store, memory, temporary(), { limits: calm });
      expect(await new Client(store, copy).read(id, i * 1000, 1000)).toEqual(Buffer.alloc(1000, i));
      await copy.close();
    }
  }
  expect(await last).toBeNull();
  await content.close();
});

test("64 commits at once cost one object, and those that come while a flush is under way share the next", async () => {
  const first = Array.from({ length: 64 }, (_, i) => (1000 + i) as FileId);
  const later = Array.from({ length: 64 }, (_, i) => (2000 + i) as FileId);
  const store = await storeWith([...first, ...later]);
  let puts = 0;
  const gate = Promise.withResolvers<void>();
  const faults: Faults = {
    before: (operation) => {
      if (operation !== "put") return;
      puts++;
      return gate.promise;
    },
  };
  const memory = openMemoryBlocks();
  const { content } = await open(store, faultyBlocks(memory, faults), temporary(), remotely());
  const client = new Client(store, content);
  const commit = async (file: FileId): Promise<FsError | null> => {
    await client.write(file, 0, new Uint8Array(4096).fill(file % 251), 0);
    return content.durable(file);
  };
  const commits = first.map(commit);
  await until("the first flush", 10_000, () => (puts > 0 ? true : null));
  commits.push(...later.map(commit));
  expect(await isSettled(Promise.race(commits))).toBe(false);
  gate.resolve();
  expect((await Promise.all(commits)).every((outcome) => outcome === null)).toBe(true);
  expect(puts).toBe(2);
  for (const file of [...first, ...later]) expect(await client.read(file, 0, 1)).toEqual(Buffer.alloc(1, file % 251));
  await content.close();
});

test("the packs of one flush are put at the same time", async () => {
  const store = await storeWith([id]);
  let now = 0;
  const together = Promise.withResolvers<void>();
  const faults: Faults = {
    before: (operation) => {
      if (operation !== "put") return;
      if (++now === 4) together.resolve();
      return together.promise;
    },
  };
  const { content } = await open(store, faultyBlocks(openMemoryBlocks(), faults), temporary(), remotely());
  const client = new Client(store, content);
  for (let at = 0; at < 50 * MiB; at += MiB) await client.write(id, at, new Uint8Array(MiB).fill(7), 0);
  expect(await content.durable(id)).toBeNull();
  await content.close();
}, 60_000);

test("a dirty limit smaller than what one commit covers makes it slow, nothing else", async () => {
  const store = await storeWith([id]);
  const memory = openMemoryBlocks();
  const limits = { ...calm, dirtyBytesMax: 256 * 1024, unstoredBytesMax: 16 * MiB };
  const slow: Faults = { before: (operation) => (operation === "put" ? new Promise((resolve) => systemClock.after(20, resolve)) : undefined) };
  const { content } = await open(store, faultyBlocks(memory, slow), temporary(), remotely({ limits, segmentBytes: MiB, cacheBytes: 8 * MiB }));
  const client = new Client(store, content);
  const model = new Uint8Array(24 * MiB);
  for (let at = 0, i = 1; at < model.length; at += 100_000, i++) {
    const bytes = new Uint8Array(Math.min(100_000, model.length - at)).fill((i % 255) + 1);
    await client.write(id, at, bytes, 0);
    model.set(bytes, at);
  }
  expect(await content.durable(id)).toBeNull();
  await elsewhere(store, memory, id, model);
  await content.close();
}, 60_000);

test("a removed file is not waited for", async () => {
  const store = await storeWith([id]);
  const gate = Promise.withResolvers<void>();
  const { content } = await open(store, faultyBlocks(openMemoryBlocks(), { before: (operation) => (operation === "put" ? gate.promise : undefined) }), temporary(), remotely());
  await new Client(store, content).write(id, 0, new Uint8Array(100), 0);
  const committed = Promise.resolve(content.durable(id));
  content.forget(id);
  expect(await committed).toBeNull();
  gate.resolve();
  await content.close();
});

/** A share of this tier whose bucket holds puts back until `let` is resolved, with 100 bytes written. */
async function held(durability: Durability): Promise<{ content: Content; let: PromiseWithResolvers<void> }> {
  const store = await storeWith([id]);
  const gate = Promise.withResolvers<void>();
  const { content } = await open(store, faultyBlocks(openMemoryBlocks(), { before: (operation) => (operation === "put" ? gate.promise : undefined) }), temporary(), remotely({ durability }));
  await new Client(store, content).write(id, 0, new Uint8Array(100), 0);
  return { content, let: gate };
}

test("made local, a share answers commits that waited for the bucket once they are on the disk", async () => {
  const { content, let: bucket } = await held(Durability.remote);
  const committed = Promise.resolve(content.durable(id));
  expect(await isSettled(committed)).toBe(false);
  content.setDurability(Durability.local);
  expect(await committed).toBeNull();
  expect(content.oldestUnstoredMs).not.toBeNull();
  bucket.resolve();
  await content.close();
});

test("made remote, a share answers commits when the bucket has all of the file, what was committed before included", async () => {
  const { content, let: bucket } = await held(Durability.local);
  expect(await content.durable(id)).toBeNull();
  content.setDurability(Durability.remote);
  const committed = Promise.resolve(content.durable(id));
  expect(await isSettled(committed)).toBe(false);
  bucket.resolve();
  expect(await committed).toBeNull();
  expect([content.oldestUnstoredMs, content.unstoredBytes]).toEqual([null, 0]);
  await content.close();
});
