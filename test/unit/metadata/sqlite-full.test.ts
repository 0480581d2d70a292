import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync, rmSync, writeSync } from "node:fs";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { MetadataStoreError, openSqliteStore } from "#metadata/index.ts";
import type { Clock } from "#base/clock.ts";
import type { ApplyResult } from "#model/change-set.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { apply, at, checkCounters, content, createChanges, everything, extent, makeRoot, must, newFile, putPack } from "../../contract/metadata/kit.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./sqlite-files.ts";

const fileSystemBytes = 3 << 20;

function run(...command: string[]): boolean {
  try {
    return Bun.spawnSync(command).exitCode === 0;
  } catch {
    return false;
  }
}

function mountSmall(path: string): boolean {
  return run("mount", "-t", "tmpfs", "-o", `size=${fileSystemBytes}`, "tmpfs", path);
}

const probe = temporaryDirectory();
const canMount = mountSmall(probe.path) && run("umount", probe.path);
probe.remove();
if (!canMount) console.log("skipped: the tests of a full disk mount a small tmpfs, which takes root");

/** A real small file system that is full; skipped where it can't be mounted, which is printed above. */
describe.skipIf(!canMount)("sqlite: a full disk", () => {
  let directory: TemporaryDirectory;
  let path: string;
  let aheadMs = 0;
  /** The machine's clock, set forward instead of waiting. */
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };

  beforeAll(() => {
    directory = temporaryDirectory();
    if (!mountSmall(directory.path)) throw new Error("cannot mount");
    path = `${directory.path}/m.db`;
  });
  afterAll(() => {
    // Lazily: a test that failed has left its store open.
    if (!run("umount", "--lazy", directory.path)) throw new Error("cannot unmount");
    directory.remove();
  });

  function open(): MetadataStore {
    return openSqliteStore({ path, clock, random: systemRandom, logger: silentLogger, checkpointPages: 60 });
  }

  /** A file of another program that takes what is left of the disk, but for some bytes. */
  function fillUp(but: number): void {
    const fd = openSync(`${directory.path}/other`, "a+");
    const block = new Uint8Array(4096);
    try {
      for (;;) writeSync(fd, block);
    } catch {
      // Full.
    }
    const { size } = fstatSync(fd);
    closeSync(fd);
    if (!run("truncate", "-s", String(size - but), `${directory.path}/other`)) throw new Error("cannot truncate");
  }

  const live = new Map<string, FileId>();
  const refusedIds: FileId[] = [];
  let made = 0;

  async function createSome(store: MetadataStore, count: number): Promise<number> {
    const lane: Promise<ApplyResult>[] = [];
    const asked: [string, FileId][] = [];
    for (let i = 0; i < count; i++) {
      const id = store.draw() as FileId;
      const name = `file-${made++}-${"n".repeat(150)}`;
      asked.push([name, id]);
      lane.push(apply(store, [{ is: "direntAbsent", parent: rootId, name }], createChanges(rootId, name, newFile(id))));
    }
    let refused = 0;
    for (const [i, result] of (await Promise.all(lane)).entries()) {
      const [name, id] = asked[i] as [string, FileId];
      if (result.applied) live.set(name, id);
      else {
        expect(result.failed).toBe("noSpace");
        refused++;
        refusedIds.push(id);
      }
    }
    return refused;
  }

  async function removeAll(store: MetadataStore, names: readonly string[]): Promise<void> {
    for (const name of names) {
      const id = live.get(name) as FileId;
      await must(store, { do: "deleteDirent", parent: rootId, name }, { do: "addLinks", id, delta: -1, at });
      await must(store, { do: "freeOrphan", id, extentsMax: 100 });
      live.delete(name);
    }
  }

  async function check(store: MetadataStore): Promise<void> {
    const entries = await store.directory(rootId, 0, 1_000_000);
    expect(new Map(entries.map((e) => [e.name, e.child]))).toEqual(live);
    await checkCounters(store, [rootId, ...live.values()]);
  }

  test("creates are refused, nothing is half there, content and removals go on, and room heals it", async () => {
    let store = open();
    await makeRoot(store);
    const pack = await putPack(store);
    expect(await createSome(store, 500)).toBe(0);
    fillUp(96 << 10);

    while ((await createSome(store, 20)) === 0) expect(made).toBeLessThan(20_000);
    expect(await createSome(store, 20)).toBe(20);
    await check(store);

    // Flushes and removals of everything that is there, though the disk stays full.
    const names = [...live.keys()];
    for (const [i, name] of names.slice(0, 200).entries()) {
      await must(store, content(live.get(name) as FileId, i + 1, 10, [extent(0, 10, pack, i * 10)]));
    }
    await check(store);
    await removeAll(store, names.slice(0, 250));
    await check(store);

    // A crash in this state loses nothing either.
    rmSync(`${directory.path}/other`);
    aheadMs += 1000;
    expect(await createSome(store, 50)).toBe(0);
    await check(store);
    await store.close();
    store = open();
    await check(store);

    // Full again: what removals freed within the database is room as well.
    fillUp(0);
    while ((await createSome(store, 50)) === 0) expect(made).toBeLessThan(20_000);
    await removeAll(store, [...live.keys()]);
    aheadMs += 1000;
    expect(await createSome(store, 10)).toBe(0);
    await check(store);
    await store.close();
  }, 60_000);

  test("a commit that fails leaves memory as the disk has it", async () => {
    rmSync(`${directory.path}/other`, { force: true });
    path = `${directory.path}/third.db`;
    live.clear();
    // Opened with so little room that the WAL gets none in advance.
    fillUp(120 << 10);
    const store = open();
    expect(await apply(store, [], createChanges(rootId, "f", newFile(rootId)))).toEqual({ applied: false, failed: "noSpace" });
    rmSync(`${directory.path}/other`);
    aheadMs += 1000;
    await makeRoot(store);
    expect(await createSome(store, 20)).toBe(0);
    fillUp(0);
    for (let i = 0; i < 5; i++) {
      await createSome(store, 20);
      await check(store);
    }
    expect(await createSome(store, 20)).toBe(20);
    await removeAll(store, [...live.keys()].slice(0, 10));
    await check(store);
    const ids = [rootId, ...live.values(), ...refusedIds];
    const before = await everything(store, ids);
    await store.close();
    const again = open();
    expect(await everything(again, ids)).toEqual(before);
    await again.close();
  });

  test("a store that does not fit is refused in words", () => {
    fillUp(0);
    path = `${directory.path}/second.db`;
    expect(open).toThrow(MetadataStoreError);
    expect(open).toThrow("full");
  });
});
