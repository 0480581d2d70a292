import { expect, test } from "bun:test";
import { join } from "node:path";
import { type Faults, faultyBlocks } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { History, lookMs, ShareTaken } from "#history/index.ts";
import { type BlockStore, StoreUnavailableError } from "#model/block-store.ts";
import type { ShippedContent } from "#model/history.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { temporary } from "../../support/temporary.ts";
import { SimulatedClock } from "../cache/simulated-clock.ts";
import { Disk, instance, random, recover } from "./world.ts";

/** Who has a share: of several who take it one does, and whoever had it before notices. */

const content: ShippedContent = { oldestNeeded: () => 1, logged: () => undefined, hold: () => ({ store: () => Promise.resolve(true), release: () => {} }), shipped: () => {} };
const directory = temporary("races");
let machines = 0;

function machine(blocks: BlockStore, disk: Disk, clock: SimulatedClock, seeded: SeededRandom) {
  const lost: Error[] = [];
  const host = `machine-${++machines}`;
  const history = new History({
    blocks, unwrapped: blocks, journal: disk, instance, share: "/share", host, lagMs: 100, unshippedBytesMax: 2 ** 30, snapshotPath: join(directory, host),
    clock, random: random(seeded), logger: silentLogger, lost: (error) => lost.push(error),
  });
  return { history, lost, host, disk };
}

/** Whether what was committed is published; false: it never will be. */
async function publish(clock: SimulatedClock, { history, disk }: { readonly history: History; readonly disk: Disk }): Promise<boolean> {
  disk.commit(0);
  for (;;) {
    const outcome = await clock.until(Promise.resolve(history.published(10_000)));
    if (outcome === null) return true;
    if (outcome.code === "io") return false;
  }
}

test("of two machines that go on from one copy of the metadata exactly one has the share: 100 races", async () => {
  const first = seedFor("history races", "HISTORY_RACES_SEED");
  for (let race = 0; race < 100; race++) {
    const seeded = new SeededRandom(first + race);
    const clock = new SimulatedClock();
    const store = openMemoryBlocks();
    const slow: Faults = { before: () => new Promise((resolve) => void clock.after(seeded.below(30), resolve)) };
    const begun = machine(store, new Disk(), clock, seeded);
    await clock.until(begun.history.start(content, 1000));
    expect(await publish(clock, begun)).toBe(true);
    await clock.until(begun.history.close());
    // Both are copies of what lies on the first machine's disk.
    const contenders = [0, 1].map(() => {
      const disk = Object.assign(new Disk(), { rows: [...begun.disk.rows], turn: begun.disk.turn, mark: begun.disk.mark });
      return machine(faultyBlocks(store, slow), disk, clock, seeded);
    });
    const starts = contenders.map(({ history }) => history.start(content, 60_000).then(() => true, (error: unknown) => {
      expect(error).toBeInstanceOf(ShareTaken);
      return false;
    }));
    const won = await clock.until(Promise.all(starts));
    await clock.pass(lookMs * 2);
    const published = await Promise.all(contenders.map(async (one, i) => won[i] === true && (await publish(clock, one))));
    expect(published.filter((has) => has)).toHaveLength(1);
    const winner = contenders[published.indexOf(true)];
    const loser = contenders[published.indexOf(false)];
    expect(loser?.lost[0]?.message).toContain(`the server on ${winner?.host}`);
    expect(winner?.lost).toEqual([]);
    expect(loser?.history.lost?.code).toBe("io");
    for (const { history } of contenders) await clock.until(history.close());
  }
});

test("an owner that has nothing to publish notices within seconds that the share was recovered elsewhere, and answers nobody any more", async () => {
  const clock = new SimulatedClock();
  const seeded = new SeededRandom(7);
  const store = openMemoryBlocks();
  const owner = machine(store, new Disk(), clock, seeded);
  await clock.until(owner.history.start(content, 1000));
  expect(await publish(clock, owner)).toBe(true);
  const taken = await recover(store, clock, seeded, true);
  expect(taken?.turn).toBe(1);
  await clock.pass(lookMs + 100);
  expect(owner.lost[0]).toBeInstanceOf(ShareTaken);
  expect(owner.lost[0]?.message).toContain("the server on other, which took it as /taken");
  expect(owner.history.published(1)).toMatchObject({ code: "io" });
  expect(owner.history.publication(() => true).refuses()).toMatchObject({ code: "io" });
  expect(owner.history.publication(() => false).refuses()).toMatchObject({ code: "io" });
  expect(await owner.history.passed()).toBe(false);
});

test("a segment whose answer was lost is our own: nobody is taken for a thief", async () => {
  const clock = new SimulatedClock();
  const seeded = new SeededRandom(8);
  const store = openMemoryBlocks();
  let lostAnswers = 0;
  const faults: Faults = {
    after: (operation, key) => {
      if (operation !== "put" || !key.includes("/history/") || key.includes("snapshot")) return;
      lostAnswers++;
      throw new StoreUnavailableError("the answer was lost");
    },
  };
  const owner = machine(faultyBlocks(store, faults), new Disk(), clock, seeded);
  await clock.until(owner.history.start(content, 60_000));
  for (let i = 0; i < 5; i++) expect(await publish(clock, owner)).toBe(true);
  expect(lostAnswers).toBeGreaterThan(5);
  expect(owner.lost).toEqual([]);
  expect((await recover(store, clock, seeded, false))?.turn).toBe(5);
});

test("an older copy of the metadata is not gone on with", async () => {
  const clock = new SimulatedClock();
  const seeded = new SeededRandom(9);
  const store = openMemoryBlocks();
  const owner = machine(store, new Disk(), clock, seeded);
  await clock.until(owner.history.start(content, 1000));
  expect(await publish(clock, owner)).toBe(true);
  await owner.disk.keepMark();
  const copy = { rows: [...owner.disk.rows], turn: owner.disk.turn, mark: owner.disk.mark };
  expect(await publish(clock, owner)).toBe(true);
  await clock.until(owner.history.close());
  const older = machine(store, Object.assign(new Disk(), copy), clock, seeded);
  await expect(clock.until(older.history.start(content, 1000))).rejects.toThrow("an older copy of it was put in place");
});
