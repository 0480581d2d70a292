import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { contentsOf } from "#check/index.ts";
import { TurnWriter } from "#history/index.ts";
import { ByteReader } from "#history/bytes.ts";
import { readTurn } from "#history/read-change-sets.ts";
import { importIntoSqlite, openSqliteStore, SqliteReplay, type SqliteStore } from "#metadata/index.ts";
import type { HistoryMark, Journal } from "#model/history.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { World } from "../../contract/metadata/random.ts";
import { Listener } from "../../support/damaged-share.ts";
import { copyDatabase, temporaryDirectory } from "./sqlite-files.ts";

/** What was applied and written down as the history has it, applied again to a copy: every row is as it was, streams, attributes, flags and folds with it. */

const setsPerSeed = 1200;
const mark: HistoryMark = { epoch: 0, number: 1, turn: 0, sequence: 0, oldestNeeded: 0, fromEpoch: 0, fromNumber: 1, continues: true, tokens: [] };

function open(path: string, journal: boolean): SqliteStore {
  return openSqliteStore({ path, clock: systemClock, random: systemRandom, logger: silentLogger, ...(journal ? { journal: new TurnWriter() } : {}) });
}

async function rowsOf(store: MetadataStore): Promise<string> {
  const { digest } = await contentsOf(store, systemClock, new Listener());
  return digest;
}

for (const seed of [11, 12]) {
  test(`seed ${seed}: replayed from its history, and moved into another database`, async () => {
    const directory = temporaryDirectory();
    const path = `${directory.path}/m.db`;
    const store = open(path, true);
    const turns: Uint8Array[] = [];
    (store.journal as Journal).onTurn((_, bytes) => turns.push(bytes));
    const copy = `${directory.path}/copy.db`;
    copyDatabase(path, copy);
    const world = new World(store, seed);
    const sets = [world.root(), ...Array.from({ length: setsPerSeed }, () => null)];
    for (const given of sets) {
      const set = given ?? world.next();
      world.model.apply(set);
      await store.apply(set);
    }
    await world.model.compare(store, world.ids);
    expect(turns.length).toBeGreaterThan(100);

    const replay = new SqliteReplay(copy, systemRandom);
    for (const bytes of turns) {
      const turn = readTurn(new ByteReader(bytes));
      replay.apply(turn.firstDrawn, turn.sets);
    }
    replay.finish(mark);
    const recovered = open(copy, false);
    await world.model.compare(recovered, world.ids);
    expect(await rowsOf(recovered)).toBe(await rowsOf(store));
    await recovered.close();

    const moved = `${directory.path}/moved.db`;
    await importIntoSqlite({ path: moved, source: store, mark: null, clock: systemClock, random: systemRandom, wrote: () => {}, verify: async () => {} });
    const other = open(moved, false);
    await world.model.compare(other, world.ids);
    expect(await rowsOf(other)).toBe(await rowsOf(store));
    await other.close();
    await store.close();
    directory.remove();
  }, 60_000);
}
