import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { compileC } from "../../support/compile.ts";
import { seedFor } from "../../support/seeded-random.ts";
import { whyNoPowerCut } from "./power-cut.ts";
import { LossFound, playRounds, type RoundsOptions, type Setting } from "./rounds.ts";

/**
 * Nothing acknowledged is lost: without a crash, when the server is killed, when the power is cut. FSX_SEED runs a seed again,
 * CRASH_ROUNDS sets how many rounds of each.
 */

const rounds = Number(Bun.env.CRASH_ROUNDS ?? 50);
const minuteMs = 60_000;
const limitMs = 5 * minuteMs + rounds * 20_000;

const why = whyNoPowerCut();
if (why !== null) console.log(`crash test, power cut: skipped, ${why}`);

async function survives(setting: Setting, count: number, options: Partial<RoundsOptions> = {}): Promise<void> {
  const seed = seedFor(`crash test, ${setting}`, "FSX_SEED");
  const result = await playRounds({ setting, seed, rounds: count, ...options });
  console.log(`crash test, ${setting}: ${result.rounds} rounds, ${result.operations} operations`);
  expect(result.operations).toBeGreaterThan(count);
}

test("no crash: reads, listings and attributes are the model's, before and after a stop", () => survives("no crash", 4), limitMs);

test("kill -9 at random moments under load loses nothing acknowledged", () => survives("kill", rounds), limitMs);

test("kill -9 loses nothing acknowledged with durability writeback either", () => survives("kill", Math.ceil(rounds / 5), { durability: "writeback" }), limitMs);

test("kill -9 loses nothing acknowledged of content that is compressed and encrypted", () => survives("kill", Math.ceil(rounds / 5), { sealed: true }), limitMs);

// Skipped where FUSE can't be had; the reason is printed above.
describe.skipIf(why !== null)("power cut", () => {
  test("loses nothing acknowledged", () => survives("power cut", rounds), limitMs);

  test("loses nothing acknowledged of content that is compressed and encrypted", () => survives("power cut", Math.ceil(rounds / 5), { sealed: true }), limitMs);

  test("a first start killed half way leaves nothing that a later power cut could take", async () => {
    const seed = seedFor("crash test, first start killed", "FSX_SEED");
    for (let i = 0; i < Math.ceil(rounds / 4); i++) {
      await playRounds({ setting: "power cut", seed: seed + i, rounds: 1, operationsMax: 60, firstStartKilled: true });
    }
  }, limitMs);

  const tampered: Record<string, () => Partial<RoundsOptions>> = {
    "a server whose syncs do nothing": () => ({ env: { LD_PRELOAD: compileC(join(import.meta.dir, "nosync.c"), { flags: ["-shared", "-fPIC"] }) } }),
    "a disk that forgets synced names": () => ({ ignoreSyncs: "dir" }),
    "a disk that forgets the metadata store's log": () => ({ ignoreSyncs: "name:-wal" }),
    "a disk that forgets the content's log": () => ({ ignoreSyncs: "name:.log" }),
    "a disk that forgets packs": () => ({ ignoreSyncs: "name:/staging/" }),
  };
  for (const [what, how] of Object.entries(tampered)) {
    test(`the test of the test: ${what} is found out`, async () => {
      const seed = seedFor(`crash test, ${what}`, "FSX_SEED");
      const outcome = await playRounds({ setting: "power cut", seed, rounds: 20, operationsMax: 400, lossExpected: true, ...how() }).catch((error: unknown) => error);
      expect(outcome).toBeInstanceOf(LossFound);
      console.log(`found in round ${(outcome as LossFound).round}: ${(outcome as LossFound).message.split("\n")[1]}`);
    }, limitMs);
  }
});
