import { expect, test } from "bun:test";
import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { type Faults, faultyBlocks } from "#blocks/fault/index.ts";
import { openFilesystemBlocks } from "#blocks/filesystem/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import type { ContentOptions } from "#cache/index.ts";
import { type BlockStore, StoreFullError } from "#model/block-store.ts";
import type { ApplyResult, ChangeSet } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { type Logger, silentLogger } from "#telemetry/logger.ts";
import { until } from "../../support/wait.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { addFile, Client, compare, copyOf, grown, open, removeFile, sizeMax, storeWith, temporary } from "./content-kit.ts";

const id = 101 as FileId;
/** Files are flushed when a test says so. */
const calm = { dirtyBytesMax: 64 << 20, unstoredBytesMax: 256 << 20, flushAgeMs: 3_600_000, flushBytes: 64 << 20 };
const noCollection = { graceMs: 0, intervalMs: 3_600_000 };

/** The store with some of its methods replaced. */
function instead<S extends object>(store: S, methods: Partial<S>): S {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(name in methods ? methods : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function stores(set: ChangeSet): boolean {
  return set.changes.some((change) => change.do === "storeContent");
}

/** Packs that lie in the staging directory. */
function staged(directory: string): number {
  return readdirSync(join(directory, "packs")).length;
}

function calmly(options: Partial<ContentOptions> = {}): Partial<ContentOptions> {
  return { limits: calm, garbage: noCollection, ...options };
}

const turn = (): Promise<void> => new Promise((resolve) => systemClock.atTurnEnd(resolve));

test("what is read once is read from memory", async () => {
  const store = await storeWith([id]);
  const directory = temporary();
  let asked = 0;
  const counting = instead(store, {
    extents: (...args) => {
      asked++;
      return store.extents(...args);
    },
  });
  const blocks = openMemoryBlocks();
  const { content } = await open(counting, blocks, directory, calmly());
  const client = new Client(store, content);
  await client.write(id, 0, new Uint8Array(300_000).fill(7), 0);
  await client.write(id, 300_000, new Uint8Array(10).fill(8), 0);
  await content.drain();
  await content.close();
  const again = await open(counting, blocks, temporary(), calmly());
  const reader = new Client(store, again.content);
  await reader.read(id, 0, 300_010);
  expect(asked).toBe(1);
  await reader.read(id, 0, 300_010);
  expect(asked).toBe(1);
  await again.content.close();
});

test("a block store that fails costs no disk space, and flushes go on when it works again", async () => {
  const store = await storeWith([id]);
  const directory = temporary();
  let failing = true;
  let puts = 0;
  const blocks = faultyBlocks(openMemoryBlocks(), {
    before: (operation) => {
      if (operation !== "put") return;
      puts++;
      if (failing) throw new Error("unreachable");
    },
  });
  const { content } = await open(store, blocks, directory, calmly());
  const client = new Client(store, content);
  await client.write(id, 0, new Uint8Array(100_000).fill(7), 0);
  const drained = content.drain();
  await until("three failed puts", 10_000, () => Promise.resolve(puts >= 3 ? true : null));
  expect(staged(directory)).toBeLessThanOrEqual(1);
  failing = false;
  await drained;
  expect(staged(directory)).toBe(0);
  expect(await client.read(id, 0, 100_000)).toEqual(Buffer.alloc(100_000, 7));
  await content.close();
}, 60_000);

test("an object that was put although the answer was lost is taken as it is", async () => {
  const store = await storeWith([id]);
  let losing = true;
  const blocks = faultyBlocks(openMemoryBlocks(), {
    after: (operation) => {
      if (operation !== "put" || !losing) return;
      losing = false;
      throw new Error("connection reset");
    },
  });
  const { content } = await open(store, blocks, temporary(), calmly());
  const client = new Client(store, content);
  await client.write(id, 0, new Uint8Array(200_000).fill(9), 0);
  await content.drain();
  expect(((await store.inode(id)) as Inode).size).toBe(200_000);
  expect(await client.read(id, 0, 200_000)).toEqual(Buffer.alloc(200_000, 9));
  await content.close();
}, 60_000);

test("one file's set that fails leaves the others stored and its own bytes unstored", async () => {
  const ids = [101, 102, 103] as FileId[];
  const store = await storeWith(ids);
  let failures = 2;
  let held = false;
  const taken: number[] = [];
  const late = Promise.withResolvers<void>();
  const failing = instead(store, {
    apply: async (set) => {
      if (!stores(set)) return store.apply(set);
      const of = set.changes.map((change) => (change as { id: FileId }).id);
      if (of.includes(102 as FileId) && failures-- > 0) throw new Error("the database went away");
      const applied = await store.apply(set);
      taken.push(...of);
      if (of.includes(103 as FileId) && !held) {
        held = true;
        await late.promise;
      }
      return applied;
    },
  });
  const { content } = await open(failing, openMemoryBlocks(), temporary(), calmly());
  const client = new Client(store, content);
  for (const each of ids) await client.write(each, 0, new Uint8Array(10_000).fill(each), 0);
  const drained = content.drain();
  // Packs are filled by the thread pool, which no number of turns waits for.
  await until("the others' sets", 10_000, () => (taken.length >= 2 ? taken : null));
  // Long enough for the flusher to come round several times with the answer still out.
  for (let i = 0; i < 50; i++) await turn();
  expect(taken).toEqual([101, 103]);
  late.resolve();
  await drained;
  expect(content.unstoredBytes).toBe(0);
  for (const each of ids) expect(await client.read(each, 0, 10_000)).toEqual(Buffer.alloc(10_000, each));
  await content.close();
}, 60_000);

test("a removal during a flush takes nothing of the other files with it, however short space is", async () => {
  const ids = [101, 102] as FileId[];
  const store = await storeWith(ids);
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const flushed = Promise.withResolvers<void>();
  const slow = instead(store, {
    apply: async (set) => {
      if (!stores(set)) return store.apply(set);
      reached.resolve();
      await go.promise;
      const applied = await store.apply(set);
      flushed.resolve();
      return applied;
    },
  });
  let free = 1 << 30;
  const memory = openMemoryBlocks();
  const blocks: BlockStore = {
    put: (key, source) => memory.put(key, source),
    get: (key, offset, length, target) => memory.get(key, offset, length, target),
    size: (key) => memory.size(key),
    // The worst moment: the flush goes on between the look at the pack and the end of its object.
    delete: async (keys) => {
      go.resolve();
      await flushed.promise;
      await memory.delete(keys);
    },
    list: (prefix) => memory.list(prefix),
    space: () => Promise.resolve({ free, total: 1 << 30 }),
    close: () => memory.close(),
  };
  const { content } = await open(slow, blocks, temporary(), calmly());
  const client = new Client(store, content);
  for (const each of ids) await client.write(each, 0, new Uint8Array(10_000).fill(each), 0);
  const drained = content.drain();
  await reached.promise;
  await removeFile(store, content, 102 as FileId);
  await new Promise((resolve) => setImmediate(resolve));
  free = 0;
  await content.space();
  expect(await content.admit(1)).toBe(FsError.of("noSpace"));
  go.resolve();
  await drained;
  free = 1 << 30;
  await content.close();
  const again = await open(store, memory, temporary(), calmly());
  expect(await new Client(store, again.content).read(101 as FileId, 0, 10_000)).toEqual(Buffer.alloc(10_000, 101));
  await again.content.close();
}, 60_000);

test("a file of very many pieces is stored in bounded sets, whole also after a crash between them", async () => {
  const store = await storeWith([id]);
  const directory = temporary();
  let killed = false;
  let sets = 0;
  const counted = instead(store, {
    apply: async (set) => {
      if (killed) return new Promise(() => {});
      for (const change of set.changes) {
        if (change.do !== "layExtents" && change.do !== "storeContent") continue;
        expect(change.extents.length).toBeLessThanOrEqual(1024);
        if (++sets === 3) killed = true;
      }
      return store.apply(set);
    },
  });
  const memory = openMemoryBlocks();
  const { content } = await open(counted, memory, directory, calmly());
  const client = new Client(store, content);
  const pieces = 5000;
  const model = new Uint8Array(pieces * 3);
  const write = async (offset: number, value: number) => {
    await client.write(id, offset, new Uint8Array([value]), 0);
    model[offset] = value;
  };
  await client.write(id, 0, model.fill(200), 0);
  content.truncate(await client.inode(id), 10, systemClock.now());
  model.fill(0, 10);
  for (let i = 0; i < pieces; i++) await write(i * 3 + 2, (i % 255) + 1);
  await content.durable(id);
  void content.drain();
  await until("a crash between two sets", 5_000, () => (killed ? true : null));
  await new Promise((resolve) => setImmediate(resolve));
  expect(await store.inode(id)).toMatchObject({ size: 0 });
  const copy = temporary();
  cpSync(directory, copy, { recursive: true });
  const again = await open(store, memory, copy, calmly());
  const reader = new Client(store, again.content);
  await compare(reader, id, model);
  again.content.truncate(await reader.inode(id), 7_000, systemClock.now());
  await again.content.close();
  const stored = await open(store, memory, temporary(), calmly());
  await compare(new Client(store, stored.content), id, model.slice(0, 7_000));
  await stored.content.close();
}, 60_000);

test("of a file of very many pieces the set that says they are there comes after all others are, whichever of them takes long or fails", async () => {
  const store = await storeWith([id]);
  const late = Promise.withResolvers<void>();
  let laid = 0;
  let underWay = 0;
  let most = 0;
  let stored = 0;
  let early = false;
  const slow = instead(store, {
    apply: async (set) => {
      if (set.changes.some((change) => change.do === "layExtents")) {
        const mine = ++laid;
        most = Math.max(most, ++underWay);
        try {
          if (mine === 2) {
            await late.promise;
            throw new Error("the metadata store is away");
          }
          return await store.apply(set);
        } finally {
          underWay--;
        }
      }
      if (stores(set)) {
        early ||= underWay > 0;
        stored++;
      }
      return store.apply(set);
    },
  });
  const { content } = await open(slow, openMemoryBlocks(), temporary(), calmly());
  const client = new Client(store, content);
  const pieces = 5000;
  const model = new Uint8Array(pieces * 3);
  for (let i = 0; i < pieces; i++) await client.write(id, i * 3 + 2, new Uint8Array([(model[i * 3 + 2] = (i % 255) + 1)]), 0);
  const drained = content.drain();
  await until("all sets but the last to be on their way", 5_000, () => (laid >= 4 ? true : null));
  for (let i = 0; i < 50; i++) await turn();
  expect(stored).toBe(0);
  late.resolve();
  await drained;
  expect(early).toBe(false);
  expect(most).toBeGreaterThan(1);
  expect(stored).toBe(1);
  expect(laid).toBeGreaterThan(4);
  await compare(client, id, model);
  expect(content.unstoredBytes).toBe(0);
  await content.close();
}, 60_000);

test("a close ends although nothing can be stored, and the next start has everything", async () => {
  const store = await storeWith([id]);
  const directory = temporary();
  const memory = openMemoryBlocks();
  const broken = faultyBlocks(memory, {
    before: (operation) => {
      if (operation === "put") throw new Error("unreachable");
    },
  });
  const { content } = await open(store, broken, directory, calmly());
  const client = new Client(store, content);
  await client.write(id, 0, new Uint8Array(10_000).fill(3), 0);
  await client.write(id, 10_000, new Uint8Array(200_000).fill(4), 0);
  await content.close();
  const again = await open(store, memory, directory, calmly());
  expect(await new Client(store, again.content).read(id, 0, 300_000)).toEqual(Buffer.concat([Buffer.alloc(10_000, 3), Buffer.alloc(200_000, 4)]));
  await again.content.close();
}, 60_000);

test("scattered single bytes make writers wait before they take the memory", async () => {
  const store = await storeWith([id]);
  const cacheBytes = 16 << 20;
  const { content } = await open(store, openMemoryBlocks(), temporary(), { cacheBytes, limits: { ...calm, dirtyBytesMax: 8 << 20, flushBytes: 4 << 20 } });
  const client = new Client(store, content);
  let waited = 0;
  for (let i = 0; i < 4096; i++) {
    if (content.admit(1) instanceof Promise) waited++;
    await client.write(id, i * 65536 + 65535, new Uint8Array([1]), 0);
  }
  // 4096 pages of 64 KiB through 12 MiB.
  expect(waited).toBeGreaterThan(4096 / 192 - 5);
  await content.drain();
  for (const i of [0, 1000, 4095]) expect([...(await client.read(id, i * 65536 + 65534, 2))]).toEqual([0, 1]);
  await content.close();
}, 60_000);

test("a file whose content is newer than the log takes no writes", async () => {
  const store = await storeWith([id]);
  const blocks = openMemoryBlocks();
  const directory = temporary();
  await (await open(store, blocks, directory, calmly())).content.close();
  const old = temporary();
  cpSync(directory, old, { recursive: true });
  // More starts than the old log may skip numbers for.
  for (let start = 0; start < 3; start++) {
    const { content } = await open(store, blocks, directory, calmly());
    const client = new Client(store, content);
    for (let i = 0; i < 10; i++) await client.write(id, 0, new Uint8Array([i]), 0);
    await content.close();
  }
  const lost = await open(store, blocks, old, calmly());
  const refused = lost.content.write((await store.inode(id)) as Inode, 0, [new Uint8Array([99])], 1, systemClock.now());
  expect(refused).toBe(FsError.of("io"));
  expect([...(await new Client(store, lost.content).read(id, 0, 1))]).toEqual([9]);
  await lost.content.close();
});

test("where the log is lost, files whose content is stored are read and written as ever", async () => {
  const store = await storeWith([id]);
  const blocks = openMemoryBlocks();
  const first = await open(store, blocks, temporary(), calmly());
  for (let i = 0; i < 10; i++) await new Client(store, first.content).write(id, 0, new Uint8Array([i]), 0);
  await first.content.close();
  for (const byte of [20, 30]) {
    const { content } = await open(store, blocks, temporary(), calmly());
    const client = new Client(store, content);
    await client.write(id, 1, new Uint8Array([byte]), 0);
    await content.close();
    expect([...(await new Client(store, (await open(store, blocks, temporary(), calmly())).content).read(id, 0, 2))]).toEqual([9, byte]);
  }
});

test("a file removed while it is flushed takes no writes and keeps nothing", async () => {
  const store = await storeWith([id]);
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const blocks = faultyBlocks(openMemoryBlocks(), {
    before: (operation) => {
      if (operation !== "put") return;
      reached.resolve();
      return go.promise;
    },
  });
  const { content } = await open(store, blocks, temporary(), calmly());
  const client = new Client(store, content);
  await client.write(id, 0, new Uint8Array(10), 0);
  const inode = await client.inode(id);
  const drained = content.drain();
  await reached.promise;
  await client.write(id, 0, new Uint8Array(10), 0);
  await removeFile(store, content, id);
  expect(content.write(inode, 0, [new Uint8Array(1)], 1, systemClock.now())).toBe(FsError.of("stale"));
  expect(content.truncate(inode, 0, systemClock.now())).toBe(FsError.of("stale"));
  go.resolve();
  await drained;
  expect(content.unstoredBytes).toBe(0);
  await content.close();
});

test("an object that is put and settled while a listing runs is none without a row", async () => {
  const store = await storeWith([id]);
  let lists = 0;
  const memory = openMemoryBlocks();
  const blocks = faultyBlocks(memory, {
    before: async (operation) => {
      // The rows were read; what is put from here on is in the listing, and in no row that was read.
      if (operation !== "list" || lists++ > 0) return;
      await client.write(id, 0, new Uint8Array(10_000).fill(7), 0);
      await content.drain();
    },
  });
  const { content } = await open(store, blocks, temporary(), { limits: calm, garbage: { graceMs: 0, intervalMs: 20 } });
  const client = new Client(store, content);
  await until("three listings", 10_000, () => (lists >= 3 ? true : null));
  expect((await Array.fromAsync(memory.list(""))).length).toBe(1);
  expect(await client.read(id, 0, 10_000)).toEqual(Buffer.alloc(10_000, 7));
  await content.close();
}, 60_000);

test("one object that is missing doesn't keep the rest from being collected", async () => {
  const ids = [101, 102] as FileId[];
  const store = await storeWith(ids);
  const blocks = openMemoryBlocks();
  const { content } = await open(store, blocks, temporary(), calmly({ garbage: { graceMs: 0, intervalMs: 30 } }));
  const client = new Client(store, content);
  for (const each of ids) {
    await client.write(each, 0, new Uint8Array(100_000).fill(each), 0);
    await content.drain();
  }
  const packs = await store.packs(0, 10);
  expect(packs.length).toBe(2);
  await blocks.delete([(packs[0] as { key: string }).key]);
  for (const each of ids) content.truncate(await client.inode(each), 10_000, systemClock.now());
  await content.drain();
  const sparse = (packs[1] as { id: number }).id;
  await until("the other pack to be repacked", 5_000, async () => ((await store.packs(0, 10)).some((pack) => pack.id === sparse) ? null : true));
  expect(await client.read(102 as FileId, 0, 20_000)).toEqual(Buffer.alloc(10_000, 102));
  await content.close();
}, 60_000);

/** Stores that fail at random until they are told to behave, and do nothing more once the process that asks them was killed. */
class Weather {
  bad = true;
  killed = false;
  private readonly random: SeededRandom;
  constructor(random: SeededRandom) {
    this.random = random;
  }
  private strikes(chance: number): boolean {
    return this.bad && this.random.below(100) < chance;
  }
  store(store: MetadataStore): MetadataStore {
    const later = <T>(value: T): Promise<Awaited<T>> => new Promise((resolve) => setImmediate(() => resolve(value as Awaited<T>)));
    return instead(store, {
      inode: (...args) => later(store.inode(...args)),
      extents: (...args) => later(store.extents(...args)),
      pack: (...args) => later(store.pack(...args)),
      packs: (...args) => later(store.packs(...args)),
      extentsOfPack: (...args) => later(store.extentsOfPack(...args)),
      apply: async (set): Promise<ApplyResult> => {
        if (this.killed) return new Promise(() => {});
        if (this.strikes(4)) throw new Error("the database went away before the set");
        if (this.strikes(4)) return { applied: false, failed: "noSpace" };
        const result = await store.apply(set);
        if (this.killed) return new Promise(() => {});
        if (this.strikes(4)) throw new Error("the database went away after the set");
        return result;
      },
    });
  }
  blocks(blocks: BlockStore): BlockStore {
    const faults: Faults = {
      before: (operation) => {
        if (this.killed) return new Promise(() => {});
        if (operation === "put" && this.strikes(10)) throw new StoreFullError("full");
        if (operation !== "space" && operation !== "get" && this.strikes(5)) throw new Error(`no ${operation}`);
      },
      after: (operation) => {
        if (this.killed) return new Promise(() => {});
        if (operation === "put" && this.strikes(8)) throw new Error("the answer was lost");
      },
    };
    return faultyBlocks(blocks, faults);
  }
}

test("files agree with a model through failing stores, removals and crashes in the midst of flushes", async () => {
  const seed = seedFor("content faults", "CONTENT_FAULTS_SEED");
  const random = new SeededRandom(seed);
  let directory = temporary();
  const ids = [101, 102, 103, 104] as FileId[];
  const store = await storeWith(ids);
  const models = new Map<FileId, Uint8Array>(ids.map((each) => [each, new Uint8Array(0)]));
  const options: Partial<ContentOptions> = {
    limits: { dirtyBytesMax: 2 << 20, unstoredBytesMax: 64 << 20, flushAgeMs: 5, flushBytes: 256 << 10 },
    garbage: { graceMs: 0, intervalMs: 20 },
    // Pauses after failures pass quickly.
    clock: { ...systemClock, after: (delayMs, run) => systemClock.after(delayMs >= 1_000 && delayMs < 5_000 ? 5 : delayMs, run) },
  };
  const begin = async () => {
    const weather = new Weather(random);
    const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
    weather.bad = false;
    const { content } = await open(weather.store(store), weather.blocks(blocks), directory, options);
    weather.bad = true;
    return { weather, content, client: new Client(store, content) };
  };
  let { weather, content, client } = await begin();
  let next = 105;
  for (let step = 0; step < 1200; step++) {
    const at = random.below(ids.length);
    const file = ids[at] as FileId;
    const model = models.get(file) as Uint8Array;
    const kind = random.weighted({ small: 40, large: 10, truncate: 8, read: 30, durable: 4, turn: 20, remove: 3, kill: 2 });
    if (kind === "small" || kind === "large") {
      const length = kind === "small" ? random.between(1, 9000) : random.between(128 * 1024, 300 * 1024);
      const offset = random.below(sizeMax - length);
      const payload = new Uint8Array(length).fill(random.between(1, 255));
      await client.write(file, offset, payload, random.below(length));
      const after = grown(model, offset + length).slice();
      after.set(payload, offset);
      models.set(file, after);
    } else if (kind === "truncate") {
      const size = random.below(sizeMax);
      expect(content.truncate(await client.inode(file), size, systemClock.now())).toBeInstanceOf(Inode);
      models.set(file, size <= model.length ? model.slice(0, size) : grown(model, size));
    } else if (kind === "read") {
      const offset = random.below(sizeMax);
      const length = random.between(1, 200_000);
      const bytes = await client.read(file, offset, length);
      expect(Buffer.compare(bytes, model.subarray(offset, offset + length))).toBe(0);
    } else if (kind === "durable") expect(await content.durable(file)).toBeNull();
    else if (kind === "turn") for (let i = random.below(40); i > 0; i--) await turn();
    else if (kind === "remove") {
      await removeFile(store, content, file);
      const fresh = next++ as FileId;
      await addFile(store, fresh);
      ids[at] = fresh;
      models.delete(file);
      models.set(fresh, new Uint8Array(0));
    } else {
      for (const each of ids) await content.durable(each);
      weather.killed = true;
      directory = copyOf(directory);
      ({ weather, content, client } = await begin());
      for (const each of ids) await compare(client, each, models.get(each) as Uint8Array);
    }
  }
  weather.bad = false;
  await content.drain();
  for (const each of ids) await compare(client, each, models.get(each) as Uint8Array);
  expect(content.unstoredBytes).toBe(0);
  await content.close();
  // With nothing but what is stored.
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  const again = await open(store, blocks, temporary(), { ...options, garbage: noCollection });
  for (const each of ids) await compare(new Client(store, again.content), each, models.get(each) as Uint8Array);
  await again.content.close();
}, 120_000);

test("a full disk is told once, and that there is room again once there is plenty", async () => {
  const store = await storeWith([id]);
  const memory = openMemoryBlocks();
  const total = 1 << 30;
  let free = total;
  const blocks = instead(memory, { space: () => Promise.resolve({ free, total }) });
  const said: string[] = [];
  const say = (level: string) => (fields: object, message: string): void => {
    if (/room for content/.test(message)) said.push(`${level}: ${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = { ...silentLogger, warn: say("warn"), info: say("info"), child: () => logger };
  const { content } = await open(store, blocks, temporary(), { ...calmly(), logger });
  expect(await content.admit(1)).toBeNull();
  free = 1 << 20;
  await content.space();
  for (let again = 0; again < 3; again++) expect(await content.admit(1 << 20)).toBe(FsError.of("noSpace"));
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/^warn: no room for content.*"freeBytes":1048576.*"keptFreeBytes":53687091/);
  // A little room lets small writes in, and is no end of it.
  free = 60 << 20;
  await content.space();
  expect(await content.admit(1)).toBeNull();
  expect(await content.admit(32 << 20)).toBe(FsError.of("noSpace"));
  expect(said).toHaveLength(1);
  free = total;
  await content.space();
  expect(await content.admit(1)).toBeNull();
  expect(await content.admit(1)).toBeNull();
  expect(said).toHaveLength(2);
  expect(said[1]).toMatch(/^info: there is room for content again/);
  await content.close();
});
