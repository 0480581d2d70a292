import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import { faultyBlocks, type Faults } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { History, HistoryReader, newestSnapshot } from "#history/index.ts";
import type { ShippedContent } from "#model/history.ts";
import type { FileId } from "#model/ids.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { temporary } from "../../support/temporary.ts";
import { Disk, instance, random } from "./world.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** When what is gathered goes into a segment, and what need not. */

const mib = 1024 * 1024;
const lagMs = 1_000;
const unshippedBytesMax = 64 * mib;
const mtime = new Time(1_700_000_000, 5);
/** Of what is checked byte by byte, on a machine with much else to do. */
const realMsMax = 60_000;
const block = new Uint8Array(64 * 1024);

class Paced {
  readonly clock = new ManualClock();
  readonly store = openMemoryBlocks();
  readonly disk = new Disk();
  readonly history: History;
  sequence = 0;
  stored = 0;
  /** Bytes of each segment that was put, owners' left out. */
  segments: number[] = [];

  constructor() {
    const faults: Faults = {
      before: async (operation, key) => {
        if (operation === "put" && key.includes("/history/") && !key.includes("snapshot")) this.putting.push(key);
      },
    };
    const seeded = new SeededRandom(5);
    this.history = new History({
      blocks: faultyBlocks(this.store, faults), unwrapped: this.store, journal: this.disk, instance, share: "/share", host: "here", lagMs, unshippedBytesMax, snapshotPath: `${temporary("pacing")}/snapshot`,
      snapshotBytesMin: 2 ** 30, snapshotPauseMs: 0, clock: this.clock, random: random(seeded), logger: silentLogger, lost: (error) => {
        throw error;
      },
    });
  }

  private readonly putting: string[] = [];

  async start(): Promise<void> {
    const content: ShippedContent = { reached: Number.POSITIVE_INFINITY, oldestNeeded: () => this.stored + 1, logged: () => undefined, safe: () => Promise.resolve(), hold: () => ({ store: () => Promise.resolve(true), release: () => {} }), shipped: () => {} };
    await this.clock.until(this.history.start(content, 1000));
    // The first snapshot is there once something is published.
    this.disk.commit(0);
    expect(await this.clock.until(Promise.resolve(this.history.published(Number.POSITIVE_INFINITY)))).toBeNull();
    await this.clock.passInTurns(10_000 + 2 * lagMs);
    this.putting.length = 0;
  }

  /** Sizes of the segments that were put since it was asked last. */
  async put(): Promise<readonly number[]> {
    return await Promise.all(this.putting.splice(0).map(async (key) => (await this.store.size(key)) ?? 0));
  }

  write(bytes: number): void {
    for (let at = 0; at < bytes; at += block.length) {
      const sequence = ++this.sequence;
      this.history.wrote(5 as FileId, sequence, sequence * block.length, [block], block.length, 2 ** 40, mtime);
    }
  }

  async close(): Promise<void> {
    await this.clock.until(this.history.close());
  }
}

test("what nobody waits for goes once a second, however much it is below its bound", async () => {
  const paced = new Paced();
  await paced.start();
  for (let i = 0; i < 9; i++) {
    paced.write(mib);
    await paced.clock.passInTurns(100);
  }
  expect(await paced.put()).toEqual([]);
  await paced.clock.passInTurns(100);
  const sizes = await paced.put();
  expect(sizes).toHaveLength(1);
  expect(sizes[0]).toBeGreaterThan(9 * mib);
  expect(paced.history.unshippedBytes).toBe(0);
  await paced.close();
});

test("a quarter of what may wait is not waited with", async () => {
  const paced = new Paced();
  await paced.start();
  paced.write(unshippedBytesMax / 4 + mib);
  await paced.clock.passInTurns(1);
  const sizes = await paced.put();
  expect(sizes).toHaveLength(1);
  expect(sizes[0]).toBeGreaterThanOrEqual(unshippedBytesMax / 4);
  await paced.close();
});

