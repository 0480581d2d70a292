import { describe, expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { faultyBlocks, openMemoryBlocks, PlannedFaults } from "#blocks/index.ts";
import { StoreUnavailableError } from "#model/block-store.ts";
import { pattern } from "../../contract/blocks.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const bytes = pattern(1000, 1);

/** Puts and reads by this seed; which of them failed how. */
async function course(seed: number): Promise<{ readonly outcomes: readonly string[]; readonly made: number }> {
  const inner = openMemoryBlocks();
  const faults = new PlannedFaults({ clock: systemClock, random: new SeededRandom(seed), errors: 100, lost: 100, halves: 200 });
  const store = faultyBlocks(inner, faults);
  const outcomes: string[] = [];
  for (let i = 0; i < 200; i++) {
    const key = `k${i}`;
    const put = await store.put(key, { from: "slices", slices: [bytes] }).then(() => "done", (error: Error) => error.message.replace(/.*: /, ""));
    outcomes.push(`${put} ${(await inner.size(key)) === null ? "absent" : "there"}`);
    if ((await inner.size(key)) === null) continue;
    const target = new Uint8Array(500);
    const got = await store.get(key, 100, 500, target).then(() => "read", (error: Error) => error.message.replace(/.*: /, ""));
    const arrived = target.findIndex((byte, at) => byte !== bytes[100 + at]);
    outcomes.push(`${got} ${arrived < 0 ? 500 : arrived}`);
  }
  return { outcomes, made: faults.made };
}

describe("planned faults", () => {
  test("are the same for the same seed, others for another, and of every kind", async () => {
    const first = await course(1);
    expect(await course(1)).toEqual(first);
    expect((await course(2)).outcomes).not.toEqual(first.outcomes);
    const seen = new Set(first.outcomes.map((outcome) => outcome.replace(/\d+$/, "n")));
    expect([...seen].sort()).toEqual(["an error, by plan absent", "an error, by plan n", "cut, by plan n", "done there", "done, and the answer lost, by plan n", "done, and the answer lost, by plan there", "read n"]);
    expect(first.made).toBe(first.outcomes.filter((outcome) => outcome.includes("by plan")).length);
  });

  test("make every operation wait, and fail while the store is down", async () => {
    const clock = new ManualClock();
    const faults = new PlannedFaults({ clock, random: new SeededRandom(3), latencyMsMax: 100 });
    const store = faultyBlocks(openMemoryBlocks(), faults);
    let done = false;
    const put = store.put("k", { from: "slices", slices: [bytes] }).then(() => void (done = true));
    await Promise.resolve();
    expect([done, clock.pending]).toEqual([false, 1]);
    clock.pass(100);
    await put;
    faults.down = new StoreUnavailableError("down");
    const size = store.size("k");
    clock.pass(100);
    expect(await size.catch((error: Error) => error.message)).toBe("down");
    faults.down = null;
    const again = store.size("k");
    clock.pass(100);
    expect(await again).toBe(1000);
  });
});
