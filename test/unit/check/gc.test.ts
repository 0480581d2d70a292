import { expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { StrayFile } from "#app/work/stray-file.ts";
import { gc } from "#check/index.ts";
import { FileType } from "#model/inode.ts";
import { rootId } from "#model/ids.ts";
import { systemClock } from "#base/clock.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { bytesOf, Listener, make, makeRoot, openCheckable, write } from "../../support/damaged-share.ts";
import { temporary } from "../../support/temporary.ts";

/** A share with a file that stays and one that was removed. */
async function withGarbage(directory: string): Promise<void> {
  const opened = await openCheckable(directory);
  await makeRoot(opened);
  await write(opened, await make(opened, rootId, "stays", FileType.regular), bytesOf(1, 5000));
  const gone = await make(opened, rootId, "gone", FileType.regular);
  await write(opened, gone, bytesOf(2, 7000));
  await opened.store.apply({ conditions: [], changes: [{ do: "deleteDirent", parent: rootId, name: "gone" }, { do: "addLinks", id: gone, delta: -1, at: systemClock.now() }, { do: "freeOrphan", id: gone, extentsMax: 100 }] });
  await opened.close();
}

test("gc shows what nobody refers to, and deletes it only when asked and when its grace is over", async () => {
  const directory = temporary("gc");
  await withGarbage(directory);
  const patient = await openCheckable(directory);
  const packs = (): Promise<number> => Promise.resolve(patient.store.packs(0, 100)).then((rows) => rows.length);
  const listener = new Listener();
  expect(await gc(patient.upkeep, false, listener)).toEqual({ objects: 1, bytes: 7000, due: 0, dueBytes: 0, deleted: 0, deletedBytes: 0 });
  expect(listener.findings).toMatchObject([{ kind: "unreferenced_pack", severity: "notice" }]);
  expect(await gc(patient.upkeep, true, new Listener())).toMatchObject({ objects: 1, due: 0, deleted: 0 });
  expect(await packs()).toBe(2);
  await patient.close();

  const urgent = await openCheckable(directory, { graceMs: 0 });
  expect(await gc(urgent.upkeep, false, new Listener())).toMatchObject({ objects: 1, due: 1, dueBytes: 7000, deleted: 0 });
  expect(await gc(urgent.upkeep, true, new Listener())).toMatchObject({ due: 1, deleted: 1, deletedBytes: 7000 });
  expect(await gc(urgent.upkeep, true, new Listener())).toMatchObject({ objects: 0, deleted: 0 });
  expect((await urgent.store.packs(0, 100)).length).toBe(1);
  await urgent.close();
});

test("an object nobody knows is seen, and goes once it was seen twice", async () => {
  const directory = temporary("gc");
  const opened = await openCheckable(directory, { graceMs: 0 });
  await makeRoot(opened);
  const key = `${Buffer.from(opened.store.identity.instance).toString("hex")}/aa/00000000abcdef`;
  await opened.target.blocks.put(key, { from: "slices", slices: [bytesOf(3, 100)] });
  const listener = new Listener();
  expect(await gc(opened.upkeep, true, listener)).toMatchObject({ objects: 1, bytes: 100, due: 0, deleted: 0 });
  expect(listener.findings).toMatchObject([{ kind: "unreferenced_object", key }]);
  expect(await gc(opened.upkeep, true, new Listener())).toMatchObject({ objects: 1, due: 1, deleted: 1 });
  expect(await opened.target.blocks.size(key)).toBeNull();
  await opened.close();
});

test("an object nobody knows that one process saw goes with the next, each time the share being opened for the collection alone", async () => {
  const directory = temporary("gc");
  const key = await (async () => {
    const opened = await openCheckable(directory);
    await makeRoot(opened);
    await write(opened, await make(opened, rootId, "stays", FileType.regular), bytesOf(1, 5000));
    const stray = `${Buffer.from(opened.store.identity.instance).toString("hex")}/aa/00000000abcdef`;
    await opened.target.blocks.put(stray, { from: "slices", slices: [bytesOf(3, 100)] });
    await opened.close();
    return stray;
  })();
  const runs: unknown[] = [];
  for (let run = 0; run < 3; run++) {
    const opened = await openCheckable(directory, { graceMs: 0, strays: new StrayFile(join(directory, "strays.json"), silentLogger) });
    if (run === 1) expect(await gc(opened.upkeep, false, new Listener())).toMatchObject({ objects: 1, due: 1 });
    const { objects, due, deleted } = await gc(opened.upkeep, true, new Listener());
    runs.push([objects, due, deleted, await opened.target.blocks.size(key)]);
    expect((await opened.store.packs(0, 100)).length).toBe(1);
    await opened.close();
  }
  expect(runs).toEqual([[1, 0, 0, 100], [1, 1, 1, null], [0, 0, 0, null]]);
});

/** What a share's metadata says of its packs is damaged; the share is closed. */
function damagePacks(directory: string, statement: string): void {
  const database = new Database(join(directory, "metadata.db"));
  database.run(statement);
  database.close();
}

for (const [what, statement] of [
  ["lost its row", "DELETE FROM pack"],
  ["is said to have no live byte", "UPDATE pack SET live = 0"],
] as const) {
  test(`a pack that ${what} and that files refer to is left to fsck, however often it is collected`, async () => {
    const directory = temporary("gc");
    const whole = await openCheckable(directory);
    await makeRoot(whole);
    await write(whole, await make(whole, rootId, "stays", FileType.regular), bytesOf(1, 5000));
    const [pack] = await whole.store.packs(0, 10);
    await whole.close();
    damagePacks(directory, statement);
    for (let run = 0; run < 3; run++) {
      const opened = await openCheckable(directory, { graceMs: 0, strays: new StrayFile(join(directory, "strays.json"), silentLogger) });
      expect(await gc(opened.upkeep, true, new Listener())).toMatchObject({ due: 0, deleted: 0 });
      expect(await gc(opened.upkeep, true, new Listener())).toMatchObject({ due: 0, deleted: 0 });
      expect(await opened.target.blocks.size(pack?.key ?? "")).not.toBeNull();
      await opened.close();
    }
  });
}
