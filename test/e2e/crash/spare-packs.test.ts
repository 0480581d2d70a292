import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openFilesystemBlocks } from "#blocks/index.ts";
import { openMemoryStore } from "#metadata/index.ts";
import type { FileId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { temporaryDirectory } from "../../support/server.ts";
import { Client, inodeOf, open } from "../../unit/cache/content-kit.ts";
import { PowerCutDisk, whyNoPowerCut } from "./power-cut.ts";

/** Packs written over the files of packs given up, on a disk that loses power: whatever a file is found to be, it is what was written there. */

const why = whyNoPowerCut();
if (why !== null) console.log(`spare packs on a power-cut disk: skipped, ${why}`);

const rounds = Math.min(Number(Bun.env.CRASH_ROUNDS ?? 6), 60);
const filesMax = 5;
const fileBytes = 2 ** 20;
const mebibyte = 2 ** 20;

let cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const one of cleanup.splice(0)) await one();
});

/** A version of a file: bytes no other version of any file has. */
function bytesOf(file: number, version: number): Uint8Array {
  const bytes = new Uint8Array(fileBytes);
  new Uint32Array(bytes.buffer).fill(version * 64 + file);
  return bytes;
}

/** Which version a file is found to be; 0: it is empty, as it was before its first. */
function versionIn(bytes: Uint8Array, file: number): number {
  if (bytes.length === 0) return 0;
  const words = new Uint32Array(bytes.slice().buffer);
  const first = words[0] ?? 0;
  expect(first % 64).toBe(file);
  const version = (first - file) / 64;
  expect(Buffer.compare(bytes, bytesOf(file, version))).toBe(0);
  return version;
}

/** The metadata is on another disk; what content without power asks of it is not done. */
function until(store: MetadataStore, dead: () => boolean): MetadataStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === "apply" && dead()) return () => Promise.withResolvers().promise;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

// Skipped where FUSE can't be had; the reason is printed above.
describe.skipIf(why !== null)("packs in spare files", () => {
  test("after power cuts every file is as it was acknowledged, or as it was written later", async () => {
    const directory = temporaryDirectory("spares-cut");
    const disk = new PowerCutDisk(directory.path);
    cleanup.push(async () => {
      await disk.unmount();
      directory.remove();
    });
    await disk.mount();
    const random = new SeededRandom(seedFor("spare packs", "FSX_SEED"));
    const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
    const ids = Array.from({ length: filesMax }, (_, i) => (101 + i) as FileId);
    for (const id of ids) await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: inodeOf(id) }] });
    const versions = new Map(ids.map((id) => [id, { written: 0, durable: 0 }]));
    let spares = 0;
    for (let round = 0; round < rounds; round++) {
      let dead = false;
      const blocks = await openFilesystemBlocks({ directory: join(disk.mountpoint, "blocks") });
      const { content } = await open(until(store, () => dead), blocks, join(disk.mountpoint, "share"), {
        limits: { dirtyBytesMax: 2 * mebibyte, unstoredBytesMax: 512 * mebibyte, flushAgeMs: 5 + random.below(400), flushBytes: 64 * mebibyte },
        fatal: () => {},
      });
      const client = new Client(store, content);
      for (const id of ids) {
        const state = versions.get(id)!;
        const found = versionIn(await client.read(id, 0, fileBytes), id - 100);
        expect(found).toBeGreaterThanOrEqual(state.durable);
        expect(found).toBeLessThanOrEqual(state.written);
        state.durable = found;
      }
      const acknowledgements: Promise<void>[] = [];
      for (let writes = 60 + random.below(200); writes > 0; writes--) {
        const id = ids[random.below(ids.length)]!;
        const state = versions.get(id)!;
        const version = ++state.written;
        await client.write(id, 0, bytesOf(id - 100, version), random.below(fileBytes));
        if (random.below(12) > 0) continue;
        const durable = Promise.resolve(content.durable(id)).then((failed) => {
          if (!dead && failed === null) state.durable = Math.max(state.durable, version);
        });
        if (random.below(3) === 0) await durable;
        else acknowledgements.push(durable);
        spares += readdirSync(blocks.stagingDirectory).filter((name) => name.startsWith("spare-")).length;
      }
      dead = true;
      await disk.cut(random.below(2 ** 31));
      await disk.mount();
    }
    expect(spares).toBeGreaterThan(0);
  }, 60_000 + rounds * 20_000);
});
