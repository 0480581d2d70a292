import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import type { CachedBlocks } from "#cache/disk/index.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { SeededRandom, seedFor } from "../../../support/seeded-random.ts";
import { temporary } from "../content-kit.ts";
import { allocatedIn, block, contentOf, copiesIn, CountingStore, MiB, openCache } from "./kit.ts";

let store: CountingStore;
let directory: string;
beforeEach(() => {
  store = new CountingStore();
  directory = temporary();
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

const indexOf = () => join(directory, "disk", "index.db");

/** A cache with a complete copy of the first object and one with holes of the second, closed. */
async function filled(): Promise<readonly [string, string]> {
  const [whole = "", holes = ""] = await store.fill(2, MiB + 100);
  const cache = await openCache(store.blocks, directory);
  await cache.get(whole, 0, MiB + 100);
  await cache.get(holes, 0, block);
  await cache.get(holes, 8 * block, block);
  await cache.close();
  store.gets.length = 0;
  return [whole, holes];
}

async function rightAndAsked(cache: CachedBlocks, keys: readonly string[]): Promise<string[]> {
  store.gets.length = 0;
  for (const [i, key] of keys.entries()) {
    expect(await cache.get(key, 0, block)).toEqual(contentOf(i, MiB + 100).subarray(0, block));
    expect(await cache.get(key, 8 * block, block)).toEqual(contentOf(i, MiB + 100).subarray(8 * block, 9 * block));
  }
  return [...new Set(store.gets.map(({ key }) => key))];
}

test("a lost index is rebuilt of the complete copies; those with holes go", async () => {
  const keys = await filled();
  for (const suffix of ["", "-wal"]) fs.rmSync(indexOf() + suffix, { force: true });
  const cache = await openCache(store.blocks, directory);
  await cache.settled();
  expect(copiesIn(directory).length).toBe(1);
  expect(await rightAndAsked(cache, keys)).toEqual([keys[1]]);
  expect(await cache.get(keys[0], 15 * block, block + 100)).toEqual(contentOf(0, MiB + 100).subarray(15 * block));
  await cache.close();
});

test("what is remembered is known after a kill, also where the index had a part of it before", async () => {
  const [key = ""] = await store.fill(1, MiB + 100);
  const clock = new ManualClock();
  const cache = await openCache(store.blocks, directory, { clock });
  await cache.get(key, 0, block);
  await cache.settled();
  clock.pass(1_000);
  expect(await cache.hold(key, 0, MiB + 100)).toBe(MiB + 100 - block);
  await cache.remember();
  const killed = temporary();
  fs.cpSync(directory, killed, { recursive: true });
  await cache.close();
  const next = await openCache(store.blocks, killed);
  await next.settled();
  store.gets.length = 0;
  expect(await next.get(key, 0, MiB + 100)).toEqual(contentOf(0, MiB + 100));
  expect(store.gets).toEqual([]);
  await next.close();
  fs.rmSync(killed, { recursive: true, force: true });
});

for (const [what, spoil] of [
  ["no database", () => fs.writeFileSync(indexOf(), "garbage that is no database, and longer than a header would be".repeat(100))],
  ["damaged", () => fs.writeFileSync(indexOf(), fs.readFileSync(indexOf()).map((byte, at) => (at < 4096 && at > 120 ? byte ^ 0x5a : byte)))],
  // The count of unused bytes in the head of the table's page: no query notices.
  ["damaged where it is not looked at", () => fs.writeFileSync(indexOf(), fs.readFileSync(indexOf()).map((byte, at) => (at === 4096 + 7 ? byte ^ 0x3f : byte)))],
  ["of a newer version", () => change("PRAGMA user_version = 2")],
  ["somebody else's", () => change("PRAGMA application_id = 1")],
  ["without its table", () => change("DROP TABLE file")],
] as const) {
  test(`an index that is ${what} is made anew`, async () => {
    const keys = await filled();
    spoil();
    const cache = await openCache(store.blocks, directory);
    await cache.settled();
    expect(await rightAndAsked(cache, keys)).toEqual([keys[1]]);
    await cache.close();
    const again = await openCache(store.blocks, directory);
    await again.settled();
    expect(await rightAndAsked(again, keys)).toEqual([]);
    await again.close();
  });
}

function change(sql: string): void {
  const db = new Database(indexOf());
  db.run(sql);
  db.close();
}

test("rows whose file is gone or too short, files that are none of ours, and copies of another share go", async () => {
  const keys = await filled();
  const [whole = "", holes = ""] = copiesIn(directory).sort((a, b) => fs.statSync(b).blocks - fs.statSync(a).blocks);
  fs.truncateSync(whole, 5 * block);
  fs.rmSync(holes);
  fs.writeFileSync(join(directory, "disk", "files", "3", "what is this"), "?");
  fs.writeFileSync(join(directory, "disk", "files", "3", "other+00+1+ff3"), "another share's");
  fs.writeFileSync(join(directory, "disk", "incoming", "7"), "half a pack");
  const cache = await openCache(store.blocks, directory);
  await cache.settled();
  expect([copiesIn(directory), fs.readdirSync(join(directory, "disk", "incoming")), cache.stats.objects]).toEqual([[], [], 0]);
  expect((await rightAndAsked(cache, keys)).length).toBe(2);
  await cache.close();
});

test("a copy made anew just before a crash is kept, though the index still has the row of the one that was removed", async () => {
  const keys = await filled();
  const before = fs.readFileSync(indexOf());
  const cache = await openCache(store.blocks, directory);
  await cache.evict();
  await cache.get(keys[0], 0, MiB + 100);
  await cache.close();
  fs.rmSync(`${indexOf()}-wal`, { force: true });
  fs.writeFileSync(indexOf(), before);
  const again = await openCache(store.blocks, directory);
  await again.settled();
  expect(await rightAndAsked(again, keys)).toEqual([keys[1]]);
  await again.close();
});

test("killed at any moment, what the next start gives is right and within the bound", async () => {
  const random = new SeededRandom(seedFor("disk cache kill", "DISK_CACHE_KILL_SEED"));
  const length = 3 * MiB + 777;
  const keys = await store.fill(8, length);
  const bytesMax = 14 * MiB;
  for (let round = 0; round < 4; round++) {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "kill-child.ts"), directory, String(bytesMax), String(random.uint32())], { stdout: "pipe", stderr: "inherit" });
    // Killed after so many reads were answered, in the midst of others.
    const killAfter = random.between(10, 80);
    let seen = 0;
    for await (const chunk of child.stdout) {
      seen += chunk.length;
      if (seen >= killAfter) break;
    }
    child.kill("SIGKILL");
    await child.exited;
    const cache = await openCache(store.blocks, directory, { limits: { bytesMax } });
    await cache.settled();
    expect(cache.stats.bytes).toBeLessThanOrEqual(bytesMax);
    expect(allocatedIn(join(directory, "disk"))).toBeLessThanOrEqual(bytesMax);
    for (const [i, key] of keys.entries()) {
      const expected = contentOf(i, length);
      for (let at = 0; at < length; at += 4 * block) {
        const stop = Math.min(at + 4 * block, length);
        expect(Buffer.compare(await cache.get(key, at, stop - at), expected.subarray(at, stop))).toBe(0);
      }
    }
    await cache.close();
    if (random.chance(0.5)) fs.rmSync(join(directory, "disk"), { recursive: true });
  }
}, 60_000);
