import { expect, test } from "bun:test";
import { cpSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Time } from "#base/time.ts";
import { openFilesystemBlocks } from "#blocks/filesystem/index.ts";
import { openMemoryStore } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileSizeMax, type PackId, rootId } from "#model/ids.ts";
import { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { until } from "../../support/wait.ts";
import { Client, compare, grown, inodeOf, open, rangesOf, sizeMax, temporary } from "./content-kit.ts";

/** The store and blocks as a process sees them until it is killed: what it asks of them afterwards never happens. */
function untilKilled(store: MetadataStore, blocks: BlockStore) {
  let killed = false;
  const guard = <T extends object>(target: T, stopped: readonly string[]): T =>
    new Proxy(target, {
      get(object, name) {
        const value: unknown = Reflect.get(object, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => (killed && stopped.includes(String(name)) ? new Promise(() => {}) : value.apply(object, args));
      },
    });
  return {
    store: guard(store, ["apply"]),
    blocks: guard(blocks, ["put", "delete"]),
    kill: () => {
      killed = true;
    },
  };
}

test("files agree with a model through writes large and small, truncations, holes, clones, flushes, evictions and restarts", async () => {
  const seed = seedFor("content model", "CONTENT_SEED");
  const random = new SeededRandom(seed);
  let directory = temporary();
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  let blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  const ids = [101, 102, 103] as FileId[];
  for (const id of ids) {
    const made = await store.apply({
      conditions: [],
      changes: [
        { do: "insertInode", inode: inodeOf(id) },
        { do: "insertDirent", parent: rootId, name: `f${id}`, child: id },
      ],
    });
    expect(made.applied).toBe(true);
  }
  const models = new Map<FileId, Uint8Array>(ids.map((id) => [id, new Uint8Array(0)]));
  let life = untilKilled(store, blocks);
  let { content } = await open(life.store, life.blocks, directory);
  let client = new Client(store, content);
  for (let step = 0; step < 1500; step++) {
    const id = random.pick(ids);
    const model = models.get(id) as Uint8Array;
    const kind = random.weighted({ small: 40, large: 8, truncate: 8, punch: 8, clone: 10, allocated: 4, read: 30, whole: 4, durable: 4, drain: 2, restart: 1 });
    if (kind === "small" || kind === "large") {
      const length = kind === "small" ? random.between(1, 9000) : random.between(128 * 1024, 300 * 1024);
      const offset = random.below(sizeMax - length);
      const bytes = random.bytes(Math.min(length, 64));
      const payload = new Uint8Array(length).map((_, index) => (bytes[index % bytes.length] as number) | 1);
      await client.write(id, offset, payload, random.below(length));
      const next = grown(model, offset + length);
      next.set(payload, offset);
      models.set(id, next);
    } else if (kind === "truncate") {
      const size = random.below(sizeMax);
      const cut = content.truncate(await client.inode(id), size, systemClock.now());
      expect(cut).toBeInstanceOf(Inode);
      models.set(id, size <= model.length ? model.slice(0, size) : grown(model, size));
    } else if (kind === "punch") {
      const offset = random.below(sizeMax);
      const length = random.chance(0.2) ? sizeMax : random.between(1, 200_000);
      expect(content.punch(await client.inode(id), offset, length, systemClock.now())).toBeInstanceOf(Inode);
      models.set(id, model.slice().fill(0, offset, offset + length));
    } else if (kind === "clone" && model.length > 0) {
      const target = random.pick(ids);
      const from = random.below(model.length);
      const length = Math.min(random.chance(0.3) ? sizeMax : random.between(1, 100_000), model.length - from);
      const at = random.below(sizeMax - length + 1);
      models.set(target, await client.clone(id, from, length, target, at, model, models.get(target) as Uint8Array));
    } else if (kind === "allocated") {
      const offset = random.below(sizeMax);
      const end = offset + random.below(sizeMax);
      expect(await content.allocated(await client.inode(id), offset, end, 100_000)).toEqual(rangesOf(model, offset, end));
    } else if (kind === "read") {
      const offset = random.below(sizeMax);
      const length = random.between(1, 200_000);
      const bytes = await client.read(id, offset, length);
      expect(Buffer.compare(bytes, model.subarray(offset, offset + length))).toBe(0);
    } else if (kind === "whole") await compare(client, id, model);
    else if (kind === "durable") expect(await content.durable(id)).toBeNull();
    else if (kind === "drain") await content.drain();
    else {
      // Killed after everything was acknowledged: the log has what the store has not.
      for (const each of ids) await content.durable(each);
      life.kill();
      // What the killed process still does to its files in this one is not seen by the next.
      const next = temporary();
      cpSync(directory, next, { recursive: true });
      directory = next;
      blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
      life = untilKilled(store, blocks);
      ({ content } = await open(life.store, life.blocks, directory));
      client = new Client(store, content);
      for (const each of ids) await compare(client, each, models.get(each) as Uint8Array);
    }
  }
  await content.drain();
  for (const id of ids) {
    const model = models.get(id) as Uint8Array;
    await compare(client, id, model);
    expect((await client.inode(id)).used).toBe(model.reduce((sum, byte) => sum + (byte === 0 ? 0 : 1), 0));
  }
  await content.close();
}, 60_000);

test("a hole made in what is on its way into the store is not said to be allocated, also when it was read since", async () => {
  const directory = temporary();
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  const late = new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (name === "apply")
        return async (set: Parameters<typeof store.apply>[0]) => {
          if (set.changes.some((change) => change.do === "storeContent")) {
            arrived.resolve();
            await gate.promise;
          }
          return await target.apply(set);
        };
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const id = 101 as FileId;
  await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: inodeOf(id) }] });
  const { content } = await open(late, blocks, directory);
  const client = new Client(store, content);
  await client.write(id, 0, new Uint8Array(10_000).fill(7), 0);
  const drained = content.drain();
  await arrived.promise;
  content.punch(await client.inode(id), 2000, 3000, systemClock.now());
  content.truncate(await client.inode(id), 8000, systemClock.now());
  content.truncate(await client.inode(id), 9000, systemClock.now());
  await client.read(id, 0, 9000);
  const expected = [
    { start: 0, end: 2000 },
    { start: 5000, end: 8000 },
  ];
  expect(await content.allocated(await client.inode(id), 0, 10_000, 100)).toEqual(expected);
  gate.resolve();
  await drained;
  expect(await content.allocated(await client.inode(id), 0, 10_000, 100)).toEqual(expected);
  await content.close();
});

