import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { Time } from "#base/time.ts";
import { systemFiles, type Done, type FileOps, type WriteAheadLog } from "#cache/log/index.ts";
import { nullLog } from "#cache/log/null-log.ts";
import { FsError } from "#model/fs-error.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { file, TurnClock, open, payloadOf, segmentNames, temporaryDirectory, turns } from "./world.ts";

const time = new Time(1, 2);
const noSpace = FsError.of("noSpace");
let directory = "";
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => {
  fs.rmSync(directory, { recursive: true, force: true });
});

/** System files that keep a journal of what was asked, with syncs that end when the test says so. */
class Journal {
  readonly events: string[] = [];
  held: Done[] = [];
  /** False: syncs run as they do. */
  holding = false;
  full = false;
  failWrites = false;
  readonly files: FileOps = {
    ...systemFiles,
    writeSync: (fd, bytes, offset, length, position) => {
      if (this.failWrites) throw Object.assign(new Error("broken"), { code: "EIO" });
      this.events.push(`write ${fd}`);
      return systemFiles.writeSync(fd, bytes, offset, length, position);
    },
    allocateSync: (fd, bytes) => {
      if (this.full) throw Object.assign(new Error("full"), { code: "ENOSPC" });
      systemFiles.allocateSync(fd, bytes);
    },
    unlink: (path, done) => {
      fs.unlinkSync(path);
      queueMicrotask(() => done(null));
    },
    fdatasync: (fd, done) => this.#sync("sync", fd, done, systemFiles.fdatasync),
    fsync: (fd, done) => this.#sync("names", fd, done, systemFiles.fsync),
  };

  #sync(what: string, fd: number, done: Done, run: (fd: number, done: Done) => void): void {
    this.events.push(`${what} ${fd}`);
    if (!this.holding) return run(fd, done);
    this.held.push(done);
  }

  async end(error: Error | null = null): Promise<void> {
    this.held.shift()!(error);
    await turns();
  }
}

function append(log: WriteAheadLog, length = 100): number {
  const sequence = log.appendWrite(file, 0, [payloadOf(1, length)], length, length, time);
  if (typeof sequence !== "number") throw new Error(sequence.code);
  return sequence;
}

/** Whether a promise has resolved, seen from outside. */
function watch(promise: void | Promise<void>): { done: boolean } {
  const seen = { done: false };
  void Promise.resolve(promise).then(() => (seen.done = true));
  return seen;
}

/** Ends turns until `promise` is settled. */
async function endTurnsUntil(promise: Promise<void>, clock: TurnClock): Promise<void> {
  const seen = watch(promise);
  while (!seen.done) {
    clock.endTurn();
    await turns(1);
  }
}

