import { expect, test } from "bun:test";
import { cpSync, mkdirSync, readdirSync, renameSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemRandom } from "#base/random.ts";
import { faultyBlocks, type Operation, PlannedFaults } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import type { ContentOptions } from "#cache/index.ts";
import { type BlockStore, StoreFault, StoreFullError, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import { PackState } from "#model/change-set.ts";
import { Durability } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { until } from "../../support/wait.ts";
import { Client, compare, open, storeWith, temporary } from "./content-kit.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { LogLines } from "../../support/log-lines.ts";

/** The bucket is slow, full, wrong or gone: nothing is lost, nobody gets an error that would have passed, and it heals by itself. */

const id = 101 as FileId;
const other = 102 as FileId;
const MiB = 2 ** 20;
const limits = { dirtyBytesMax: 2 * MiB, unstoredBytesMax: 16 * MiB, flushAgeMs: 1000, flushBytes: 64 * MiB };
const away = new StoreUnavailableError("storing object k: http://bucket can't be reached: connection refused (ECONNREFUSED)");
const forbidden = new StoreRefusedError(StoreFault.permission, 'storing object k: the key may not do this in bucket "b" (AccessDenied)');
const noBucket = new StoreRefusedError(StoreFault.bucket, 'storing object k: there is no bucket "b"; make it, or check its name (NoSuchBucket)');

/** A bucket has no bound, so nobody asks it for one. */
class BucketFaults extends PlannedFaults {
  override before(operation: Operation, key: string): Promise<void> {
    return operation === "space" ? Promise.resolve() : super.before(operation, key);
  }
  override after(operation: Operation, key: string): void {
    if (operation !== "space") super.after(operation, key);
  }
}

type Apply = MetadataStore["apply"];

function withApply(store: MetadataStore, apply: Apply): MetadataStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = name === "apply" ? apply : Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function share(
  options: Partial<ContentOptions> = {},
  from: { readonly plain: MetadataStore; readonly memory: BlockStore } | null = null,
  applying: (store: MetadataStore) => Apply = (store) => (set) => store.apply(set),
) {
  const clock = new ManualClock();
  const plain = from?.plain ?? (await storeWith([id, other]));
  const store = withApply(plain, applying(plain));
  const memory = from?.memory ?? openMemoryBlocks();
  const faults = new BucketFaults({ clock, random: systemRandom });
  const lines = new LogLines();
  const directory = temporary();
  const more = { clock, logger: lines, limits, cacheBytes: 8 * MiB, segmentBytes: MiB, garbage: { graceMs: 1000, intervalMs: 60_000 }, ...options };
  const { content } = await open(store, faultyBlocks(memory, faults), directory, more);
  /** Time passes until `holds`; how much of it depends on the disk. */
  const passUntil = (what: string, holds: () => boolean): Promise<true> =>
    until(what, 20_000, async () => {
      await clock.passInTurns(500);
      return holds() ? true : null;
    });
  return { clock, plain, store, memory, faults, lines, directory, content, client: new Client(store, content), passUntil };
}

for (const [what, error] of [["away", away], ["forbidden", forbidden], ["missing", noBucket], ["full", new StoreFullError("the store has no room")]] as const) {
  test(`while the bucket is ${what} a remote commit is not answered, then told to come back; it heals by itself, and the log says each once`, async () => {
    const { clock, faults, lines, content, client, passUntil, memory, store } = await share({ durability: Durability.remote });
    faults.down = error;
    const model = new Uint8Array(300_000).fill(5);
    await client.write(id, 0, model.slice(), 0);
    const begun = clock.ms;
    const committed = Promise.resolve(content.durable(id));
    let answeredMs = -1;
    void committed.then(() => {
      answeredMs = clock.ms - begun;
    });
    await clock.passInTurns(9_900);
    expect(answeredMs).toBe(-1);
    await clock.passInTurns(200);
    expect(await committed).toBe(FsError.of("jukebox"));
    expect(answeredMs).toBe(10_000);
    await passUntil("the reason to be known", () => content.storeError !== null);
    const asked = faults.asked;
    await passUntil("many tries", () => faults.asked >= asked + 8);
    expect(content.storeError).toBe(error.message);
    expect(content.oldestUnstoredMs).toBeGreaterThanOrEqual(10_000);
    expect(lines.of("error").filter((line) => /content can't be stored/.test(line)).length).toBe(1);
    // What was accepted is served meanwhile, and more is accepted.
    expect(await client.read(id, 0, 300_000)).toEqual(Buffer.from(model));
    await client.write(id, 0, model.fill(6, 0, 1000).slice(0, 1000), 0);
    faults.down = null;
    await passUntil("it to heal", () => content.oldestUnstoredMs === null);
    expect(await content.durable(id)).toBeNull();
    expect([content.storeError, content.unstoredBytes]).toEqual([null, 0]);
    expect(lines.of("info").filter((line) => /content is stored again/.test(line)).length).toBe(1);
    const copy = await open(store, memory, temporary());
    await compare(new Client(store, copy.content), id, model);
    await copy.content.close();
    await content.close();
  }, 60_000);
}

test("a pack whose own file can't be read is named with the reason, in the share's state and once in the log; it heals", async () => {
  const { lines, directory, content, client, passUntil } = await share();
  const model = new Uint8Array(300_000).fill(5);
  await client.write(id, 0, model.slice(), 0);
  expect(await content.durable(id)).toBeNull();
  const path = (readdirSync(directory, { recursive: true }) as string[]).map((name) => join(directory, name)).find((name) => name.endsWith(".open")) as string;
  // A directory opens as a file on a failing disk does: what fails is the read.
  renameSync(path, `${path}.aside`);
  mkdirSync(path);
  await passUntil("the reason to be known", () => content.storeError !== null);
  await passUntil("more tries", () => content.oldestUnstoredMs !== null && content.oldestUnstoredMs > 60_000);
  expect(content.storeError).toMatch(/^the file .*\.open, in which .* can't be read \(EISDIR/);
  expect(content.storeError).toContain(path);
  const said = lines.entries.flatMap(({ level, fields }) => (level === "error" ? [(fields as { error?: unknown }).error] : []));
  expect(said.map((error) => (error as Error).message)).toEqual([content.storeError as string]);
  rmdirSync(path);
  renameSync(`${path}.aside`, path);
  await passUntil("it to heal", () => content.oldestUnstoredMs === null);
  expect([content.storeError, content.unstoredBytes]).toEqual([null, 0]);
  await compare(client, id, model);
  await content.close();
}, 60_000);

test("writes go on until the limit, then are told to come back after a bounded time, and none of those accepted is lost", async () => {
  const { clock, faults, content, client, passUntil } = await share({ durability: Durability.local });
  faults.down = away;
  const model = new Uint8Array(4 * MiB);
  let accepted = 0;
  while (content.admit(100_000) === null) {
    await client.write(id, accepted, new Uint8Array(100_000).fill(9), 0);
    model.fill(9, accepted, accepted + 100_000);
    accepted += 100_000;
    // Acknowledged as ever: the local disk has it.
    const committed = Promise.resolve(content.durable(id));
    expect(await committed).toBeNull();
  }
  expect(accepted).toBeGreaterThan(1.5 * MiB);
  const begun = clock.ms;
  const waited = Promise.resolve(content.admit(100_000));
  let answeredMs = -1;
  void waited.then(() => {
    answeredMs = clock.ms - begun;
  });
  await clock.passInTurns(11_000);
  expect(await waited).toBe(FsError.of("jukebox"));
  expect(answeredMs).toBeLessThanOrEqual(10_000);
  expect(Buffer.compare(await client.read(id, 0, accepted), model.subarray(0, accepted))).toBe(0);
  faults.down = null;
  await passUntil("room", () => content.unstoredBytes === 0);
  expect(content.admit(100_000)).toBeNull();
  expect(Buffer.compare(await client.read(id, 0, accepted), model.subarray(0, accepted))).toBe(0);
  await content.close();
}, 60_000);

test("large writes sent again and again during an outage don't fill the disk", async () => {
  const { clock, faults, content, client, directory, passUntil } = await share({ durability: Durability.remote });
  faults.down = away;
  let accepted = 0;
  for (let i = 0; i < 200; i++) {
    const admitted = content.admit(MiB);
    if (admitted !== null) break;
    await client.write(id, 0, new Uint8Array(MiB).fill(i), 0);
    accepted++;
  }
  await clock.passInTurns(11_000);
  expect(accepted).toBeLessThanOrEqual(16);
  const packs = join(directory, "packs");
  const bytes = readdirSync(packs).reduce((sum, name) => sum + statSync(join(packs, name)).size, 0);
  expect(bytes).toBeLessThanOrEqual(18 * MiB);
  faults.down = null;
  await passUntil("room", () => content.unstoredBytes === 0);
  expect(content.admit(MiB)).toBeNull();
  expect(await client.read(id, 0, MiB)).toEqual(Buffer.alloc(MiB, accepted - 1));
  await content.close();
}, 60_000);

/** Two files of 200,000 bytes in the bucket and nowhere else, in a share that was just opened. */
async function storedFiles() {
  const first = await share();
  await first.client.write(id, 0, new Uint8Array(200_000).fill(1), 0);
  await first.client.write(other, 0, new Uint8Array(200_000).fill(2), 0);
  await first.passUntil("everything to be stored", () => first.content.unstoredBytes === 0);
  await first.content.close();
  return share({}, first);
}

for (const [what, error] of [["away", away], ["forbidden", forbidden]] as const) {
  test(`while the bucket is ${what} reads of what is cached go on, others wait and are told to come back, and none fails`, async () => {
    const { clock, faults, content, client, lines, store } = await storedFiles();
    expect(await client.read(other, 0, 200_000)).toEqual(Buffer.alloc(200_000, 2));
    faults.down = error;
    expect(await client.read(other, 0, 200_000)).toEqual(Buffer.alloc(200_000, 2));
    const inode = (await store.inode(id)) as Inode;
    const begun = clock.ms;
    let answeredMs = -1;
    const waiting = Promise.resolve(content.read(inode, 0, 200_000));
    void waiting.then(() => {
      answeredMs = clock.ms - begun;
    });
    await clock.passInTurns(9_900);
    expect(answeredMs).toBe(-1);
    expect(content.storeError).toBe(error.message);
    await clock.passInTurns(1_000);
    expect(await waiting).toBe(FsError.of("jukebox"));
    expect(answeredMs).toBe(10_000);
    const patient = client.read(id, 0, 200_000);
    await clock.passInTurns(5_000);
    faults.down = null;
    await clock.passInTurns(1_000);
    expect(await patient).toEqual(Buffer.alloc(200_000, 1));
    expect(content.storeError).toBeNull();
    expect(lines.of("error").filter((line) => /can't be read/.test(line)).length).toBe(1);
    expect(lines.of("info").filter((line) => /can be read again/.test(line)).length).toBe(1);
    await content.close();
  }, 60_000);
}

/** Where the last life ended: between a pack's object and its row, or between that and the file's extents. */
for (const ending of ["putPack", "storeContent"] as const) {
  test(`a start while the bucket is away loses nothing of a pack that was put before its ${ending}`, async () => {
    const reached = Promise.withResolvers<void>();
    const first = await share({}, null, (store) => (set) => {
      const last = set.changes.some((change) => change.do === "storeContent" || (change.do === "putPack" && change.pack.state === PackState.live));
      if (!last || !set.changes.some((change) => change.do === ending)) return store.apply(set);
      reached.resolve();
      return new Promise(() => {});
    });
    const model = new Uint8Array(300_000).fill(3);
    await first.client.write(id, 0, model.slice(), 0);
    expect(await first.content.durable(id)).toBeNull();
    void first.content.drain();
    await reached.promise;
    expect(readdirSync(join(first.directory, "packs"))).toEqual([]);
    const copy = temporary();
    cpSync(first.directory, copy, { recursive: true });
    const clock = new ManualClock();
    const faults = new BucketFaults({ clock, random: systemRandom });
    faults.down = away;
    const again = await open(first.plain, faultyBlocks(first.memory, faults), copy, { clock, limits });
    expect(again.recovered).toMatchObject({ replayed: 1, unfinished: 0 });
    faults.down = null;
    await compare(new Client(first.plain, again.content), id, model);
    await again.content.drain();
    expect(again.content.unstoredBytes).toBe(0);
    await again.content.close();
  }, 60_000);
}

test("one bucket that is down leaves a share on another alone", async () => {
  const down = await share({ durability: Durability.remote });
  const up = await share({ durability: Durability.remote });
  down.faults.down = away;
  await down.client.write(id, 0, new Uint8Array(100_000), 0);
  const waits = Promise.resolve(down.content.durable(id));
  for (let i = 0; i < 20; i++) {
    await up.client.write(id, i * 10_000, new Uint8Array(10_000).fill(i), 0);
    const committed = Promise.resolve(up.content.durable(id));
    await up.clock.passInTurns(10);
    expect(await committed).toBeNull();
  }
  expect([up.content.storeError, up.content.unstoredBytes]).toEqual([null, 0]);
  await down.clock.passInTurns(10_000);
  expect(await waits).toBe(FsError.of("jukebox"));
  down.faults.down = null;
  await Promise.all([down.content.close(), up.content.close()]);
}, 60_000);

test("a drain that is given up ends while the bucket is away, which is tried again and again", async () => {
  const { clock, faults, content, client, passUntil } = await share({ durability: Durability.local });
  faults.down = away;
  await client.write(id, 0, new Uint8Array(100_000), 0);
  const untilMs = clock.ms + 30_000;
  let overMs = -1;
  void content.drain(() => clock.ms > untilMs).then(() => (overMs = clock.ms));
  await passUntil("more time than the drain has", () => clock.ms > untilMs + 20_000);
  expect(overMs - untilMs).toBeWithin(0, 2001);
  expect(content.unstoredBytes).toBeGreaterThan(0);
  faults.down = null;
  await passUntil("it to heal", () => content.unstoredBytes === 0);
  await content.close();
});
