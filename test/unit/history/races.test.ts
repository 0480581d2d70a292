import { expect, test } from "bun:test";
import { join } from "node:path";
import { Time } from "#base/time.ts";
import { type Faults, faultyBlocks, PlannedFaults } from "#blocks/fault/index.ts";
import { Keyring, openFramedBlocks, openMemoryBlocks } from "#blocks/index.ts";
import { placeAfter, readHead } from "#history/chain.ts";
import { History, HistoryError, HistoryReader, lookMs, newestSnapshot, ShareTaken, takenElsewhere, takeRecovered } from "#history/index.ts";
import { type BlockStore, StoreFault, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import type { HistoryMark, ShippedContent } from "#model/history.ts";
import type { FileId } from "#model/ids.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { masterKeys } from "../../support/master-keys.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { temporary } from "../../support/temporary.ts";
import { Disk, instance, random, recover } from "./world.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** Who has a share: of several who take it one does, and whoever had it before notices. */

const content: ShippedContent = { reached: Number.POSITIVE_INFINITY, oldestNeeded: () => 1, logged: () => undefined, safe: () => Promise.resolve(), hold: () => ({ store: () => Promise.resolve(true), release: () => {} }), shipped: () => {} };
const directory = temporary("races");
let machines = 0;
const realMsMax = 20_000;
/** Of many races at once on a machine with much else to do. */
const racesMsMax = 60_000;

function machine(blocks: BlockStore, disk: Disk, clock: ManualClock, seeded: SeededRandom, snapshotBytesMin = 2 ** 24) {
  const lost: Error[] = [];
  const host = `machine-${++machines}`;
  const history = new History({
    blocks, unwrapped: blocks, journal: disk, instance, share: "/share", host, lagMs: 100, unshippedBytesMax: 2 ** 30, snapshotPath: join(directory, host), snapshotBytesMin, snapshotPauseMs: 0,
    clock, random: random(seeded), logger: silentLogger, lost: (error) => lost.push(error),
  });
  return { history, lost, host, disk };
}

/** Whether what was committed is published; false: it never will be. */
async function publish(clock: ManualClock, { history, disk }: { readonly history: History; readonly disk: Disk }): Promise<boolean> {
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
    const clock = new ManualClock();
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
    const starts = contenders.map(({ history }) => history.start(content, Number.POSITIVE_INFINITY).then(() => true, (error: unknown) => {
      expect(error).toBeInstanceOf(ShareTaken);
      return false;
    }));
    const won = await clock.until(Promise.all(starts));
    await clock.passInTurns(lookMs * 2);
    const published = await Promise.all(contenders.map(async (one, i) => won[i] === true && (await publish(clock, one))));
    expect(published.filter((has) => has)).toHaveLength(1);
    const winner = contenders[published.indexOf(true)];
    const loser = contenders[published.indexOf(false)];
    expect(loser?.lost[0]?.message).toContain(`the server on ${winner?.host}`);
    expect(winner?.lost).toEqual([]);
    expect(loser?.history.lost?.code).toBe("io");
    for (const { history } of contenders) await clock.until(history.close());
  }
}, racesMsMax);

test("an owner that has nothing to publish notices within seconds that the share was recovered elsewhere, and answers nobody any more", async () => {
  const clock = new ManualClock();
  const seeded = new SeededRandom(7);
  const store = openMemoryBlocks();
  const owner = machine(store, new Disk(), clock, seeded);
  await clock.until(owner.history.start(content, 1000));
  expect(await publish(clock, owner)).toBe(true);
  const taken = await recover(store, clock, seeded, true);
  expect(taken?.turn).toBe(1);
  await clock.passInTurns(lookMs + 100);
  expect(owner.lost[0]).toBeInstanceOf(ShareTaken);
  expect(owner.lost[0]?.message).toContain("the server on other, which took it as /taken");
  expect(owner.history.published(1)).toMatchObject({ code: "io" });
  expect(owner.history.publication(() => true).refuses()).toMatchObject({ code: "io" });
  expect(owner.history.publication(() => false).refuses()).toMatchObject({ code: "io" });
  expect(await owner.history.passed()).toBe(false);
});

