import { afterAll, describe, expect, spyOn, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { Time } from "#base/time.ts";
import type { LogRecord, LostRecord } from "#cache/log/index.ts";
import { headerCopyAt, recordsStart } from "#cache/log/format.ts";
import { setAsideMax } from "#cache/log/set-aside.ts";
import { until } from "../../../support/wait.ts";
import { appendSome, file, open, payloadOf, restore, segmentBytes, segmentNames, snapshot, temporaryDirectory, unsynced } from "./world.ts";

const made: string[] = [];
function restored(files: ReadonlyMap<string, Uint8Array>): string {
  const path = restore(files);
  made.push(path);
  return path;
}
afterAll(() => {
  for (const path of made) fs.rmSync(path, { recursive: true, force: true });
});

type Files = Map<string, Uint8Array>;

interface Synced {
  readonly files: Files;
  readonly names: readonly string[];
  readonly records: readonly LogRecord[];
  /** Index of the first record that was appended after the last sync. */
  readonly unsyncedFrom: number;
}

/** What a killed process leaves of a log of records with these seeds, each group of them acknowledged before the next is begun. */
async function synced(...groups: readonly (readonly number[])[]): Promise<Synced> {
  const path = temporaryDirectory();
  made.push(path);
  const { log } = await open(path, { files: unsynced });
  const records: LogRecord[] = [];
  let unsyncedFrom = 0;
  for (const seeds of groups) {
    unsyncedFrom = records.length;
    for (const seed of seeds) records.push(appendSome(log, seed));
    if (seeds === groups[groups.length - 1]) await log.written(log.sequence);
    else await log.durable(log.sequence);
  }
  const files = snapshot(path);
  const names = segmentNames(path);
  await log.close();
  return { files, names, records, unsyncedFrom };
}

/** Where the records of a segment begin, and the last ends. */
function starts(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = [recordsStart];
  for (let end = recordsStart; end + 64 <= bytes.byteLength && view.getUint32(end + 4, true) > 0; ) at.push((end += view.getUint32(end + 4, true)));
  return at;
}

function flipped(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 1 << bit;
  return copy;
}

/** The same damage is found at every start until what is behind it is stored. */
async function twice(files: Files, check: (opened: Awaited<ReturnType<typeof open>>) => void): Promise<void> {
  const path = restore(files);
  for (let start = 0; start < 2; start++) {
    const opened = await open(path, { files: unsynced });
    check(opened);
    await opened.log.close();
  }
  fs.rmSync(path, { recursive: true });
}

const kinds = (...seeds: number[]) => seeds;

describe("a flipped bit in what was synced", () => {
  // Writes (one of them empty), a pointer, a truncation, a clone and a punch.
  const log = () => synced(kinds(3, 1, 2, 25, 26, 4), kinds(5, 37), kinds(8, 9, 10));

  test("anywhere in a record: all others are there, and of it nothing that is not true", async () => {
    const { files, names, records, unsyncedFrom } = await log();
    expect(names.length).toBe(1);
    const whole = files.get(names[0]!)!;
    const at = starts(whole);
    expect(at.length).toBe(records.length + 1);
    const outcomes = { lost: 0, mended: 0 };
    // The first is 10 KB long: of its body a part is as good as all.
    for (let position = recordsStart; position < at[unsyncedFrom]!; position += position > recordsStart + 200 && position < at[1]! - 200 ? 97 : 1) {
      const index = at.findIndex((_, i) => at[i + 1]! > position);
      const damaged = records[index]!;
      await twice(new Map([...files, [names[0]!, flipped(whole, position, position % 8)]]), ({ records: found, lost, recovered }) => {
        expect(recovered.tornWhole).toBe(0);
        if (lost.length === 0) {
          expect(found).toEqual([...records]);
          expect(recovered.damage).toMatchObject({ lost: 0, unknown: 0, mended: 1, firstSequence: damaged.sequence });
          outcomes.mended++;
          return;
        }
        expect(position).toBeGreaterThanOrEqual(at[index]! + 64);
        expect(found).toEqual(records.filter((record) => record !== damaged));
        expect(lost).toEqual([lostOf(damaged)]);
        expect(recovered.damage).toMatchObject({ lost: 1, unknown: 0, mended: 0, firstSequence: damaged.sequence });
        outcomes.lost++;
      });
    }
    expect(outcomes.lost).toBeGreaterThan(100);
    expect(outcomes.mended).toBeGreaterThan(100);
  }, 120_000);

  test("in what was not synced since ends the log there, as a torn tail does", async () => {
    const { files, names, records, unsyncedFrom } = await log();
    const whole = files.get(names[0]!)!;
    const at = starts(whole);
    for (let position = at[unsyncedFrom]!; position < at[at.length - 1]!; position += 5) {
      const index = at.findIndex((_, i) => at[i + 1]! > position);
      await twice(new Map([...files, [names[0]!, flipped(whole, position, 3)]]), ({ records: found, recovered }) => {
        expect(found).toEqual(records.slice(0, index));
        expect(recovered.damage).toBeNull();
      });
    }
  }, 60_000);

  test("in the header of a segment costs nothing; in both copies of it, what is in it, and no more", async () => {
    const { files, names, records } = await synced(Array.from({ length: 150 }, (_, i) => i + 1), [1], [4]);
    expect(names.length).toBeGreaterThan(3);
    const name = names[1]!;
    const once = flipped(files.get(name)!, 30, 2);
    await twice(new Map([...files, [name, once]]), ({ records: found, recovered }) => {
      expect(found).toEqual([...records]);
      expect(recovered.damage).toBeNull();
    });
    const inIt = starts(files.get(name)!).length - 1;
    const before = starts(files.get(names[0]!)!).length - 1;
    const left = [...records.slice(0, before), ...records.slice(before + inIt)];
    const without: Files = new Map(files);
    without.delete(name);
    for (const changed of [new Map([...files, [name, flipped(once, headerCopyAt + 20, 1)]]), without]) {
      await twice(changed, ({ records: found, recovered }) => {
        expect(found).toEqual(left);
        expect(recovered.damage).toMatchObject({ lost: 0, unknown: inIt, mended: 0, firstSequence: before + 1 });
      });
    }
  });
});

/** What is told of a record whose body is damaged. */
function lostOf(record: LogRecord): LostRecord {
  if (record.kind !== "write" && record.kind !== "clone") throw new Error(`a ${record.kind} has no body`);
  const { file, sequence, offset, newSize, mtime } = record;
  const laid = record.kind === "write" ? record.length : record.runs.reduce((sum, run) => sum + run.length, 0);
  // A clone's header says no more than 32 bits of it.
  return { kind: "lost", file, sequence, offset, length: laid < 2 ** 32 - 1 ? laid : newSize - offset, newSize, mtime };
}

describe("more than a bit", () => {
  const first = () => synced(Array.from({ length: 30 }, (_, i) => 21 + i), [1, 2], [4, 6]);

  test("headers that can't be read: as many changes are unknown as there are numbers missing", async () => {
    const { files, names, records } = await first();
    const whole = files.get(names[0]!)!;
    const at = starts(whole);
    for (const [from, count] of [[0, 1], [4, 1], [4, 3], [10, 12], [29, 1]] as const) {
      for (const filler of [0, 0xff, 0x5a]) {
        const spoiled = whole.slice().fill(filler, at[from], at[from + count]);
        await twice(new Map([...files, [names[0]!, spoiled]]), ({ records: found, lost, recovered }) => {
          expect(found).toEqual([...records.slice(0, from), ...records.slice(from + count)]);
          expect(lost).toEqual([]);
          expect(recovered.damage).toMatchObject({ lost: 0, unknown: count, mended: 0, firstSequence: from + 1 });
        });
      }
    }
  });

  test("two or three flipped bits of a header are never taken for another one", async () => {
    const { files, names, records } = await first();
    const whole = files.get(names[0]!)!;
    const at = starts(whole);
    for (let i = 0; i < 300; i++) {
      const index = i % 28;
      const bits = 64 * 8;
      let spoiled = whole;
      for (const bit of [i * 37, i * 61 + 11, ...(i % 2 === 0 ? [i * 101 + 5] : [])]) spoiled = flipped(spoiled, at[index]! + ((bit % bits) >> 3), bit & 7);
      if (Buffer.compare(spoiled, whole) === 0) continue;
      const path = restore(new Map([...files, [names[0]!, spoiled]]));
      const { log, records: found, recovered } = await open(path, { files: unsynced });
      expect(found).toEqual(recovered.damage?.mended === 1 ? [...records] : records.filter((_, other) => other !== index));
      await log.close();
      fs.rmSync(path, { recursive: true });
    }
  }, 60_000);

  test("between the last one that was synced and the next whole one something is missing that was not: the log ends", async () => {
    const { files, names, records, unsyncedFrom } = await first();
    const whole = files.get(names[0]!)!;
    const at = starts(whole);
    const spoiled = whole.slice().fill(0, at[unsyncedFrom - 1], at[unsyncedFrom + 1]);
    await twice(new Map([...files, [names[0]!, spoiled]]), ({ records: found, recovered }) => {
      expect(found).toEqual(records.slice(0, unsyncedFrom - 1));
      expect(recovered.damage).toMatchObject({ unknown: 1, firstSequence: unsyncedFrom });
    });
  });

  test("the end of a segment, where the next one proves that it was synced", async () => {
    const { files, names, records } = await synced(Array.from({ length: 150 }, (_, i) => i + 1), [1], [4]);
    const whole = files.get(names[1]!)!;
    const at = starts(whole);
    const spoiled = whole.slice().fill(0, at[at.length - 3]);
    const before = starts(files.get(names[0]!)!).length - 1;
    const end = before + at.length - 1;
    await twice(new Map([...files, [names[1]!, spoiled]]), ({ records: found, recovered }) => {
      expect(found).toEqual([...records.slice(0, end - 2), ...records.slice(end)]);
      expect(recovered.damage).toMatchObject({ unknown: 2, firstSequence: end - 1 });
    });
  });

  test("of a log that an earlier start read to its end, the start proves that all of it was synced", async () => {
    const { files, names } = await synced([1, 2, 3, 4, 5, 6]);
    const path = restored(files);
    const again = await open(path, { files: unsynced });
    const found = again.records;
    expect(found.length).toBe(6);
    appendSome(again.log, 8);
    await again.log.close();
    const bytes = new Uint8Array(fs.readFileSync(join(path, names[0]!)));
    const at = starts(bytes);
    bytes.fill(0, at[5], at[6]);
    fs.writeFileSync(join(path, names[0]!), bytes);
    const last = await open(path, { files: unsynced });
    expect(last.records.length).toBe(6);
    expect(last.recovered.damage).toMatchObject({ unknown: 1, firstSequence: 6 });
    await last.log.close();
  });
});

test("a segment that the disk does not give is named, with what to do", async () => {
  const { files, names } = await synced([3, 1, 2], [4]);
  const path = restored(files);
  const real = fs.readSync;
  const reads = spyOn(fs, "readSync").mockImplementation(((fd: number, bytes: Uint8Array, offset: number, length: number, position: number) => {
    if (position >= recordsStart) throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
    return real(fd, bytes, offset, length, position);
  }) as typeof fs.readSync);
  const message = await open(path, { files: unsynced }).then(() => "opened", (error: Error) => error.message);
  reads.mockRestore();
  expect(message).toContain(join(path, names[0]!));
  expect(message).toContain("EIO");
});

describe("behind the end of the log", () => {
  test("bytes of clients that look like one record after the other are read once each, and not a window for each of them", async () => {
    const long = { files: unsynced, segmentBytes: 10 << 20 };
    const path = temporaryDirectory();
    made.push(path);
    const { log } = await open(path, long);
    appendSome(log, 4);
    await log.durable(log.sequence);
    const left = snapshot(path);
    const [name] = segmentNames(path);
    await log.close();
    const bytes = left.get(name!)!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = starts(bytes).at(-1)! + 64; at + 64 <= bytes.byteLength; at += 64) {
      view.setUint32(at + 4, 64, true);
      view.setUint32(at + 8, 2, true);
      view.setUint8(at + 56, 1);
    }
    const reads = spyOn(fs, "readSync");
    const again = await open(restored(left), long);
    const asked = reads.mock.calls.length;
    reads.mockRestore();
    expect(again.records.length).toBe(1);
    expect(asked).toBeLessThan(50);
    await again.log.close();
  });
});

