import { describe, expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "#base/clock.ts";
import { faultyBlocks, openFilesystemBlocks, openMemoryBlocks, PlannedFaults } from "#blocks/index.ts";
import type { ContentOptions } from "#cache/index.ts";
import { type BlockStore, StoreFault, StoreFullError, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import { type Change, PackState } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { until } from "../../support/wait.ts";
import { addFile, Client, compare, type Content, grown, open, removeFile, sizeMax, storeWith, temporary } from "./content-kit.ts";
import { LogLines } from "../../support/log-lines.ts";

const id = 101 as FileId;
const mib = 1024 * 1024;
const down = () => new StoreUnavailableError("the bucket can't be reached");
const refused = () => new StoreRefusedError(StoreFault.secret, "the secret key is wrong");

/** A clock on which time passes so many times as fast. */
function hurried(factor: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonicMs: () => systemClock.monotonicMs() * factor,
    after: (delayMs, run) => systemClock.after(delayMs / factor, run),
    atTurnEnd: (run) => systemClock.atTurnEnd(run),
  };
}

interface World {
  readonly store: MetadataStore;
  readonly memory: BlockStore;
  readonly faults: PlannedFaults;
  readonly content: Content;
  readonly client: Client;
  readonly logger: LogLines;
  readonly clock: Clock;
  readonly puts: () => number;
}

async function world({ clock = hurried(50), ...options }: Partial<ContentOptions> = {}, store?: MetadataStore, memory: BlockStore = openMemoryBlocks(), directory = temporary()): Promise<World> {
  const rows = store ?? (await storeWith([id]));
  const faults = new PlannedFaults({ clock, random: new SeededRandom(1) });
  const logger = new LogLines();
  let puts = 0;
  const counted = faultyBlocks(faultyBlocks(memory, faults), { before: (operation) => void (operation === "put" && puts++) });
  const limits = { dirtyBytesMax: 2 * mib, unstoredBytesMax: 16 * mib, flushAgeMs: 1000, flushBytes: mib };
  const { content } = await open(rows, counted, directory, { limits, segmentBytes: mib, clock, logger, garbage: { graceMs: 0, intervalMs: 3_600_000 }, ...options });
  return { store: rows, memory, faults, content, client: new Client(rows, content), logger, clock, puts: () => puts };
}

/** As `world`, with this content in the store and none of it in memory. */
async function cold(bytes: Uint8Array, clock = hurried(50)): Promise<World> {
  const first = await world();
  await first.client.write(id, 0, bytes, 0);
  await first.content.drain();
  await first.content.close();
  const memory = openMemoryBlocks();
  for await (const { key, size } of first.memory.list("")) await memory.put(key, { from: "slices", slices: [await first.memory.get(key, 0, size ?? 0)] });
  return world({ clock }, first.store, memory);
}

async function readOf({ store, content }: World, offset: number, length: number): Promise<Buffer | string> {
  const row = (await store.inode(id)) as Inode;
  const read = await content.read(content.overlay(row), offset, length);
  if (read instanceof FsError) return read.code;
  const bytes = Buffer.concat(read.slices as Uint8Array[]);
  read.release();
  return bytes;
}

describe("a bucket that is away", () => {
  test("makes reads of what is only there wait, and tells the client to come back after ten seconds: never an error, nor damage", async () => {
    const bytes = new Uint8Array(300_000).fill(5);
    for (const trouble of [down(), refused()]) {
      const w = await cold(bytes);
      w.faults.down = trouble;
      const before = w.clock.monotonicMs();
      expect(await readOf(w, 0, 100)).toBe("jukebox");
      const tookMs = w.clock.monotonicMs() - before;
      expect(tookMs).toBeGreaterThan(8_000);
      expect(w.content.storeError).toBe(trouble.message);
      expect(w.logger.entries.filter(({ level }) => level === "error").map(({ fields }) => (fields as { error: Error }).error)).toEqual([trouble]);
      expect(w.logger.entries.filter(({ message }) => message.includes("damaged"))).toEqual([]);
      w.faults.down = null;
      expect(await readOf(w, 0, 300_000)).toEqual(Buffer.from(bytes));
      expect(w.content.storeError).toBeNull();
      expect(w.logger.entries.at(-1)?.message).toBe("stored content can be read again");
      await w.content.close();
    }
  }, 60_000);

  test("lets a read go on by itself that waits when it comes back", async () => {
    const bytes = new Uint8Array(300_000).fill(6);
    // It waits for ten seconds: hurried, they would be over while the machine does something else.
    const w = await cold(bytes, hurried(2));
    w.faults.down = down();
    const read = readOf(w, 100_000, 50_000);
    await until("the read to fail once", 5000, () => (w.content.storeError !== null ? true : null));
    w.faults.down = null;
    expect(await read).toEqual(Buffer.alloc(50_000, 6));
    await w.content.close();
  });

  test("leaves what is in memory and in the log readable, and writable until the limit; then writers wait, and are told to come back", async () => {
    // Ten seconds are two here, longer than the disk takes for what makes room.
    const w = await world({ clock: hurried(5) });
    w.faults.down = down();
    const piece = new Uint8Array(200_000);
    let written = 0;
    let waitedMs = 0;
    let last: FsError | null = null;
    while (last === null && written < 400) {
      const [asked, begun] = [w.clock.monotonicMs(), systemClock.monotonicMs()];
      last = await w.content.admit(piece.length);
      waitedMs += systemClock.monotonicMs() - begun;
      if (last !== null) {
        expect(w.clock.monotonicMs() - asked).toBeGreaterThan(8_000);
        break;
      }
      w.content.write(await w.client.inode(id), written * piece.length, [piece.fill(written)], piece.length, systemClock.now());
      expect(await w.content.durable(id)).toBeNull();
      written++;
    }
    // A second or so that slows them down, and the two at the end.
    expect(waitedMs).toBeLessThan(15_000);
    expect(last).toBe(FsError.of("jukebox"));
    // Sixteen MiB may be unstored, dirty pages and the log's own bytes aside.
    expect(written * piece.length).toBeGreaterThan(8 * mib);
    expect(written * piece.length).toBeLessThan(20 * mib);
    for (const at of [0, written >> 1, written - 1]) expect(await w.client.read(id, at * piece.length, 1000)).toEqual(Buffer.alloc(1000, at));
    w.faults.down = null;
    await until("room", 20_000, async () => ((await w.content.admit(piece.length)) === null ? true : null));
    await w.content.drain();
    expect(((await w.store.inode(id)) as Inode).size).toBe(written * piece.length);
    for (const at of [0, written >> 1, written - 1]) expect(await w.client.read(id, at * piece.length, 1000)).toEqual(Buffer.alloc(1000, at));
    await w.content.close();
  }, 60_000);

  test.each([
    ["refuses", refused()],
    ["is full", new StoreFullError("the quota is used up")],
  ])("that %s is asked less and less often, up to a bound, which is said once, and everything is stored when it is back", async (_, why) => {
    const w = await world();
    let away = true;
    w.faults.before = async (operation) => {
      if (away && (operation === "put" || !(why instanceof StoreFullError))) throw why;
    };
    const began = w.clock.monotonicMs();
    await w.client.write(id, 0, new Uint8Array(100_000).fill(1), 0);
    await until("five minutes", 5_000, () => (w.clock.monotonicMs() - began > 300_000 ? true : null));
    expect(w.puts()).toBeLessThan(60);
    // Pauses that grew without a bound would be of days by then. Few on a busy machine: on this clock each ms counts as fifty.
    await until("as many as there are with a bound", 5_000, () => (w.puts() > 20 ? true : null));
    const said = w.logger.entries.filter(({ level }) => level !== "info");
    expect(said.length).toBe(1);
    expect(w.content.storeError).toBe(why.message);
    const before = w.puts();
    away = false;
    await until("everything to be stored", 5_000, () => (w.content.unstoredBytes === 0 ? true : null));
    // By the next try, or by the one after it where one was on its way.
    expect(w.puts() - before).toBeLessThanOrEqual(2);
    expect(w.content.storeError).toBeNull();
    await w.content.close();
  }, 60_000);

  test("leaves a share on another bucket alone", async () => {
    const [bad, good] = [await world(), await world({ clock: systemClock })];
    bad.faults.down = down();
    const piece = new Uint8Array(100_000).fill(1);
    const stuck = (async () => {
      for (let i = 0; (await bad.content.admit(piece.length)) === null; i++) bad.content.write(await bad.client.inode(id), i * piece.length, [piece], piece.length, systemClock.now());
    })();
    await until("the other share's outage", 5000, () => (bad.content.storeError !== null ? true : null));
    let waitedMs = 0;
    for (let i = 0; i < 300; i++) {
      const begun = systemClock.monotonicMs();
      expect(await good.content.admit(piece.length)).toBeNull();
      waitedMs += systemClock.monotonicMs() - begun;
      good.content.write(await good.client.inode(id), i * piece.length, [piece], piece.length, systemClock.now());
    }
    await good.content.drain();
    expect(good.content.storeError).toBeNull();
    expect(good.puts()).toBeGreaterThan(0);
    // Nobody waited ten seconds for anything.
    expect(waitedMs).toBeLessThan(10_000);
    await stuck;
    expect(bad.content.storeError).not.toBeNull();
    bad.faults.down = null;
    for (const each of [bad, good]) await each.content.close();
  }, 60_000);

  test("that is full stops flushes, not reads, and nothing is lost", async () => {
    const w = await world();
    await w.client.write(id, 0, new Uint8Array(100_000).fill(1), 0);
    await w.content.drain();
    w.faults.down = null;
    const full = new StoreFullError("the quota is used up");
    const before = w.faults.before.bind(w.faults);
    w.faults.before = async (operation, key) => {
      await before(operation, key);
      if (operation === "put") throw full;
    };
    await w.client.write(id, 100_000, new Uint8Array(200_000).fill(2), 0);
    const puts = w.puts();
    await until("some failed puts", 10_000, () => (w.puts() > puts + 3 ? true : null));
    expect(await w.client.read(id, 0, 300_000)).toEqual(Buffer.concat([Buffer.alloc(100_000, 1), Buffer.alloc(200_000, 2)]));
    expect(w.content.storeError).toBe("the quota is used up");
    w.faults.before = before;
    await w.content.drain();
    expect(((await w.store.inode(id)) as Inode).size).toBe(300_000);
    await w.content.close();
  }, 60_000);
});

/** The store as a process sees it that can be killed: from then on nothing it asks for is done or answered. */
function mortal(store: MetadataStore): { readonly store: MetadataStore; kill(): void } {
  let dead = false;
  const seen = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => (dead && name !== "draw" ? new Promise(() => {}) : (value as (...all: unknown[]) => unknown).apply(target, given));
    },
  });
  return { store: seen, kill: () => void (dead = true) };
}

