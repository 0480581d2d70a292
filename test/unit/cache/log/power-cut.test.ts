import { expect, test } from "bun:test";
import fs from "node:fs";
import type { LogRecord } from "#cache/log/index.ts";
import { CrashDisk } from "./crash-disk.ts";
import { Lottery } from "./lottery.ts";
import { appendSome, open, restore, turns } from "./world.ts";

/** Lives of one world, each ended by a power cut. */
const lives = 6;
const steps = 120;

/** What must be true of the log, over all lives of a world. */
class Truth {
  /** Records appended in the life that just ended or found at its start, in order. */
  records: LogRecord[] = [];
  /** The last one acknowledged as durable. */
  acknowledged = 0;
  released = 0;
  highest = 0;

  /** `found` is what a crash left: no hole, nothing foreign, everything acknowledged and not released. */
  check(found: readonly LogRecord[]): void {
    const from = found.length === 0 ? this.records.length : this.records.findIndex((record) => record.sequence === found[0]!.sequence);
    expect(from).toBeGreaterThanOrEqual(0);
    expect(found).toEqual(this.records.slice(from, from + found.length));
    const needed = this.records.filter((record) => record.sequence > this.released && record.sequence <= this.acknowledged);
    const first = needed[0];
    if (first !== undefined) {
      expect(found[0]!.sequence).toBeLessThanOrEqual(first.sequence);
      expect(found[found.length - 1]!.sequence).toBeGreaterThanOrEqual(needed[needed.length - 1]!.sequence);
    }
    this.records = [...found];
  }
}

async function world(seed: number): Promise<{ acknowledged: number; survived: number; refused: number }> {
  const lottery = new Lottery(seed);
  const truth = new Truth();
  const count = { acknowledged: 0, survived: 0, refused: 0 };
  let survived = new Map<string, Uint8Array>();
  for (let life = 0; life < lives; life++) {
    const directory = restore(survived);
    const disk = new CrashDisk(survived);
    try {
      const opening = open(directory, { files: disk.files });
      let opened = false;
      void opening.finally(() => (opened = true)).catch(() => {});
      // Sometimes the power fails while the log is opened.
      const cutAt = lottery.below(4) === 0 ? lottery.below(6) : Infinity;
      for (let i = 0; i < 500 && !opened && i < cutAt; i++) {
        await turns(2);
        disk.endSync();
      }
      if (!opened) {
        survived = disk.crash(lottery);
        while (!opened) {
          disk.endSync();
          await turns(2);
        }
        const again = await opening;
        truth.check(again.records);
        continue;
      }
      const { log, records } = await opening;
      truth.check(records);
      // What was found is durable: it counts as acknowledged.
      truth.acknowledged = Math.max(truth.acknowledged, records[records.length - 1]?.sequence ?? 0);
      count.survived += records.length;
      const length = lottery.below(steps);
      for (let step = 0; step < length; step++) {
        const what = lottery.below(20);
        if (what < 12) {
          const wanted = 1 + lottery.below(100_000);
          try {
            const record = appendSome(log, wanted);
            expect(record.sequence).toBeGreaterThan(truth.highest);
            truth.highest = record.sequence;
            truth.records.push(record);
          } catch (error) {
            if (!(error instanceof Error) || !error.message.includes("noSpace")) throw error;
            count.refused++;
          }
        } else if (what < 15) {
          const sequence = log.sequence;
          void Promise.resolve(log.durable(sequence)).then(() => {
            if (sequence > truth.acknowledged) truth.acknowledged = sequence;
            count.acknowledged++;
          });
        } else if (what === 15 && truth.records.length > 0) {
          truth.released = Math.max(truth.released, Math.min(truth.acknowledged, truth.records[lottery.below(truth.records.length)]!.sequence));
          log.release(truth.released);
        } else if (what === 16) {
          disk.roomBytes = lottery.below(3) === 0 ? 0 : Infinity;
        } else {
          await turns(1 + lottery.below(3));
          disk.endSync();
          await turns(1);
        }
      }
      survived = disk.crash(lottery);
      // The process that lost its power runs on unseen; end its syncs and close, so that descriptors are given back.
      const frozen = { records: truth.records, acknowledged: truth.acknowledged };
      let closed = false;
      void log.close().finally(() => (closed = true));
      while (!closed) {
        await turns(1);
        disk.endSync();
      }
      truth.records = frozen.records;
      truth.acknowledged = frozen.acknowledged;
    } finally {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }
  return count;
}

test("whatever a power cut leaves, the log is what was acknowledged and a run of what was appended behind it", async () => {
  const first = Number(Bun.env["LOG_SEED"] ?? 1);
  const worlds = Number(Bun.env["LOG_WORLDS"] ?? 60);
  const total = { acknowledged: 0, survived: 0, refused: 0 };
  for (let seed = first; seed < first + worlds; seed++) {
    try {
      const count = await world(seed);
      total.acknowledged += count.acknowledged;
      total.survived += count.survived;
      total.refused += count.refused;
    } catch (error) {
      throw new Error(`world ${seed}`, { cause: error });
    }
  }
  expect(total.acknowledged).toBeGreaterThan(worlds);
  expect(total.survived).toBeGreaterThan(worlds);
  expect(total.refused).toBeGreaterThan(0);
}, 120_000);