test("a segment whose answer was lost is our own: nobody is taken for a thief", async () => {
  const clock = new ManualClock();
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

/** A machine that has a share, and a copy of its disk from before it published the last time. */
async function ownerAndCopy(seed: number) {
  const clock = new ManualClock();
  const seeded = new SeededRandom(seed);
  const store = openMemoryBlocks();
  const owner = machine(store, new Disk(), clock, seeded);
  await clock.until(owner.history.start(content, 1000));
  expect(await publish(clock, owner)).toBe(true);
  await owner.disk.keepMark();
  const copy = { rows: [...owner.disk.rows], turn: owner.disk.turn, mark: owner.disk.mark };
  expect(await publish(clock, owner)).toBe(true);
  return { clock, seeded, store, owner, copy };
}

test("an older copy of the metadata is not gone on with", async () => {
  const { clock, seeded, store, owner, copy } = await ownerAndCopy(9);
  await clock.until(owner.history.close());
  const older = machine(store, Object.assign(new Disk(), copy), clock, seeded);
  const refused = await clock.until(older.history.start(content, 1000)).catch((error: Error) => error.message);
  expect(refused).toContain("an older copy of it was put in place");
  // As the message says to: the newest is put back, and has the share still.
  const newest = machine(store, owner.disk, clock, seeded);
  expect(await clock.until(newest.history.start(content, 1000))).toBe(true);
  expect(await publish(clock, newest)).toBe(true);
  await clock.until(newest.history.close());
});

test("an older copy of the metadata that is started beside its server takes nothing from that", async () => {
  const { clock, seeded, store, owner, copy } = await ownerAndCopy(17);
  const older = machine(store, Object.assign(new Disk(), copy), clock, seeded);
  const refused = await clock.until(older.history.start(content, 1000)).catch((error: Error) => error.message);
  expect(refused).toContain("an older copy of it was put in place");
  await clock.passInTurns(lookMs * 2);
  expect(await publish(clock, owner)).toBe(true);
  expect(owner.lost).toEqual([]);
  await clock.until(owner.history.close());
});

test("an older copy of the metadata that was served while its store was away is not gone on with once the store is back", async () => {
  const { clock, seeded, store, owner, copy } = await ownerAndCopy(10);
  await clock.until(owner.history.close());
  let away = true;
  const faults: Faults = {
    before: () => {
      if (away) throw new StoreUnavailableError("the bucket is away");
    },
  };
  const older = machine(faultyBlocks(store, faults), Object.assign(new Disk(), copy), clock, seeded);
  await clock.until(older.history.start(content, 1000));
  away = false;
  await clock.passInTurns(10_000);
  expect(older.lost[0]?.message).toContain("an older copy of it was put in place");
  expect(older.history.publication(() => false).refuses()).toMatchObject({ code: "io" });
});

for (const restarted of [false, true]) {
  test(`an older copy of the metadata that took changes while its store was away${restarted ? ", and was started anew," : ""} is not gone on with, however many they are`, async () => {
    const { clock, seeded, store, owner, copy } = await ownerAndCopy(18);
    let away = true;
    const before = (): void => {
      if (away) throw new StoreUnavailableError("the bucket is away");
    };
    let older = machine(faultyBlocks(store, { before }), Object.assign(new Disk(), copy), clock, seeded);
    await clock.until(older.history.start(content, 1000));
    for (let stored = 1; stored < 6; stored++) older.disk.commit(stored);
    if (restarted) {
      await clock.until(older.history.close());
      older = machine(faultyBlocks(store, { before }), older.disk, clock, seeded);
      await clock.until(older.history.start(content, 1000));
    }
    away = false;
    await clock.passInTurns(10_000);
    expect(older.lost[0]?.message).toContain("an older copy of it was put in place");
    expect(await publish(clock, owner)).toBe(true);
    expect(owner.lost).toEqual([]);
    for (const { history } of [owner, older]) await clock.until(history.close());
  });
}

test("a store that was left and is come back to begins a history anew: what it has of before is not gone on with", async () => {
  const clock = new ManualClock();
  const seeded = new SeededRandom(11);
  const [here, there] = [openMemoryBlocks(), openMemoryBlocks()];
  const disk = new Disk();
  for (const store of [here, there, here]) {
    const owner = machine(store, disk, clock, seeded);
    await clock.until(owner.history.start(content, 1000));
    expect(await publish(clock, owner)).toBe(true);
    await clock.until(owner.history.close());
    expect((await recover(store, clock, seeded, false))?.turn).toBe(disk.turn);
  }
});

test("who recovers a share while its server makes a newer snapshot and deletes what it covers is told that there is more", async () => {
  const clock = new ManualClock();
  const seeded = new SeededRandom(12);
  const store = openMemoryBlocks();
  const disk = new Disk();
  const { history } = machine(store, disk, clock, seeded, 500);
  let sequence = 0;
  await clock.until(history.start({ ...content, oldestNeeded: () => sequence + 1 }, 1000));
  expect(await publish(clock, { history, disk })).toBe(true);
  const manifest = await newestSnapshot(store, instance);
  const reader = new HistoryReader(store, manifest as NonNullable<typeof manifest>, { turn: () => {}, record: () => {}, progress: () => {} });
  const read = await reader.read();
  for (const end = performance.now() + realMsMax; performance.now() < end; ) {
    history.wrote(5 as FileId, ++sequence, 0, [new Uint8Array(600)], 600, 600, new Time(1, 0));
    expect(await publish(clock, { history, disk })).toBe(true);
    await clock.passInTurns(1000);
    if ((await readHead(store, instance, placeAfter(read.last))) === null) break;
  }
  await clock.until(takeRecovered({ blocks: store, share: "/taken", host: "other", clock, random: random(seeded) }, reader, read));
  expect(await reader.isOutdated()).toBe(true);
  expect((await recover(store, clock, seeded, true))?.turn).toBe(disk.turn);
  await clock.passInTurns(lookMs + 100);
  expect(history.lost?.code).toBe("io");
  await clock.until(history.close());
});

test("what is published already need not be waited for by who deletes what it lets go of", async () => {
  const clock = new ManualClock();
  const owner = machine(openMemoryBlocks(), new Disk(), clock, new SeededRandom(13));
  await clock.until(owner.history.start(content, 1000));
  expect(await publish(clock, owner)).toBe(true);
  expect(await Promise.race([owner.history.passed(), clock.passInTurns(1000)])).toBe(true);
  await clock.until(owner.history.close());
});

test("who deletes what it lets go of looks first whether somebody else has the share by now, however little there is to publish", async () => {
  const clock = new ManualClock();
  const seeded = new SeededRandom(16);
  let isAway = false;
  const store = openMemoryBlocks();
  const before = (): void => {
    if (isAway) throw new StoreUnavailableError("the bucket is away");
  };
  const owner = machine(faultyBlocks(store, { before }), new Disk(), clock, seeded);
  await clock.until(owner.history.start(content, 1000));
  expect(await publish(clock, owner)).toBe(true);
  isAway = true;
  await expect(owner.history.passed()).rejects.toThrow("away");
  isAway = false;
  expect(await owner.history.passed()).toBe(true);
  await recover(store, clock, seeded, true);
  expect(await owner.history.passed()).toBe(false);
  expect(owner.lost[0]).toBeInstanceOf(ShareTaken);
});

test("when acknowledgements come to mean less, who waits is answered once the bytes of large writes are safe here, too", async () => {
  const clock = new ManualClock();
  const owner = machine(faultyBlocks(openMemoryBlocks(), { before: () => { throw new StoreUnavailableError("the bucket is away"); } }), new Disk(), clock, new SeededRandom(14));
  const safe = Promise.withResolvers<void>();
  await clock.until(owner.history.start({ ...content, safe: () => safe.promise }, 1000));
  owner.disk.commit(0);
  let answered = false;
  const waited = Promise.resolve(owner.history.published(60_000)).then(() => (answered = true));
  const released = owner.history.release();
  await clock.passInTurns(100);
  expect(answered).toBe(false);
  safe.resolve();
  await released;
  await waited;
  await clock.until(owner.history.close());
});

test("who lost the share to another machine knows that its objects are not to be deleted, also when the other has made snapshots since", async () => {
  const clock = new ManualClock();
  const seeded = new SeededRandom(15);
  const store = openMemoryBlocks();
  const owner = machine(store, new Disk(), clock, seeded);
  await clock.until(owner.history.start(content, 1000));
  expect(await publish(clock, owner)).toBe(true);
  await clock.until(owner.history.close());
  const mark = owner.disk.mark as NonNullable<typeof owner.disk.mark>;
  expect(await takenElsewhere(store, instance, mark)).toBeNull();
  const thief = machine(store, Object.assign(new Disk(), { turn: owner.disk.turn, mark: (await recover(store, clock, seeded, true))?.mark }), clock, seeded);
  expect(await takenElsewhere(store, instance, mark)).toBeInstanceOf(ShareTaken);
  await clock.until(thief.history.start(content, 1000));
  expect(await publish(clock, thief)).toBe(true);
  await clock.until(thief.history.close());
  expect(await takenElsewhere(store, instance, mark)).toBeInstanceOf(ShareTaken);
  expect(await takenElsewhere(store, instance, thief.disk.mark ?? mark)).toBeNull();
});

for (const compressedFirst of [true, false]) {
  test(`who recovers a share ${compressedFirst ? "without the compression" : "with a compression"} its server has not is its only owner nevertheless`, async () => {
    const clock = new ManualClock();
    const seeded = new SeededRandom(14);
    const store = openMemoryBlocks();
    const framed = (compress: boolean): BlockStore => openFramedBlocks({ blocks: store, keyPrefix: `${instance}/`, compress, encrypt: false, keyring: null, acceptPlain: false, raced: `${instance}/history/`, clock, random: random(seeded) });
    const owner = machine(framed(compressedFirst), new Disk(), clock, seeded);
    await clock.until(owner.history.start(content, 1000));
    expect(await publish(clock, owner)).toBe(true);
    expect(await recover(framed(!compressedFirst), clock, seeded, true)).not.toBeNull();
    expect(await publish(clock, owner)).toBe(false);
  });
}

/** A store as a machine has it that encrypts, and knows of objects from before. */
function encrypting(store: BlockStore, clock: ManualClock, seeded: SeededRandom, acceptPlain = true): BlockStore {
  const keyring = new Keyring({ blocks: store, keyPrefix: `${instance}/`, masters: masterKeys("m"), mayBegin: true, random: random(seeded) });
  return openFramedBlocks({ blocks: store, keyPrefix: `${instance}/`, compress: false, encrypt: true, keyring, acceptPlain, raced: `${instance}/history/`, clock, random: random(seeded) });
}

/** Looks into objects as one that neither compresses nor encrypts any more, and was given no master keys. */
function framing(store: BlockStore, clock: ManualClock, seeded: SeededRandom): BlockStore {
  return openFramedBlocks({ blocks: store, keyPrefix: `${instance}/`, compress: true, encrypt: false, keyring: null, acceptPlain: false, raced: `${instance}/history/`, clock, random: random(seeded) });
}

const openings = {
  "as they are": (store: BlockStore) => store,
  compressed: framing,
  encrypted: encrypting,
  "encrypted alone": (store: BlockStore, clock: ManualClock, seeded: SeededRandom) => encrypting(store, clock, seeded, false),
} as const;

for (const [one, other] of [["as they are", "encrypted"], ["compressed", "encrypted"], ["as they are", "encrypted alone"]] as const) {
  test(`of two machines, one with its objects ${one} and one with them ${other}, exactly one has the share: 30 races`, async () => {
    const first = seedFor("encrypted races", "HISTORY_RACES_SEED");
    const winners = new Set<string>();
    for (let race = 0; race < 30; race++) {
      const seeded = new SeededRandom(first + race);
      const clock = new ManualClock();
      const store = openMemoryBlocks();
      // Who encrypts asks for its keyring first.
      const slow = (i: number): Faults => ({ before: () => new Promise((resolve) => void clock.after(seeded.below(i === 0 && race % 2 === 0 ? 200 : 20), resolve)) });
      const begun = machine(openings[one](store, clock, seeded), new Disk(), clock, seeded);
      await clock.until(begun.history.start(content, 1000));
      expect(await publish(clock, begun)).toBe(true);
      await clock.until(begun.history.close());
      const contenders = [one, other].map((kind, i) => {
        const disk = Object.assign(new Disk(), { rows: [...begun.disk.rows], turn: begun.disk.turn, mark: begun.disk.mark });
        return machine(openings[kind](faultyBlocks(store, slow(i)), clock, seeded), disk, clock, seeded);
      });
      const starts = contenders.map(({ history }) => history.start(content, Number.POSITIVE_INFINITY).then(() => true, (error: unknown) => {
        expect(error).toBeInstanceOf(HistoryError);
        return false;
      }));
      const won = await clock.until(Promise.all(starts));
      await clock.passInTurns(lookMs * 2);
      const published = await Promise.all(contenders.map(async (each, i) => won[i] === true && (await publish(clock, each))));
      expect(published.filter((has) => has)).toHaveLength(1);
      winners.add(published[0] === true ? one : other);
      expect(contenders[published.indexOf(false)]?.history.lost?.code).toBe("io");
      for (const { history } of contenders) await clock.until(history.close());
    }
    expect(winners.size).toBe(2);
  }, racesMsMax);
}

for (const owned of ["as they are", "compressed", "encrypted"] as const) {
  test(`an owner with its objects ${owned} is told by what one with another encryption put in its place, idle or not`, async () => {
    for (const idle of [true, false]) {
      const clock = new ManualClock();
      const seeded = new SeededRandom(21);
      const store = openMemoryBlocks();
      const owner = machine(openings[owned](store, clock, seeded), new Disk(), clock, seeded);
      await clock.until(owner.history.start(content, 1000));
      expect(await publish(clock, owner)).toBe(true);
      // With what the owner's machine has, and the keys of the other encryption.
      const disk = Object.assign(new Disk(), { rows: [...owner.disk.rows], turn: owner.disk.turn, mark: owner.disk.mark });
      const thief = machine(openings[owned === "encrypted" ? "as they are" : "encrypted"](store, clock, seeded), disk, clock, seeded);
      await clock.until(thief.history.start(content, 1000)).catch((error: unknown) => expect(error).toBeInstanceOf(HistoryError));
      const thiefHas = thief.history.lost === null;
      if (idle) await clock.passInTurns(lookMs + 100);
      expect(await publish(clock, owner)).toBe(!thiefHas);
      if (thiefHas) expect(owner.lost[0]).toBeInstanceOf(HistoryError);
      for (const { history } of [owner, thief]) await clock.until(history.close());
    }
  });
}

test("started while the bucket is away it says what was so before: that it could be recovered, as far as was published", async () => {
  const seeded = new SeededRandom(7);
  const clock = new ManualClock();
  const store = openMemoryBlocks();
  const faults = new PlannedFaults({ clock, random: random(seeded), latencyMsMax: 5, errors: 0, lost: 0 });
  const blocks = faultyBlocks(store, faults);
  const disk = new Disk();
  const never = machine(blocks, disk, clock, seeded);
  faults.down = new StoreUnavailableError("the bucket is away");
  expect(await clock.until(never.history.start(content, 1000))).toBe(false);
  expect(never.history.status.ready).toBe(false);
  faults.down = null;
  expect(await publish(clock, never)).toBe(true);
  expect(never.history.status.ready).toBe(true);
  await clock.until(never.history.close());
  faults.down = new StoreUnavailableError("the bucket is away");
  const again = machine(blocks, disk, clock, seeded);
  expect(await clock.until(again.history.start(content, 1000))).toBe(false);
  expect(again.history.status).toMatchObject({ ready: true, error: "the bucket is away" });
  await clock.until(again.history.close());
  // What was applied without being kept can't be gone on with: the history begins anew.
  const mark = disk.mark as HistoryMark;
  disk.mark = { ...mark, continues: false };
  const anew = machine(blocks, disk, clock, seeded);
  expect(await clock.until(anew.history.start(content, 1000))).toBe(false);
  expect(anew.history.status.ready).toBe(false);
  await clock.until(anew.history.close());
});

test("a store that refuses is named while there is nothing to publish, too, until it doesn't; one that is away for a moment isn't", async () => {
  const seeded = new SeededRandom(8);
  const clock = new ManualClock();
  const faults = new PlannedFaults({ clock, random: random(seeded), latencyMsMax: 5, errors: 0, lost: 0 });
  const owner = machine(faultyBlocks(openMemoryBlocks(), faults), new Disk(), clock, seeded);
  await clock.until(owner.history.start(content, 1000));
  expect(await publish(clock, owner)).toBe(true);
  const later = async (): Promise<void> => clock.until(new Promise<void>((resolve) => void clock.after(lookMs + 1000, resolve)));
  faults.down = new StoreUnavailableError("the bucket is away");
  await later();
  expect(owner.history.status).toMatchObject({ error: null, errorMs: null });
  faults.down = new StoreRefusedError(StoreFault.bucket, "there is no bucket");
  await later();
  await later();
  expect(owner.history.status.error).toBe("there is no bucket");
  expect(owner.history.status.errorMs).toBeGreaterThan(lookMs / 2);
  faults.down = null;
  await later();
  expect(owner.history.status).toMatchObject({ error: null, errorMs: null });
  await clock.until(owner.history.close());
});