describe("durable", () => {
  test("needs a sync that begins after the write; one at a time; shared by all it covers", async () => {
    const journal = new Journal();
    const { log } = await open(directory, { files: journal.files });
    journal.holding = true;
    journal.events.length = 0;
    const first = append(log);
    const one = log.durable(first);
    expect(log.durable(first)).toBe(one!);
    expect(journal.events).toEqual([]);
    await turns();
    expect(journal.events.map((event) => event.split(" ")[0])).toEqual(["write", "sync"]);
    const second = append(log);
    const third = append(log);
    const two = log.durable(second);
    expect(two).not.toBe(one!);
    expect(log.durable(third)).toBe(two!);
    expect(log.durable(first)).toBe(one!);
    await turns();
    expect(journal.held.length).toBe(1); // one in flight, though more is written
    const [seenOne, seenTwo] = [watch(one), watch(two)];
    await journal.end();
    expect([seenOne.done, seenTwo.done]).toEqual([true, false]);
    expect(log.durable(first)).toBeUndefined();
    expect(journal.held.length).toBe(1);
    await journal.end();
    expect(seenTwo.done).toBe(true);
    expect(journal.events.map((event) => event.split(" ")[0])).toEqual(["write", "sync", "write", "sync"]);
    journal.holding = false;
    await log.close();
  });

  test("waits for earlier segments and for the names of new ones", async () => {
    const journal = new Journal();
    const { log } = await open(directory, { files: journal.files });
    journal.holding = true;
    journal.events.length = 0;
    for (let i = 0; i < 80; i++) append(log, 1000);
    expect(segmentNames(directory).length).toBe(4);
    const seen = watch(log.durable(append(log)));
    await turns();
    for (const _ of [1, 2, 3, 4, 5]) {
      expect(seen.done).toBe(false);
      expect(journal.held.length).toBe(1);
      await journal.end();
    }
    expect(seen.done).toBe(true);
    const syncs = journal.events.filter((event) => !event.startsWith("write"));
    expect(new Set(syncs).size).toBe(5);
    expect(syncs[4]!.startsWith("names")).toBe(true);
    const lastWrite = journal.events.findLastIndex((event) => event.startsWith("write"));
    expect(journal.events.indexOf(syncs[0]!)).toBeGreaterThan(lastWrite);
    journal.holding = false;
    await log.close();
  });

  test("of 64 writers in a turn, and of the next turn, shares syncs", async () => {
    const journal = new Journal();
    const { log } = await open(directory, { files: journal.files, segmentBytes: 1 << 20 });
    journal.events.length = 0;
    const writer = async () => {
      for (let i = 0; i < 10; i++) await log.durable(append(log, 100));
    };
    await Promise.all(Array.from({ length: 64 }, writer));
    expect(journal.events.filter((event) => event.startsWith("sync")).length).toBeLessThanOrEqual(12);
    await log.close();
  });

  test("a failed sync is fatal, once; nobody is acknowledged, no sync is tried again, appends are refused", async () => {
    const journal = new Journal();
    const { log, failures } = await open(directory, { files: journal.files });
    journal.holding = true;
    const seen = watch(log.durable(append(log)));
    await turns();
    const later = watch(log.durable(append(log)));
    journal.events.length = 0;
    await journal.end(new Error("EIO"));
    const evenLater = watch(log.durable(log.sequence));
    await turns();
    expect(failures.map((error) => error.message)).toEqual(["EIO"]);
    expect([seen.done, later.done, evenLater.done]).toEqual([false, false, false]);
    expect(journal.events.filter((event) => event.startsWith("sync"))).toEqual([]);
    expect(log.appendTruncate(file, 0, time)).toBe(FsError.of("io"));
    await expect(log.close()).rejects.toThrow();
    expect(seen.done).toBe(false);
  });

  test("a failed write is fatal too", async () => {
    const journal = new Journal();
    const { log, failures } = await open(directory, { files: journal.files });
    const seen = watch(log.durable(append(log)));
    const handed = watch(log.written(log.sequence));
    journal.failWrites = true;
    await turns();
    expect(failures.length).toBe(1);
    expect([seen.done, handed.done]).toEqual([false, false]);
    await expect(log.close()).rejects.toThrow();
  });
});

describe("written", () => {
  test("is at the end of the turn, in one write", async () => {
    const journal = new Journal();
    const clock = new TurnClock();
    const { log } = await open(directory, { files: journal.files, clock });
    journal.events.length = 0;
    const handed = watch(log.written(append(log)));
    append(log);
    append(log);
    expect(watch(log.written(log.sequence))).toEqual(handed);
    await turns();
    expect(handed.done).toBe(false);
    clock.endTurn();
    await turns();
    expect(handed.done).toBe(true);
    expect(log.written(log.sequence)).toBeUndefined();
    expect(journal.events.length).toBe(1);
    const closing = log.close();
    await turns();
    clock.endTurn();
    await closing;
  });

  test("what is staged is on the disk after close", async () => {
    const { log } = await open(directory);
    for (let i = 0; i < 50; i++) append(log, 500);
    await log.close();
    const { records, log: again } = await open(directory);
    expect(records.length).toBe(50);
    await again.close();
  });
});

describe("release", () => {
  test("a segment goes only when the next one's header is durable, oldest first, each durably", async () => {
    const journal = new Journal();
    const { log } = await open(directory, { files: journal.files });
    for (let i = 0; i < 80; i++) append(log, 1000);
    await turns();
    journal.holding = true;
    const before = segmentNames(directory);
    expect(before.length).toBe(4);
    const bytes = log.bytes;
    log.release(log.sequence);
    await turns();
    expect(segmentNames(directory)).toEqual(before);
    // Four segments and the names.
    for (let i = 0; i < 5; i++) {
      expect(segmentNames(directory)).toEqual(before);
      await journal.end();
    }
    expect(segmentNames(directory)).toEqual(before.slice(1));
    await journal.end();
    expect(segmentNames(directory)).toEqual(before.slice(2));
    await journal.end();
    await turns();
    expect(segmentNames(directory)).toEqual(before.slice(3));
    await journal.end();
    await turns();
    expect(segmentNames(directory)).toEqual(before.slice(3));
    expect(log.bytes).toBeLessThan(bytes / 2);
    journal.holding = false;
    await log.close();
  });

  test("keeps segments that still hold an unreleased record", async () => {
    const { log } = await open(directory);
    const sequences = Array.from({ length: 80 }, () => append(log, 1000));
    await log.durable(log.sequence);
    log.release(sequences[20]!);
    await log.close();
    const { records, log: again } = await open(directory);
    expect(records.map((record) => record.sequence)).toEqual(sequences);
    again.release(sequences[40]!);
    await again.close();
    const last = await open(directory);
    expect(last.records[0]!.sequence).toBeGreaterThan(1);
    expect(last.records[0]!.sequence).toBeLessThanOrEqual(41);
    await last.log.close();
  });
});