describe("a damaged segment", () => {
  test("is set aside, whole, when nothing in it is needed, and never used again; as many are kept as may be", async () => {
    const { files, names, records } = await synced([24, 28, 31, 35], [4], [6]);
    const whole = files.get(names[0]!)!;
    const spoiled = flipped(whole, starts(whole)[1]! - 9, 4);
    const aside = names[0]!.replace(/log$/, "damaged");
    const earlier: Files = new Map(Array.from({ length: setAsideMax }, (_, i) => [`000000000000000${i}.damaged`.replace("0001.", "0aaa."), new Uint8Array(8)]));
    earlier.delete(aside);
    const path = restored(new Map([...earlier, [names[0]!, spoiled]]));
    const { log, recovered } = await open(path, { files: unsynced });
    expect(recovered.damage?.segments).toEqual([join(path, names[0]!)]);
    log.release(records[records.length - 1]!.sequence);
    for (let i = 0; i < 40; i++) log.appendWrite(file, 0, [payloadOf(1, 9000)], 9000, 9000, new Time(1, 1));
    await log.durable(log.sequence);
    await until("set aside", 5000, () => (fs.existsSync(join(path, aside)) ? true : null));
    log.release(log.sequence);
    for (let i = 0; i < 40; i++) log.appendWrite(file, 0, [payloadOf(2, 9000)], 9000, 9000, new Time(1, 1));
    await log.close();
    expect(Buffer.compare(fs.readFileSync(join(path, aside)), spoiled)).toBe(0);
    expect(spoiled.length).toBe(segmentBytes);
    const kept = fs.readdirSync(path).filter((name) => name.endsWith(".damaged"));
    expect(kept).toContain(aside);
    expect(kept.length).toBe(setAsideMax);
  });

  test("an earlier one that can't be deleted stays, and the log goes on", async () => {
    const { files, names, records } = await synced([24, 28, 31, 35], [4], [6]);
    const whole = files.get(names[0]!)!;
    const path = restored(new Map([[names[0]!, flipped(whole, starts(whole)[1]! - 9, 4)]]));
    const kept = Array.from({ length: setAsideMax }, (_, i) => join(path, `0000000000000${i}00.damaged`));
    for (const one of kept) fs.mkdirSync(one, { recursive: true });
    const { log, failures } = await open(path, { files: unsynced });
    log.release(records[records.length - 1]!.sequence);
    for (let i = 0; i < 40; i++) log.appendWrite(file, 0, [payloadOf(1, 9000)], 9000, 9000, new Time(1, 1));
    await log.durable(log.sequence);
    log.release(log.sequence);
    await log.close();
    expect(failures).toEqual([]);
    expect(fs.existsSync(join(path, names[0]!.replace(/log$/, "damaged")))).toBe(true);
    for (const one of kept) expect(fs.existsSync(one)).toBe(true);
  });
});
