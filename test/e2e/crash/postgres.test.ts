import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Cluster, missingPostgres, startCluster } from "../../support/postgres.ts";
import { seedFor } from "../../support/seeded-random.ts";
import { playRounds, type Setting } from "./rounds.ts";

/**
 * Nothing acknowledged is lost of a share whose names and attributes lie in PostgreSQL, and nothing is done twice: the server is
 * killed, PostgreSQL is killed and started, both are. FSX_SEED runs a seed again; CRASH_ROUNDS sets how many rounds of each.
 */

const startMs = 240_000;
const minuteMs = 60_000;

if (missingPostgres !== null) console.log(`crash test on PostgreSQL: skipped, ${missingPostgres}`);

const plan: readonly (readonly [Setting, number])[] = [
  ["no crash", 2],
  ["kill", 10],
  ["outage", 8],
];

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("on PostgreSQL", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ fsync: true });
  }, startMs);
  afterAll(async () => {
    await cluster?.stop();
  });

  for (const [setting, count] of plan) {
    const rounds = Number(Bun.env.CRASH_ROUNDS ?? count);
    test(
      `${setting}: nothing acknowledged is lost`,
      async () => {
        const what = `crash test on PostgreSQL, ${setting}`;
        const begun = performance.now();
        const result = await playRounds({ setting, postgres: { cluster, login: await cluster.database() }, operationsMax: 400, rounds, seed: seedFor(what, "FSX_SEED") });
        console.log(`${what}: ${result.rounds} rounds, ${result.operations} operations, ${Math.round(performance.now() - begun)} ms`);
        expect(result.rounds).toBe(rounds);
      },
      3 * minuteMs + rounds * 20_000,
    );
  }
});