/** The store, which stops taking such change sets and tells when it was asked to. */
function refusing(store: MetadataStore, which: (change: Change) => boolean): { readonly store: MetadataStore; readonly refused: () => boolean } {
  let refused = false;
  const apply: MetadataStore["apply"] = (set) => {
    if (!set.changes.some(which)) return store.apply(set);
    refused = true;
    return new Promise(() => {});
  };
  const seen = new Proxy(store, {
    get(target, name) {
      if (name === "apply") return apply;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { store: seen, refused: () => refused };
}

describe("a start while the bucket is away", () => {
  const crashes: readonly (readonly [string, (change: Change) => boolean])[] = [
    ["a pack was put and its row says so, but not the file's", (change) => change.do === "storeContent"],
    ["a pack was put and nothing says so", (change) => change.do === "putPack" && change.pack.state === PackState.live],
  ];
  for (const [name, which] of crashes) {
    test(`after a crash when ${name}: what was acknowledged is there once it is back`, async () => {
      const store = await storeWith([id]);
      const directory = temporary();
      const memory = openMemoryBlocks();
      const seen = refusing(store, which);
      const first = await world({}, seen.store, memory, directory);
      const large = new Uint8Array(500_000).fill(7);
      await first.client.write(id, 0, large, 0);
      await first.client.write(id, 500_000, new Uint8Array(1000).fill(8), 0);
      expect(await first.content.durable(id)).toBeNull();
      void first.content.drain();
      await until("the crash's moment", 10_000, () => (seen.refused() ? true : null));
      const copy = temporary();
      cpSync(directory, copy, { recursive: true });
      const faults = new PlannedFaults({ clock: systemClock, random: new SeededRandom(1) });
      faults.down = down();
      // A bucket has no bound to be asked for.
      const away: BlockStore = { ...faultyBlocks(memory, faults), space: async () => null };
      // Either it opens and waits where it must, or it doesn't open, and is to be tried again.
      const begun = await open(store, away, copy, { clock: hurried(50) }).catch((error: unknown) => {
        expect(error).toBeInstanceOf(StoreUnavailableError);
        return null;
      });
      faults.down = null;
      const { content } = begun ?? (await open(store, away, copy, { clock: hurried(50) }));
      expect(await new Client(store, content).read(id, 0, 600_000)).toEqual(Buffer.concat([Buffer.alloc(500_000, 7), Buffer.alloc(1000, 8)]));
      await content.drain();
      expect(((await store.inode(id)) as Inode).size).toBe(501_000);
      await content.close();
    }, 60_000);
  }
});

/** Every pack that extents refer to has its object. */
async function livePacksAreThere(store: MetadataStore, blocks: BlockStore): Promise<number> {
  let live = 0;
  for (const row of await store.packs(0, 100_000)) {
    if (row.live === 0) continue;
    live++;
    if ((await blocks.size(row.key)) !== null) continue;
    // Since the row was read, it may have been emptied and its object collected: one without the other never.
    expect([row.key, (await store.pack(row.id))?.live ?? 0]).toEqual([row.key, 0]);
  }
  return live;
}

test("collection during uploads, outages, lost answers and crashes never takes a live pack", async () => {
  const random = new SeededRandom(seedFor("bucket away", "BUCKET_AWAY_SEED"));
  let directory = temporary();
  const ids = [101, 102, 103, 104] as FileId[];
  const store = await storeWith(ids);
  const models = new Map<FileId, Uint8Array>(ids.map((each) => [each, new Uint8Array(0)]));
  const files = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  let lists = 0;
  const blocks: BlockStore = {
    ...faultyBlocks(files, {}),
    async *list(prefix) {
      yield* files.list(prefix);
      lists++;
    },
  };
  const clock = hurried(500);
  const begin = async () => {
    const faults = new PlannedFaults({ clock, random, errors: 60, lost: 120, halves: 60, latencyMsMax: 500 });
    // A crash between a put and its row leaves a log that speaks of an object: then a start, too, has to see it.
    faults.paused = true;
    const life = mortal(store);
    const { content } = await open(life.store, faultyBlocks(blocks, faults), join(directory, "share"), {
      limits: { dirtyBytesMax: 2 * mib, unstoredBytesMax: 64 * mib, flushAgeMs: 100, flushBytes: 256 * 1024 },
      garbage: { graceMs: 0, intervalMs: 500 },
      clock,
    });
    faults.paused = false;
    return { faults, content, client: new Client(store, content), life };
  };
  let { faults, content, client, life } = await begin();
  let next = 105;
  let checked = 0;
  for (let step = 0; step < 500; step++) {
    const at = random.below(ids.length);
    const file = ids[at] as FileId;
    const model = models.get(file) as Uint8Array;
    const kind = random.weighted({ write: 60, read: 20, remove: 4, outage: 3, restart: 2, crash: 2, check: 10, quiet: 3 });
    if (kind === "write") {
      const length = random.chance(0.3) ? random.between(128 * 1024, 300 * 1024) : random.between(1, 9000);
      if ((await content.admit(length)) !== null) continue;
      const offset = random.below(sizeMax - length);
      const payload = new Uint8Array(length).fill(random.between(1, 255));
      expect(content.write(await client.inode(file), offset, [payload], length, systemClock.now())).toBeInstanceOf(Inode);
      const after = grown(model, offset + length).slice();
      after.set(payload, offset);
      models.set(file, after);
    } else if (kind === "read") {
      const offset = random.below(sizeMax);
      const read = await content.read(await client.inode(file), offset, 100_000);
      if (read instanceof FsError) expect(read.code).toBe("jukebox");
      else {
        expect(Buffer.compare(Buffer.concat(read.slices as Uint8Array[]), model.subarray(offset, offset + 100_000))).toBe(0);
        read.release();
      }
    } else if (kind === "remove") {
      await removeFile(store, content, file);
      const fresh = next++ as FileId;
      await addFile(store, fresh);
      ids[at] = fresh;
      models.delete(file);
      models.set(fresh, new Uint8Array(0));
    } else if (kind === "outage") faults.down = faults.down === null ? (random.chance(0.5) ? down() : refused()) : null;
    else if (kind === "restart") {
      await content.close();
      faults.down = null;
      ({ faults, content, client, life } = await begin());
    } else if (kind === "crash") {
      for (const each of ids) expect(await content.durable(each)).toBeNull();
      life.kill();
      const copy = temporary();
      cpSync(join(directory, "share"), join(copy, "share"), { recursive: true });
      directory = copy;
      // What the dead process had on its way still arrives; nothing new of it does.
      const late = faults;
      clock.after(600, () => void (late.down = down()));
      ({ faults, content, client, life } = await begin());
    } else if (kind === "quiet") {
      // Long enough for collections that go through to their end, twice.
      faults.down = null;
      faults.paused = true;
      const before = lists;
      await until("two whole listings", 20_000, () => (lists >= before + 2 ? true : null));
      checked += await livePacksAreThere(store, blocks);
      faults.paused = false;
    } else checked += await livePacksAreThere(store, blocks);
    for (let turns = random.below(20); turns > 0; turns--) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
  }
  faults.down = null;
  faults.paused = true;
  await content.drain();
  for (const each of ids) await until("the right bytes", 20_000, () => compare(client, each, models.get(each) as Uint8Array).then(() => true, (error: Error) => (error.message === "jukebox" ? null : Promise.reject(error))));
  checked += await livePacksAreThere(store, blocks);
  expect(checked).toBeGreaterThan(20);
  await content.close();
  // With nothing but what is stored.
  const again = await open(store, blocks, temporary(), { clock: systemClock });
  for (const each of ids) await compare(new Client(store, again.content), each, models.get(each) as Uint8Array);
  await again.content.close();
}, 120_000);
