import { expect, test } from "bun:test";
import fs from "node:fs";
import type { FileOps, LogRecord, WriteAheadLog } from "#cache/log/index.ts";
import { CrashDisk } from "./crash-disk.ts";
import { Lottery } from "./lottery.ts";
import { appendSome, open, restore, turns } from "./world.ts";

/** Lives of one world, each ended by a power cut or a kill. */
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

interface Count {
  acknowledged: number;
  survived: number;
  refused: number;
}

async function world(seed: number): Promise<Count> {
  const lottery = new Lottery(seed);
  const truth = new Truth();
  const count: Count = { acknowledged: 0, survived: 0, refused: 0 };
  let directory = restore(new Map());
  let disk = new CrashDisk(new Map());
  for (let life = 0; life < lives; life++) {
    const process = disk.process();
    await live(process.files, directory, disk, lottery, truth, count);
    const survived = disk.crash(lottery);
    process.kill();
    // A killed process leaves all it wrote with the kernel; a power cut what the disk makes of it.
    if (lottery.below(2) === 0) {
      fs.rmSync(directory, { recursive: true, force: true });
      directory = restore(survived);
      disk = new CrashDisk(survived);
    }
    disk.roomBytes = Infinity;
  }
  fs.rmSync(directory, { recursive: true, force: true });
  return count;
}

/** One life: opens the log, checks what it finds, works, and leaves it as it is. */
async function live(files: FileOps, directory: string, disk: CrashDisk, lottery: Lottery, truth: Truth, count: Count): Promise<void> {
  const opening = open(directory, { files });
  let opened = false;
  let refused: unknown = null;
  opening.then(
    () => (opened = true),
    (error: unknown) => (refused = error),
  );
  // Sometimes the end comes while the log is opened.
  const cutAt = lottery.below(4) === 0 ? lottery.below(6) : 500;
  for (let i = 0; !opened && refused === null && i < cutAt; i++) {
    await turns(2);
    disk.endSync();
  }
  if (refused !== null) throw refused;
  if (!opened) return;
  const { log, records, recovered } = await opening;
  truth.check(records);
  // What was not synced and is missing is no damage, whatever lies behind it.
  expect(recovered.damage).toBeNull();
  // What was found is durable: it counts as acknowledged.
  truth.acknowledged = Math.max(truth.acknowledged, records[records.length - 1]?.sequence ?? 0);
  count.survived += records.length;
  let alive = true;
  const length = lottery.below(steps);
  for (let step = 0; step < length; step++) {
    const what = lottery.below(20);
    if (what < 12) {
      append(log, 1 + lottery.below(100_000), truth, count);
    } else if (what < 15) {
      const sequence = log.sequence;
      void Promise.resolve(log.durable(sequence)).then(() => {
        if (!alive) return;
        if (sequence > truth.acknowledged) truth.acknowledged = sequence;
        count.acknowledged++;
      });
    } else if (what === 15 && truth.records.length > 0) {
      const upTo = truth.records[lottery.below(truth.records.length)]!.sequence;
      truth.released = Math.max(truth.released, Math.min(truth.acknowledged, upTo));
      log.release(truth.released);
    } else if (what === 16) {
      disk.roomBytes = lottery.below(3) === 0 ? 0 : Infinity;
    } else {
      await turns(1 + lottery.below(3));
      disk.endSync();
      await turns(1);
    }
  }
  alive = false;
}

function append(log: WriteAheadLog, seed: number, truth: Truth, count: Count): void {
  let record: LogRecord;
  try {
    record = appendSome(log, seed);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("noSpace")) throw error;
    count.refused++;
    return;
  }
  expect(record.sequence).toBeGreaterThan(truth.highest);
  truth.highest = record.sequence;
  truth.records.push(record);
}

test("whatever a power cut or a kill leaves, the log is what was acknowledged and a run of what was appended behind it, and nothing is taken for damage", async () => {
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
