import { expect, test } from "bun:test";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { openSqliteStore } from "#metadata/index.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { until } from "../../support/wait.ts";
import { addFile, Client, copyOf, open, temporary } from "./content-kit.ts";

/** An operator puts a backup of the metadata back: numbers that were drawn since then are drawn again, and the block store has objects under their keys. */

const id = 101 as FileId;
const calm = { limits: { dirtyBytesMax: 64 << 20, unstoredBytesMax: 256 << 20, flushAgeMs: 3_600_000, flushBytes: 64 << 20 }, garbage: { graceMs: 0, intervalMs: 3_600_000 } };

// Small ones go through the log, large ones straight into packs that log records point at.
for (const length of [10_000, 300_000]) {
  test(`what is written after an older state of the metadata was put back is never taken for what was lost: ${length} bytes`, async () => {
    const directory = temporary();
    const path = join(directory, "metadata.db");
    const openStore = (): MetadataStore => openSqliteStore({ path, clock: systemClock, random: systemRandom, logger: silentLogger, fatal: (error) => { throw error; } });
    const blocks = openMemoryBlocks();
    let store = openStore();
    await addFile(store, id);
    await store.close();
    copyFileSync(path, `${path}.backup`);

    store = openStore();
    const before = await open(store, blocks, temporary(), calm);
    await new Client(store, before.content).write(id, 0, Buffer.alloc(length, 1), 0);
    await before.content.close();
    await store.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    copyFileSync(`${path}.backup`, path);

    store = openStore();
    const own = temporary();
    const after = await open(store, blocks, own, calm);
    await new Client(store, after.content).write(id, 0, Buffer.alloc(length, 2), 0);
    const crashed = copyOf(own);
    await after.content.drain();
    await after.content.close();
    // From what a crash left in the log as well as from what was stored.
    for (const left of [own, crashed]) {
      const again = await open(store, blocks, left, calm);
      const client = new Client(store, again.content);
      expect(await client.read(id, 0, length)).toEqual(Buffer.alloc(length, 2));
      await again.content.drain();
      await again.content.close();
    }
    const [row] = await store.packs(0, 10);
    expect(row?.key).toMatch(/^[0-9a-f]{16}\/[0-9a-f]{2}\/[0-9a-f]{14}-[0-9a-f]+$/);
    // What is left from before is collected, also of a pack that had such a key; this one is found by whoever checks the share.
    await blocks.put(`${row?.key}0`, { from: "slices", slices: [] });
    const { content, upkeep } = await open(store, blocks, temporary(), { ...calm, garbage: { graceMs: 0, intervalMs: 20 } });
    await until("a collection", 10_000, async () => ((await Array.fromAsync(blocks.list(""))).length === 1 ? true : null));
    expect(upkeep.isKeyOf(row?.key as string, row?.id as PackId)).toBe(true);
    expect(upkeep.isKeyOf(row?.key as string, ((row?.id as PackId) + 1) as PackId)).toBe(false);
    expect((await upkeep.fromObject(row?.id as PackId))?.key).toBe(row?.key as string);
    expect(await new Client(store, content).read(id, 0, length)).toEqual(Buffer.alloc(length, 2));
    await content.close();
    // Without its row the object is found, but none is taken where two have the number.
    const key = row?.key as string;
    Object.assign(store, { pack: () => null });
    expect((await upkeep.fromObject(row?.id as PackId))?.key).toBe(key);
    const object = (await blocks.get(key, 0, (await blocks.size(key)) as number)).slice();
    await blocks.put(key.slice(0, key.lastIndexOf("-")), { from: "slices", slices: [object] });
    expect(await upkeep.fromObject(row?.id as PackId)).toBeNull();
    await store.close();
  }, 60_000);
}