test("a hole reads as zeros and stores nothing", async () => {
  const directory = temporary();
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  const id = 101 as FileId;
  await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: inodeOf(id) }] });
  const { content } = await open(store, blocks, directory);
  const client = new Client(store, content);
  const tebibyte = 2 ** 40;
  await client.write(id, tebibyte, new Uint8Array([7]), 0);
  expect([...(await client.read(id, tebibyte - 2, 5))]).toEqual([0, 0, 7]);
  await content.drain();
  const row = (await store.inode(id)) as Inode;
  expect([row.size, row.used]).toEqual([tebibyte + 1, 1]);
  expect((await client.read(id, 12345, 70000)).every((byte) => byte === 0)).toBe(true);
  await content.close();
});

test("bytes at the largest offsets there are lie where they were written, before and after they are stored", async () => {
  const directory = temporary();
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  const id = 101 as FileId;
  await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: inodeOf(id) }] });
  // Sums of two offsets here are above 2^53 and no longer exact.
  const base = fileSizeMax - 400_000;
  const model = new Uint8Array(400_000);
  const writes = [[399_998, 1], [399_999, 1], [131_071, 200_001], [1, 9_999], [150_001, 3]] as const; // prettier-ignore
  const first = await open(store, blocks, directory);
  const client = new Client(store, first.content);
  for (const [at, length] of writes) {
    const bytes = Uint8Array.from({ length }, (_, i) => ((i * 7 + at) % 251) + 1);
    await client.write(id, base + at, bytes, 0);
    model.set(bytes, at);
    expect(Buffer.compare(await client.read(id, base + at, length), bytes)).toBe(0);
  }
  expect((await client.inode(id)).size).toBe(fileSizeMax);
  await first.content.close();
  const again = await open(store, blocks, directory);
  const reader = new Client(store, again.content);
  for (const at of [1, 131_071, 150_003, 260_000, 399_998]) {
    expect(Buffer.compare(await reader.read(id, base + at, 400_000 - at), model.subarray(at))).toBe(0);
  }
  await again.content.close();
});

test("the bytes a file uses are told from the moment they are accepted, and are never more than its size", async () => {
  const directory = temporary();
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  const id = 101 as FileId;
  await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: inodeOf(id) }] });
  const { content } = await open(store, blocks, directory);
  let inode = inodeOf(id);
  const used = (next: Inode | FsError): number => {
    expect(next).toBeInstanceOf(Inode);
    inode = next as Inode;
    return inode.used;
  };
  const write = (offset: number, length: number): number => used(content.write(inode, offset, [new Uint8Array(length).fill(1)], length, systemClock.now()));
  expect(write(1_000_000, 5_000)).toBe(5_000);
  expect(write(1_000_000, 5_000)).toBe(5_000);
  expect(write(0, 200_000)).toBe(205_000);
  expect(used(content.truncate(inode, 1_002_000, systemClock.now()))).toBe(202_000);
  expect(used(content.truncate(inode, 2 ** 40, systemClock.now()))).toBe(202_000);
  expect(used(content.truncate(inode, 200_000, systemClock.now()))).toBe(200_000);
  await content.drain();
  const stored = await store.inode(id);
  expect(stored?.used).toBe(200_000);
  inode = content.overlay(stored as Inode);
  expect(write(0, 150_000)).toBe(200_000);
  await content.close();
});

