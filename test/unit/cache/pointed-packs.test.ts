import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { Time } from "#base/time.ts";
import { type Faults, faultyBlocks } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { packKey } from "#cache/packs/index.ts";
import { type BlockStore, StoreFullError, StoreUnavailableError } from "#model/block-store.ts";
import { PackState } from "#model/change-set.ts";
import type { PackedFile, ShareHistory } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { Client, compare, copyOf, open, storeWith, temporary } from "./content-kit.ts";

/** Packs that published segments point to stay while a recovery needs them, whatever becomes of the flush that made them and of the server. */

const file = 50 as FileId;
const bytes = new Uint8Array(300_000).fill(7);
/** A flush is not tried again by itself while a test looks. */
const limits = { dirtyBytesMax: 8 * 1024 * 1024, unstoredBytesMax: 64 * 1024 * 1024, flushAgeMs: 20, flushBytes: 4 * 1024 * 1024 };
const garbage = { graceMs: 0, intervalMs: 3_600_000 };

/** A history that points to every pack it is told of, and says at once that all is published. */
class Pointing {
  readonly told = Promise.withResolvers<ReadonlyMap<FileId, PackedFile>>();
  readonly unshippedBytes = 0;
  readonly leavesToPacks = true;
  readonly lost = null;
  readonly markedSequence = 0;
  publishedTo = (): number => 0;
  /** Whether its segments need what it is told of. */
  readonly keeps: boolean;
  constructor(keeps = true) {
    this.keeps = keeps;
  }
  wrote(): void {}
  pointed(): void {}
  truncated(): void {}
  cloned(): void {}
  punched(): void {}
  published(): null {
    return null;
  }
  passed(): Promise<boolean> {
    return Promise.resolve(true);
  }
  packed(files: ReadonlyMap<FileId, PackedFile>): boolean {
    this.told.resolve(files);
    return this.keeps;
  }
  async pack(): Promise<PackId> {
    const packed = (await this.told.promise).get(file) as PackedFile;
    return (packed.extents[0] as PackedFile["extents"][number]).pack;
  }
}

interface Flushed {
  readonly store: MetadataStore;
  readonly objects: BlockStore;
  readonly directory: string;
  readonly faults: { put: () => Promise<void> };
  readonly pack: PackId;
  readonly key: string;
  readonly first: Awaited<ReturnType<typeof open>>;
}

const historyOf = (pointing: Pointing) => pointing as unknown as ShareHistory & { markedSequence: number; publishedTo(): number };

function bucket(objects: BlockStore) {
  const faults = { put: async (): Promise<void> => {} };
  const refused = Promise.withResolvers<void>();
  const hooks: Faults = {
    before: async (operation) => {
      if (operation !== "put") return;
      await faults.put().catch((error: unknown) => {
        refused.resolve();
        throw error;
      });
    },
    after: async () => {},
  };
  return { faults, refused: refused.promise, blocks: faultyBlocks(objects, hooks) };
}

/** A share whose first flush told the history of its pack, and then found the bucket away. */
async function flushed(): Promise<Flushed> {
  const store = await storeWith([file]);
  const objects = openMemoryBlocks();
  const directory = temporary();
  const { faults, refused, blocks } = bucket(objects);
  faults.put = () => Promise.reject(new StoreUnavailableError("the bucket is away"));
  const pointing = new Pointing();
  const first = await open(store, blocks, directory, { history: historyOf(pointing), limits, garbage });
  await new Client(store, first.content).write(file, 0, bytes.subarray(0, 60_000), 0);
  const pack = await pointing.pack();
  await refused;
  // Until the loop has seen it fail.
  while (first.content.storeError === null) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
  faults.put = async () => {};
  return { store, objects, directory, faults, pack, key: packKey(store.identity.instance, pack), first };
}

test("a cut of the history gets the packs it points to into the bucket, though the flush that made them failed", async () => {
  const { store, objects, key, pack, first } = await flushed();
  const held = first.shipped.hold([pack]);
  expect(await held.store()).toBe(true);
  held.release();
  expect(await objects.size(key)).not.toBeNull();
  await first.content.drain();
  await compare(new Client(store, first.content), file, bytes.slice(0, 60_000));
  await first.content.close();
});

test("a pack of a flush under way is not given up by whoever else lets go of it meanwhile", async () => {
  const store = await storeWith([file]);
  const { faults, blocks } = bucket(openMemoryBlocks());
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let puts = 0;
  faults.put = () => {
    puts++;
    begun.resolve();
    return gate.promise;
  };
  // No log record speaks of the pack: only the flush keeps it.
  const pointing = new Pointing(false);
  const { content, shipped } = await open(store, blocks, temporary(), { history: historyOf(pointing), limits, garbage });
  await new Client(store, content).write(file, 0, bytes.subarray(0, 60_000), 0);
  const pack = await pointing.pack();
  await begun.promise;
  shipped.hold([pack]).release();
  // A cut that points to it still waits for it: one that was given up is taken for stored.
  const held = shipped.hold([pack]);
  const stored = held.store();
  let isStored = false;
  void stored.then(() => void (isStored = true));
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
  expect(isStored).toBe(false);
  gate.resolve();
  expect(await stored).toBe(true);
  held.release();
  await content.drain();
  expect(puts).toBe(1);
  await compare(new Client(store, content), file, bytes.slice(0, 60_000));
  await content.close();
});

test("after a kill they stay until all that the log had is stored again; what was unused before that was written goes, so that a full store gets room", async () => {
  const { store, objects, directory, faults, key, pack, first } = await flushed();
  const held = first.shipped.hold([pack]);
  expect(await held.store()).toBe(true);
  held.release();
  faults.put = () => new Promise(() => {});
  const left = copyOf(directory);

  const old = 7 as PackId;
  const oldKey = packKey(store.identity.instance, old);
  await objects.put(oldKey, { from: "slices", slices: [bytes] });
  const row = { id: old, key: oldKey, state: PackState.live, size: 10, live: 0, frames: new Uint8Array(4), since: new Time(1_000_000_000, 0) };
  expect((await store.apply({ conditions: [], changes: [{ do: "putPack", pack: row }] })).applied).toBe(true);

  const again = bucket(objects);
  again.faults.put = () => Promise.reject(new StoreFullError("the bucket is full"));
  const second = await open(store, again.blocks, left, { history: historyOf(new Pointing()), limits, garbage });
  await again.refused;
  for (let pass = 0; pass < 3; pass++) await second.upkeep.collect();
  expect(await objects.size(key)).not.toBeNull();
  expect(await objects.size(oldKey)).toBeNull();

  again.faults.put = async () => {};
  await second.content.drain();
  await compare(new Client(store, second.content), file, bytes.slice(0, 60_000));
  for (let pass = 0; pass < 3; pass++) await second.upkeep.collect();
  expect(await objects.size(key)).toBeNull();
  await second.content.close();
}, 60_000);