test("who waits has it go at once, and for a while what comes then by a few MiB", async () => {
  const paced = new Paced();
  await paced.start();
  paced.write(mib);
  const published = Promise.resolve(paced.history.published(10_000));
  await paced.clock.passInTurns(20);
  expect(await published).toBeNull();
  expect(await paced.put()).toHaveLength(1);
  paced.write(9 * mib);
  await paced.clock.passInTurns(1);
  expect(await paced.put()).toHaveLength(1);
  await paced.clock.passInTurns(10_000);
  await paced.put();
  paced.write(9 * mib);
  await paced.clock.passInTurns(1);
  expect(await paced.put()).toEqual([]);
  await paced.close();
});

test("what was stored meanwhile is not sent, and what is recovered knows up to where content goes", async () => {
  const paced = new Paced();
  await paced.start();
  paced.write(10 * mib);
  paced.stored = paced.sequence;
  paced.disk.commit(paced.stored);
  paced.write(mib);
  await paced.clock.passInTurns(lagMs);
  const sizes = await paced.put();
  expect(sizes).toHaveLength(1);
  expect(sizes[0]).toBeGreaterThan(mib);
  expect(sizes[0]).toBeLessThan(2 * mib);
  const manifest = await newestSnapshot(paced.store, instance);
  if (manifest === null) throw new Error("there is no snapshot");
  const found: number[] = [];
  let stored = 0;
  const reader = new HistoryReader(paced.store, manifest, {
    turn: ({ sets }) => {
      for (const { changes } of sets) for (const change of changes) if (change.do === "freeOrphan") stored = change.extentsMax - 1;
    },
    record: ({ sequence }) => void found.push(sequence),
    progress: () => {},
  });
  expect((await reader.read()).sequence).toBe(paced.sequence);
  expect(stored).toBe(paced.stored);
  for (let sequence = stored + 1; sequence <= paced.sequence; sequence++) expect(found).toContain(sequence);
  await paced.close();
});

test("what is stored as fast as it is written reaches the bound and is not sent for it", async () => {
  const paced = new Paced();
  await paced.start();
  for (let i = 0; i < 16; i++) {
    paced.write(unshippedBytesMax / 16);
    paced.stored = paced.sequence;
    paced.disk.commit(paced.stored);
  }
  await paced.clock.passInTurns(1);
  expect(await paced.put()).toEqual([]);
  expect(paced.history.unshippedBytes).toBeLessThan(unshippedBytesMax / 4);
  await paced.close();
});

test("memory that is used again holds what came last, never what was sent or stored before", async () => {
  const paced = new Paced();
  await paced.start();
  const manifest = async () => (await newestSnapshot(paced.store, instance)) ?? expect.unreachable("there is no snapshot");
  const random = new SeededRandom(11);
  const last = new Map<number, number>();
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < 400; i++) {
      const place = random.below(300);
      const sequence = ++paced.sequence;
      const fill = 1 + random.below(255);
      last.set(place, fill);
      const data = new Uint8Array(random.pick([4096, 65536])).fill(fill);
      paced.history.wrote(5 as FileId, sequence, place * 65536, [data], data.length, 2 ** 40, mtime);
      if (data.length < 65536) last.delete(place);
    }
    if (random.below(2) === 0) expect(await paced.clock.until(Promise.resolve(paced.history.published(Number.POSITIVE_INFINITY)))).toBeNull();
  }
  expect(await paced.clock.until(Promise.resolve(paced.history.published(Number.POSITIVE_INFINITY)))).toBeNull();
  const found = new Map<number, number>();
  const reader = new HistoryReader(paced.store, await manifest(), {
    turn: () => {},
    record: (record) => {
      if (record.kind !== "write" || record.length === 0) return;
      const [first] = record.data;
      if (!record.data.every((byte) => byte === first)) throw new Error(`write ${record.sequence} has bytes of others`);
      if (record.length === 65536) found.set(record.offset / 65536, first as number);
      else found.delete(record.offset / 65536);
    },
    progress: () => {},
  });
  expect((await reader.read()).sequence).toBe(paced.sequence);
  for (const [place, fill] of last) expect(found.get(place)).toBe(fill);
  await paced.close();
}, realMsMax);