test("a reader's bytes stay as they were while the file is written and cut", async () => {
  const directory = temporary();
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  const id = 101 as FileId;
  await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: inodeOf(id) }] });
  const { content } = await open(store, blocks, directory);
  const client = new Client(store, content);
  await client.write(id, 0, new Uint8Array(100_000).fill(1), 0);
  const read = await content.read(await client.inode(id), 0, 100_000);
  if (read instanceof FsError) throw new Error(read.code);
  await client.write(id, 0, new Uint8Array(100_000).fill(2), 0);
  content.truncate(await client.inode(id), 10, new Time(0, 0));
  for (const slice of read.slices) expect(slice.every((byte) => byte === 1)).toBe(true);
  read.release();
  expect([...(await client.read(id, 0, 100))]).toEqual(new Array(10).fill(2));
  await content.close();
});

test("a large write whose bytes were lost with the power takes its size with it", async () => {
  const directory = temporary();
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  const id = 101 as FileId;
  await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: inodeOf(id) }] });
  const life = untilKilled(store, blocks);
  const { content } = await open(life.store, life.blocks, directory);
  const client = new Client(life.store, content);
  await client.write(id, 0, new Uint8Array(5000).fill(1), 0);
  await client.write(id, 5000, new Uint8Array(300_000).fill(2), 0);
  await client.write(id, 1000, new Uint8Array(100).fill(3), 0);
  life.kill();
  await content.durable(id);
  const next = temporary();
  cpSync(directory, next, { recursive: true });
  const staging = join(next, "blocks", "staging");
  for (const name of readdirSync(staging)) truncateSync(join(staging, name), 0);
  const again = await open(store, await openFilesystemBlocks({ directory: join(next, "blocks") }), next);
  expect(again.recovered.unfinished).toBe(1);
  const bytes = await new Client(store, again.content).read(id, 0, 400_000);
  expect(bytes.length).toBe(5000);
  expect([...bytes.subarray(998, 1102)]).toEqual([1, 1, ...new Array(100).fill(3), 1, 1]);
  await again.content.close();
});

test("stored content that is damaged, cut or gone answers io, and other files go on", async () => {
  const directory = temporary();
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  const ids = [101, 102, 103, 104] as FileId[];
  for (const id of ids) await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: inodeOf(id) }] });
  const first = await open(store, blocks, directory);
  const client = new Client(store, first.content);
  const keys: string[] = [];
  for (const id of ids) {
    await client.write(id, 0, new Uint8Array(100_000).fill(id), 0);
    await first.content.drain();
    const [extent] = await store.extents(id, 0, 100_000, 1);
    const pack = await store.pack(extent?.pack as PackId);
    keys.push(join(directory, "blocks", "objects", `${pack?.key}+`));
  }
  await first.content.close();
  const [flipped, cut, gone] = keys as [string, string, string, string];
  const bytes = readFileSync(flipped);
  bytes[70_000] = (bytes[70_000] as number) ^ 1;
  writeFileSync(flipped, bytes);
  truncateSync(cut, 50_000);
  rmSync(gone);
  const { content } = await open(store, await openFilesystemBlocks({ directory: join(directory, "blocks") }), directory);
  const read = async (id: FileId) => content.read(content.overlay((await store.inode(id)) as Inode), 0, 100_000);
  for (const id of ids.slice(0, 3)) expect(await read(id)).toBe(FsError.of("io"));
  expect([...(await new Client(store, content).read(ids[3] as FileId, 0, 3))]).toEqual([104, 104, 104]);
  expect(content.storeError).toMatch(/^3 objects, such as [0-9a-f/]+ at 0, are missing or damaged in the block store/);
  bytes[70_000] = (bytes[70_000] as number) ^ 1;
  writeFileSync(flipped, bytes);
  expect([...(await new Client(store, content).read(ids[0] as FileId, 0, 3))]).toEqual([101, 101, 101]);
  expect(content.storeError).toMatch(/^2 objects/);
  await store.apply({ conditions: [], changes: [{ do: "addLinks", id: ids[1] as FileId, delta: -1, at: systemClock.now() }] });
  await store.apply({ conditions: [], changes: [{ do: "freeOrphan", id: ids[1] as FileId, extentsMax: 100 }] });
  await until("the damaged object to be collected", 10_000, () => (/^object [0-9a-f/]+ is missing/.test(content.storeError ?? "") ? true : null));
  await content.close();
});
