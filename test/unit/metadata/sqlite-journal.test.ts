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

test("a mark is kept once the commit that has it is synced, also where somebody else made that commit", async () => {
  const waiting: (() => void)[] = [];
  let holds = false;
  const sync = (_fd: number, done: (error: Error | null) => void): void => void (holds ? waiting.push(() => done(null)) : queueMicrotask(() => done(null)));
  const store = openSqliteStore({ path: join(temporary("journal"), "m.db"), clock: systemClock, random: systemRandom, logger: silentLogger, journal: new TurnWriter(), sync });
  await makeRoot(store);
  const journal = store.journal as Journal;
  holds = true;
  journal.setMark({ epoch: 1, number: 1, turn: 0, sequence: 0, oldestNeeded: 1, fromEpoch: 0, fromNumber: 1, continues: true, tokens: [] });
  const committed = store.apply({ conditions: [], changes: [{ do: "raiseTreeVersion" }] });
  for (let i = 0; waiting.length === 0 && i < 100; i++) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
  expect(waiting).toHaveLength(1);
  let kept = false;
  const keeping = journal.keepMark().then(() => (kept = true));
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
  expect(kept).toBe(false);
  holds = false;
  for (const go of waiting.splice(0)) go();
  await committed;
  await keeping;
  await store.close();
});
