import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import { faultyBlocks } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { History } from "#history/index.ts";
import type { ShippedContent } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { temporary } from "../../support/temporary.ts";
import { Disk, instance, random } from "./world.ts";

/** A segment that points to packs is nowhere before these are objects, however often that fails, and nobody who waits is answered sooner. */

const mib = 1024 * 1024;
const file = 5 as FileId;
const pack = 77 as PackId;
const block = new Uint8Array(64 * 1024);
const mtime = new Time(1_700_000_000, 5);

async function begun() {
  const clock = new ManualClock();
  const disk = new Disk();
  const objects = openMemoryBlocks();
  const putting: string[] = [];
  const blocks = faultyBlocks(objects, { before: (operation, key) => void (operation === "put" && key.includes("/history/") && !key.includes("snapshot") && putting.push(key)) });
  const packs = { asked: [] as PackId[], held: 0, tries: 0, outcome: (): Promise<boolean> => Promise.resolve(true) };
  const content: ShippedContent = {
    reached: Number.POSITIVE_INFINITY, oldestNeeded: () => 1, logged: () => undefined, safe: () => Promise.resolve(), shipped: () => {},
    hold: (ids) => {
      const asked = [...ids];
      packs.asked.push(...asked);
      packs.held++;
      return { store: () => (asked.length === 0 ? Promise.resolve(true) : (packs.tries++, packs.outcome())), release: () => void packs.held-- };
    },
  };
  const history = new History({
    blocks, unwrapped: objects, journal: disk, instance, share: "/share", host: "here", lagMs: 1_000, unshippedBytesMax: 64 * mib, snapshotPath: `${temporary("left")}/snapshot`,
    snapshotBytesMin: 2 ** 30, clock, random: random(new SeededRandom(5)), logger: silentLogger, lost: (error) => {
      throw error;
    },
  });
  await clock.until(history.start(content, 1000));
  disk.commit(0);
  expect(await clock.until(Promise.resolve(history.published(Number.POSITIVE_INFINITY)))).toBeNull();
  // Nobody waited lately.
  await clock.passInTurns(12_000);
  putting.length = 0;
  return { clock, disk, history, packs, putting };
}

test("a segment waits for the packs it points to, those behind it count after it, and what is acknowledged waits with them", async () => {
  const { clock, disk, history, packs, putting } = await begun();
  for (let sequence = 1; sequence <= 128; sequence++) history.wrote(file, sequence, sequence * block.length, [block], block.length, 2 ** 40, mtime);
  // A cut is due soon.
  await clock.passInTurns(600);
  const failed = Promise.withResolvers<boolean>();
  packs.outcome = () => failed.promise;
  const extents = [{ offset: 0, length: 129 * block.length, pack, packOffset: 0 }];
  expect(history.leavesToPacks).toBe(true);
  expect(history.packed(new Map([[file, { sequence: 128, extents }]]))).toBe(true);
  expect(packs.asked).toEqual([pack]);
  expect(history.unshippedBytes).toBeLessThan(mib);
  disk.commit(0);
  let answered = false;
  const waiting = Promise.resolve(history.published(Number.POSITIVE_INFINITY)).then((outcome) => {
    answered = true;
    return outcome;
  });
  await clock.passInTurns(100);
  // Somebody waits: nothing more is left to packs.
  expect(history.leavesToPacks).toBe(false);
  await clock.passInTurns(20_000);
  // The one behind needs no pack, and counts for nothing yet.
  expect([putting.length, packs.tries, answered]).toEqual([1, 1, false]);
  failed.resolve(false);
  packs.outcome = () => Promise.reject(new Error("the bucket is away"));
  await clock.passInTurns(20_000);
  expect([putting.length, packs.held, answered]).toEqual([1, 1, false]);
  expect(packs.tries).toBeGreaterThan(3);
  expect(history.status.oldestMs).toBeGreaterThanOrEqual(40_000);
  packs.outcome = () => Promise.resolve(true);
  expect(await clock.until(waiting)).toBeNull();
  expect([putting.length, packs.held, history.unshippedBytes]).toEqual([2, 0, 0]);
  await clock.until(history.close());
});