describe("a full disk", () => {
  test("refuses writes, takes truncations into the reserve, and heals when there is room", async () => {
    const journal = new Journal();
    const clock = new TurnClock();
    const { log } = await open(directory, { files: journal.files, clock });
    journal.full = true;
    let accepted = 0;
    while (typeof log.appendWrite(file, 0, [payloadOf(1, 1000)], 1000, 1000, time) === "number") accepted++;
    expect(accepted).toBe(Math.floor((32768 - 4096) / 1064));
    const { sequence } = log;
    expect(log.appendWrite(file, 0, [payloadOf(1, 1000)], 1000, 1000, time)).toBe(noSpace);
    expect(log.appendPointer(file, 0, 200_000, 200_000, time, 3 as never, 0, 0)).not.toBeInstanceOf(FsError); // room in the segment
    for (let i = 0; i < 100; i++) expect(log.appendTruncate(file, i, time)).toBe(sequence + 2 + i);
    // The reserve is in use: the rest of it is for truncations.
    expect(log.appendPointer(file, 0, 200_000, 200_000, time, 3 as never, 0, 0)).toBe(noSpace);
    expect(log.appendWrite(file, 0, [], 0, 0, time)).toBe(noSpace);
    journal.full = false;
    clock.ms += 1000;
    expect(log.appendWrite(file, 0, [payloadOf(1, 1000)], 1000, 1000, time)).toBe(sequence + 102);
    const closing = log.close();
    await endTurnsUntil(closing, clock);
    const { records, log: again } = await open(directory);
    expect(records.length).toBe(accepted + 102);
    await again.close();
  });

  test("is told of with its directory, once a minute while it lasts, and when it is over", async () => {
    const journal = new Journal();
    const clock = new TurnClock();
    const said: string[] = [];
    const say = (_: object, message: string) => void said.push(message);
    const { log } = await open(directory, { files: journal.files, clock, logger: { ...silentLogger, error: say, info: say } });
    journal.full = true;
    while (typeof log.appendWrite(file, 0, [payloadOf(1, 1000)], 1000, 1000, time) === "number");
    const tries = (times: number, everyMs: number) => {
      for (let i = 0; i < times; i++) {
        clock.ms += everyMs;
        expect(log.appendWrite(file, 0, [payloadOf(1, 1000)], 1000, 1000, time)).toBe(noSpace);
      }
    };
    tries(100, 100);
    expect(said).toEqual([`no room for a segment of the share's log in ${directory}: its disk is full, or a quota of it is used up. Writers are told that there is no space, removals go on, and nothing acknowledged is at risk; make room on the disk of that directory`]);
    tries(30, 10_000);
    expect(said.length).toBe(6);
    journal.full = false;
    clock.ms += 1000;
    expect(append(log, 1000)).toBeGreaterThan(0);
    expect(said.at(-1)).toBe("there is room for a segment of the share's log again");
    const closing = log.close();
    await endTurnsUntil(closing, clock);
  });

  test("is no reason not to open; a truncation is taken as soon as there is room for a segment", async () => {
    const { log } = await open(directory);
    append(log);
    await log.close();
    for (const name of fs.readdirSync(directory)) if (name.startsWith("spare")) fs.rmSync(`${directory}/${name}`);
    const journal = new Journal();
    journal.full = true;
    const clock = new TurnClock();
    const again = await open(directory, { files: journal.files, clock });
    expect(again.records.length).toBe(1);
    expect(again.log.appendTruncate(file, 0, time)).toBe(noSpace);
    journal.full = false;
    clock.ms += 1000;
    const sequence = again.log.appendTruncate(file, 0, time);
    expect(typeof sequence).toBe("number");
    const closing = again.log.close();
    await endTurnsUntil(closing, clock);
    const last = await open(directory);
    expect(last.records.map((record) => record.kind)).toEqual(["write", "truncate"]);
    await last.log.close();
  });
});

test("the log of an ephemeral share counts, and everything is durable at once", async () => {
  const log = nullLog(0);
  expect(log.sequence).toBe(0);
  expect(append(log)).toBe(1);
  expect(log.appendTruncate(file, 0, time)).toBe(2);
  expect(log.durable(2)).toBeUndefined();
  expect(log.written(2)).toBeUndefined();
  log.release(2);
  expect(log.bytes).toBe(0);
  await log.close();
});
