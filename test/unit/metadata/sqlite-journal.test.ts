import { expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { TurnWriter } from "#history/index.ts";
import { openSqliteStore } from "#metadata/index.ts";
import type { HistoryMark, Journal } from "#model/history.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { makeRoot } from "../../contract/metadata/kit.ts";
import { temporary } from "../../support/temporary.ts";

test("a transaction that the history was found to have already is not numbered again: its successor stays until it is published", async () => {
  const path = join(temporary("journal"), "m.db");
  const open = () => openSqliteStore({ path, clock: systemClock, random: systemRandom, logger: silentLogger, journal: new TurnWriter() });
  const store = open();
  const journal = store.journal as Journal;
  const mark: HistoryMark = { epoch: 1, number: 1, turn: 5, sequence: 0, oldestNeeded: 1, fromEpoch: 0, fromNumber: 1, continues: true, tokens: [] };
  journal.setMark(mark);
  await makeRoot(store);
  expect(journal.turn).toBe(6);
  await store.close();
  const again = open();
  expect(again.journal?.after(5, 10).map(({ turn }) => turn)).toEqual([6]);
  await again.close();
});
