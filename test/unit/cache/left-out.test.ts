import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { faultyBlocks } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import type { ChangeSet } from "#model/change-set.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { until } from "../../support/wait.ts";
import { Client, copyOf, open, storeWith, temporary } from "./content-kit.ts";

/**
 * A power cut may take the payload of a large write that nobody was promised and leave the log's record of it. The start that finds
 * this leaves the write out; so must every later one, though the pack it lay in has been stored meanwhile, for others' sake.
 */

const torn = 101 as FileId;
const whole = 102 as FileId;
const length = 300_000;
const before = Buffer.alloc(length, 7);
const after = Buffer.alloc(length, 8);
const calm = { limits: { dirtyBytesMax: 64 << 20, unstoredBytesMax: 256 << 20, flushAgeMs: 3_600_000, flushBytes: 64 << 20 }, garbage: { graceMs: 0, intervalMs: 3_600_000 } };

/** A store that does nothing more once a set holds what `ends` names. */
function killedAt(store: MetadataStore, ends: (set: ChangeSet) => boolean): { readonly store: MetadataStore; readonly killed: () => true | null } {
  let killed = false;
  const apply = (set: ChangeSet): ReturnType<MetadataStore["apply"]> => {
    killed ||= ends(set);
    return killed ? new Promise(() => {}) : store.apply(set);
  };
  return { store: Object.assign(Object.create(store) as MetadataStore, { apply }), killed: () => (killed ? true : null) };
}

/** What a power cut leaves where two writes lie in one pack and the first one's bytes did not get to the disk. */
async function cutOff(store: MetadataStore, blocks: ReturnType<typeof openMemoryBlocks>): Promise<string> {
  const directory = temporary();
  let cut = false;
  const { content } = await open(killedAt(store, () => cut).store, blocks, directory, calm);
  const client = new Client(store, content);
  await client.write(torn, 0, before, 0);
  await content.drain();
  await client.write(torn, 0, after, 0);
  await client.write(whole, 0, after, 0);
  await content.durable(whole);
  cut = true;
  const copy = copyOf(directory);
  const [pack] = readdirSync(join(copy, "packs")).filter((name) => name.endsWith(".open"));
  const path = join(copy, "packs", pack as string);
  writeFileSync(path, readFileSync(path).fill(0, 0, length));
  return copy;
}

/** Starts, stores packs, and is killed before any file's row says that it has bytes in them. */
async function startKilledHalfWay(store: MetadataStore, blocks: ReturnType<typeof openMemoryBlocks>, directory: string): Promise<string> {
  const half = killedAt(store, (set) => set.changes.some((change) => change.do === "storeContent" || change.do === "layExtents"));
  const { content, recovered } = await open(half.store, blocks, directory, calm);
  expect(recovered.unfinished).toBe(1);
  void content.drain();
  await until("the kill", 5_000, half.killed);
  return copyOf(directory);
}

async function expectLeftOut(store: MetadataStore, blocks: ReturnType<typeof openMemoryBlocks>, directory: string): Promise<void> {
  const { content, recovered } = await open(store, blocks, directory, calm);
  const client = new Client(store, content);
  expect(Buffer.compare(await client.read(torn, 0, length), before)).toBe(0);
  expect(Buffer.compare(await client.read(whole, 0, length), after)).toBe(0);
  expect(recovered.unfinished).toBe(1);
  await content.drain();
  expect(Buffer.compare(await client.read(torn, 0, length), before)).toBe(0);
  await content.close();
}

async function world(): Promise<{ store: MetadataStore; blocks: ReturnType<typeof openMemoryBlocks>; left: string }> {
  const store = await storeWith([torn, whole]);
  const blocks = openMemoryBlocks();
  return { store, blocks, left: await cutOff(store, blocks) };
}

test("a write whose payload a power cut took is left out again when a start was killed that had stored its pack", async () => {
  const { store, blocks, left } = await world();
  await expectLeftOut(store, blocks, await startKilledHalfWay(store, blocks, left));
});

test("a list of them that is damaged is made up for by reading the packs", async () => {
  const { store, blocks, left } = await world();
  const killed = await startKilledHalfWay(store, blocks, left);
  const path = join(killed, "log", "left-out");
  const bytes = readFileSync(path);
  bytes[20]! ^= 1;
  writeFileSync(path, bytes);
  await expectLeftOut(store, blocks, killed);
});

test("the list goes when the log has none of the records any more", async () => {
  const { store, blocks, left } = await world();
  const list = join(left, "log", "left-out");
  const first = await open(store, blocks, left, calm);
  expect(existsSync(list)).toBe(true);
  await first.content.drain();
  await first.content.close();
  const second = await open(store, blocks, left, calm);
  await second.content.close();
  const third = await open(store, blocks, left, calm);
  expect([third.recovered.records, existsSync(list)]).toEqual([0, false]);
  await third.content.close();
});

test("a pack of which a power cut brought the name back stays the object it was stored as, whatever key that has", async () => {
  const [first, second] = [torn, whole];
  const store = await storeWith([first, second]);
  const blocks = openMemoryBlocks();
  const put = blocks.put.bind(blocks);
  // As after an older state of the metadata was put back: another object has the pack's own key.
  blocks.put = async (key, source) => {
    if (!key.includes("-") && (await blocks.size(key)) === null) await put(key, { from: "slices", slices: [before] });
    return put(key, source);
  };
  const directory = temporary();
  let killed = false;
  const half = killedAt(store, () => killed);
  // The first file is stored, the second is not.
  const apply: MetadataStore["apply"] = async (set) => {
    if (killed || !set.changes.some((change) => change.do === "storeContent")) return half.store.apply(set);
    await store.apply({ ...set, changes: set.changes.filter((change) => !("id" in change) || change.id === first) });
    killed = true;
    return half.store.apply(set);
  };
  const { content } = await open(Object.assign(Object.create(store) as MetadataStore, { apply }), blocks, directory, calm);
  const client = new Client(store, content);
  await client.write(first, 0, after, 0);
  await client.write(second, 0, after, 0);
  await content.durable(second);
  const left = copyOf(directory);
  void content.drain();
  await until("the first kill", 5_000, () => (killed ? true : null));
  // The next start is killed while it puts the pack.
  let putting = false;
  const dying = faultyBlocks(blocks, {
    before: (operation) => {
      putting ||= operation === "put";
      return putting ? new Promise(() => {}) : undefined;
    },
  });
  const opened = await open(store, dying, left, calm);
  void opened.content.drain();
  await until("the second kill", 5_000, () => (putting ? true : null));
  await store.apply({ conditions: [], changes: [{ do: "deleteDirent", parent: rootId, name: `f${second}` }, { do: "addLinks", id: second, delta: -1, at: systemClock.now() }] });
  await store.apply({ conditions: [], changes: [{ do: "freeOrphan", id: second, extentsMax: 1_000_000 }] });
  const last = await open(store, blocks, copyOf(left), calm);
  expect(Buffer.compare(await new Client(store, last.content).read(first, 0, length), after)).toBe(0);
  await last.content.close();
});
