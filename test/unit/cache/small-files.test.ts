import { afterEach, expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { openFilesystemBlocks } from "#blocks/filesystem/index.ts";
import { systemFiles } from "#cache/log/file-ops.ts";
import type { ApplyResult, ChangeSet } from "#model/change-set.ts";
import type { FileId } from "#model/ids.ts";
import { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { addFile, Client, compare, grown, open, removeFile, storeWith, temporary } from "./content-kit.ts";

/** Small files that are written, cut and removed while the thread pool stores them, slowly, in pieces, or not at all; sets of them that fail. */

const { writev } = systemFiles;
afterEach(() => {
  systemFiles.writev = writev;
});

const fileBytesMax = 150_000;
/** A failed flush is tried again only after a while. */
const failuresMax = 6;

/** What the pool and the store may do to a flush. */
class Trouble {
  left = failuresMax;
  poolFailed = 0;
  setsFailed = 0;
  largestSet = 0;
  private readonly random: SeededRandom;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  private strikes(probability: number): boolean {
    return this.left > 0 && this.random.chance(probability) && this.left-- > 0;
  }

  readonly writev: typeof writev = (fd, slices, position, done) => {
    let turns = this.random.below(6);
    const full = this.strikes(0.1);
    if (full) this.poolFailed++;
    const isShort = this.random.chance(0.4);
    const first = slices[0] as Uint8Array;
    const part = isShort && first.length > 1 ? [first.subarray(0, this.random.between(1, first.length))] : slices;
    const go = (): void => {
      if (turns-- > 0) systemClock.atTurnEnd(go);
      else if (full) done(Object.assign(new Error("full"), { code: "ENOSPC" }), 0);
      else writev(fd, part, position, done);
    };
    go();
  };

  applying(store: MetadataStore): MetadataStore {
    const apply = async (set: ChangeSet): Promise<ApplyResult> => {
      const of = set.changes.filter((change) => change.do === "storeContent").length;
      if (of === 0) return store.apply(set);
      this.largestSet = Math.max(this.largestSet, of);
      if (!this.strikes(0.2)) return store.apply(set);
      this.setsFailed++;
      if (this.random.chance(0.5)) return { applied: false, failed: "noSpace" };
      // The answer may be lost after it was done, too.
      if (this.random.chance(0.5)) await store.apply(set);
      throw new Error("the database went away");
    };
    return new Proxy(store, {
      get(target, name) {
        const value: unknown = name === "apply" ? apply : Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

async function checkCounts(store: MetadataStore, ids: readonly FileId[]): Promise<void> {
  let bytes = 0;
  for (const id of ids) {
    const row = (await store.inode(id)) as Inode;
    const extents = await store.extents(id, 0, Number.MAX_SAFE_INTEGER, 10_000);
    let used = 0;
    for (const { length } of extents) used += length;
    expect(row.used).toBe(used);
    bytes += used;
  }
  expect((await store.usage()).bytes).toBe(bytes);
}

test("small files are what was written, whatever becomes of the pool's writes and the store's sets meanwhile", async () => {
  const random = new SeededRandom(seedFor("small files", "SMALL_FILES_SEED"));
  const trouble = new Trouble(random);
  systemFiles.writev = trouble.writev;
  const ids = Array.from({ length: 48 }, (_, i) => (1000 + i) as FileId);
  let nextId = 2000;
  const inner = await storeWith(ids);
  const store = trouble.applying(inner);
  const directory = temporary();
  const blocks = await openFilesystemBlocks({ directory: `${directory}/blocks` });
  const { content } = await open(store, blocks, directory);
  const client = new Client(store, content);
  const models = new Map<FileId, Uint8Array>(ids.map((id) => [id, new Uint8Array(0)]));
  for (let round = 0; round < 3000; round++) {
    const at = random.below(ids.length);
    const id = ids[at] as FileId;
    const model = models.get(id) as Uint8Array;
    const dice = random.below(100);
    if (dice < 60) {
      const length = random.between(1, random.chance(0.1) ? 70_000 : 5_000);
      const offset = random.chance(0.5) ? 0 : random.below(fileBytesMax - length);
      const bytes = new Uint8Array(length).fill(1 + (round % 255));
      await client.write(id, offset, bytes, random.below(length + 1));
      const next = grown(model, offset + length).slice();
      next.set(bytes, offset);
      models.set(id, next);
    } else if (dice < 70) {
      const size = random.below(fileBytesMax);
      expect(content.truncate(await client.inode(id), size, systemClock.now())).toBeInstanceOf(Inode);
      models.set(id, size <= model.length ? model.slice(0, size) : grown(model, size));
    } else if (dice < 75) {
      await removeFile(inner, content, id);
      models.delete(id);
      const fresh = (ids[at] = nextId++ as FileId);
      await addFile(inner, fresh);
      models.set(fresh, new Uint8Array(0));
    } else if (dice < 90) await compare(client, id, model);
    else if (dice < 98) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
    else expect(await content.durable(id)).toBeNull();
  }
  trouble.left = 0;
  await content.drain();
  for (const id of ids) await compare(client, id, models.get(id) as Uint8Array);
  await content.close();
  await checkCounts(inner, ids);
  const again = await open(inner, blocks, directory);
  const reader = new Client(inner, again.content);
  for (const id of ids) await compare(reader, id, models.get(id) as Uint8Array);
  await again.content.close();
  expect(trouble.largestSet).toBeGreaterThan(1);
  expect(trouble.largestSet).toBeLessThanOrEqual(16);
  expect(trouble.poolFailed + trouble.setsFailed).toBeGreaterThan(0);
}, 60_000);
