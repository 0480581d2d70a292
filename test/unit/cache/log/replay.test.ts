import { afterAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { Time } from "#base/time.ts";
import type { LogRecord } from "#cache/log/index.ts";
import { sequenceSkip } from "#cache/log/open.ts";
import { decodeHeaders, encodeRecord, hasBody, headerBytes, headerCopyAt, recordHeaderBytes, RecordKind, recordSeed } from "#cache/log/format.ts";
import { until } from "../../../support/wait.ts";
import { appendSome, file, instance, open, payloadOf, restore, segmentBytes, segmentNames, snapshot, temporaryDirectory, unsynced } from "./world.ts";

const made: string[] = [];
function directory(): string {
  const path = temporaryDirectory();
  made.push(path);
  return path;
}
function restored(files: ReadonlyMap<string, Uint8Array>): string {
  const path = restore(files);
  made.push(path);
  return path;
}
afterAll(() => {
  for (const path of made) fs.rmSync(path, { recursive: true, force: true });
});

/** A closed log of `count` records, or of those with the given seeds. */
async function filled(count: number, seeds = Array.from({ length: count }, (_, i) => i + 1)): Promise<{ path: string; records: LogRecord[] }> {
  const path = directory();
  const { log } = await open(path, { files: unsynced });
  const records = seeds.map((seed) => appendSome(log, seed));
  await log.close();
  return { path, records };
}

/** A segment as a program of before format 3 wrote it. */
function ofVersion(bytes: Uint8Array, version: number): Uint8Array {
  const view = new DataView(bytes.buffer);
  const { generation, salt } = decodeHeaders(bytes, "")!;
  const seed = recordSeed(instance, generation, salt);
  bytes.fill(0, headerCopyAt, headerCopyAt + headerBytes);
  view.setUint32(12, version, true);
  view.setUint32(60, Bun.hash.crc32(bytes.subarray(0, 60)), true);
  for (let at = 4096; at + 64 <= bytes.byteLength; ) {
    const length = view.getUint32(at + 4, true);
    if (length === 0) break;
    view.setUint32(at + 56, view.getUint8(at + 56), true);
    if (hasBody(view.getUint8(at + 56))) view.setUint32(at + 60, 0, true);
    view.setUint32(at, Bun.hash.crc32(bytes.subarray(at + 4, at + length), seed), true);
    at += length;
  }
  return bytes;
}

describe("replay", () => {
  test("gives every record back, over segments, with the counts", async () => {
    const { path, records } = await filled(150);
    expect(segmentNames(path).length).toBeGreaterThan(3);
    expect(records.map((record) => record.sequence)).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
    const again = await open(path, { files: unsynced });
    expect(again.records).toEqual(records);
    expect(again.recovered).toMatchObject({ records: 150, tornBytes: 0, firstSequence: 1, lastSequence: 150 });
    expect(again.log.sequence).toBe(150 + sequenceSkip);
    expect(again.log.durable(again.log.sequence)).toBeUndefined();
    await again.log.close();
  });

  test("a record longer than the staging buffer, between short ones", async () => {
    const path = directory();
    const { log } = await open(path, { stagingBytes: 4096 });
    const time = new Time(1, 2);
    for (let i = 0; i < 6; i++) log.appendWrite(file, i, [payloadOf(i, 5000), payloadOf(i, 3)], 5003, i + 5003, time);
    log.appendWrite(file, 99, [payloadOf(99, 10)], 10, 109, time);
    await log.close();
    const again = await open(path, { stagingBytes: 4096 });
    expect(again.records.length).toBe(7);
    for (let i = 0; i < 6; i++) {
      const record = again.records[i]!;
      expect(record.kind === "write" && record.data).toEqual(Uint8Array.from([...payloadOf(i, 5000), ...payloadOf(i, 3)]));
    }
    await again.log.close();
  });

  test("an empty directory, and one opened and closed many times, hold no records and few files", async () => {
    const path = directory();
    for (let i = 0; i < 10; i++) {
      const { log, recovered, records } = await open(path, { files: unsynced });
      expect(records).toEqual([]);
      expect(recovered).toMatchObject({ records: 0, bytes: 0, tornBytes: 0, tornWhole: 0, firstSequence: 0, lastSequence: 0, damage: null });
      await log.close();
    }
    expect(fs.readdirSync(path).length).toBeLessThanOrEqual(3);
  });

  test("segments that are not released stay over many openings; released ones go", async () => {
    const path = directory();
    const all: LogRecord[] = [];
    for (let life = 0; life < 5; life++) {
      const { log, records } = await open(path, { files: unsynced });
      expect(records).toEqual(all);
      for (let seed = 0; seed < 20; seed++) all.push(appendSome(log, life * 20 + seed + 1));
      await log.close();
    }
    const { log, records } = await open(path, { files: unsynced });
    expect(records).toEqual(all);
    log.release(all[all.length - 1]!.sequence);
    await log.close();
    const last = await open(path, { files: unsynced });
    expect(last.records).toEqual([]);
    expect(last.log.sequence).toBeGreaterThan(log.sequence);
    await last.log.close();
  });

  for (const version of [1, 2])
    test(`reads a log of version ${version}, whose records have one checksum each, and goes on in the present one`, async () => {
      const { path, records } = await filled(20);
      for (const name of segmentNames(path)) fs.writeFileSync(join(path, name), ofVersion(new Uint8Array(fs.readFileSync(join(path, name))), version));
      const again = await open(path);
      expect(again.records).toEqual(records);
      const punch = appendSome(again.log, 33);
      expect(punch.kind).toBe("punch");
      await again.log.close();
      const after = await open(path);
      expect(after.records.at(-1)).toEqual(punch);
      await after.log.close();
    });

  test("refuses a log of another share and one of a newer format", async () => {
    const { path } = await filled(3);
    await expect(open(path, { instance: Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1) })).rejects.toThrow("log of another share (0102030405060708, not 0807060504030201)");
    const name = join(path, segmentNames(path)[0]!);
    const bytes = fs.readFileSync(name);
    bytes[12] = 4;
    bytes.writeUInt32LE(Bun.hash.crc32(bytes.subarray(0, 60)), 60);
    fs.writeFileSync(name, bytes);
    await expect(open(path)).rejects.toThrow("log format 4, newer than 3");
  });

  test("reads a segment with the copy of its header, and refuses to go on without records where both are damaged", async () => {
    const { path, records } = await filled(3);
    const name = join(path, segmentNames(path)[0]!);
    const bytes = fs.readFileSync(name);
    bytes[30]! ^= 1;
    const other = restored(new Map([[segmentNames(path)[0]!, new Uint8Array(bytes)]]));
    const again = await open(other);
    expect(again.records).toEqual(records);
    await again.log.close();
    bytes[headerCopyAt + 30]! ^= 1;
    fs.writeFileSync(name, bytes);
    await expect(open(path)).rejects.toThrow("is damaged");
  });
});

/** The end of record `count` in the only segment of `files`. */
function endOf(records: readonly LogRecord[], count: number): number {
  let end = 4096;
  for (let i = 0; i < count; i++) {
    const record = records[i]!;
    end += record.kind === "pointer" ? 80 : 64 + (record.kind === "write" ? (record.length + 7) & ~7 : 0);
  }
  return end;
}

describe("a torn tail", () => {
  for (const [how, spoil] of [
    ["zeroed", (bytes: Uint8Array, from: number) => bytes.fill(0, from)],
    ["cut off", (bytes: Uint8Array, from: number) => bytes.slice(0, from)],
    ["left as it was in an earlier use", (bytes: Uint8Array, from: number) => bytes.fill(0xa5, from)],
  ] as const) {
    test(`at every byte of the last three records, ${how}: what is whole before it stays`, async () => {
      const { path, records } = await filled(12, [1, 2, 3, 4, 5, 6, 7, 8, 9, 50, 26, 49]);
      const files = snapshot(path);
      const name = segmentNames(path)[0]!;
      const whole = files.get(name)!;
      const starts = [9, 10, 11, 12].map((count) => endOf(records, count));
      expect(starts[3]! - starts[0]!).toBeLessThan(300);
      for (let at = starts[0]!; at < starts[3]!; at++) {
        const spoiled = spoil(whole.slice(), at);
        if (spoiled.length === whole.length && Buffer.compare(spoiled.subarray(0, starts[3]!), whole.subarray(0, starts[3]!)) === 0) continue;
        const torn = restored(new Map([[name, spoiled]]));
        const again = await open(torn, { files: unsynced });
        // Zeros that pad a record may be cut without harm.
        const complete = records.filter((_, i) => spoiled.length >= endOf(records, i + 1) && Buffer.compare(spoiled.subarray(0, endOf(records, i + 1)), whole.subarray(0, endOf(records, i + 1))) === 0);
        expect(again.records).toEqual(complete);
        expect(again.recovered.tornBytes).toBeGreaterThanOrEqual(0);
        expect(again.recovered.tornWhole).toBe(0);
        const next = appendSome(again.log, 500);
        expect(next.sequence).toBeGreaterThan(records[11]!.sequence);
        await again.log.close();
        fs.rmSync(torn, { recursive: true });
      }
    }, 60_000);
  }

  test("a flipped bit anywhere in a record ends the log before it, across segments, and is reported", async () => {
    const { path, records } = await filled(100);
    const files = snapshot(path);
    const names = segmentNames(path);
    expect(names.length).toBeGreaterThan(2);
    const whole = files.get(names[0]!)!;
    const [start, end] = [endOf(records, 5), endOf(records, 6)];
    for (let bit = 0; bit < (end - start) * 8; bit += 13) {
      const spoiled = whole.slice();
      spoiled[start + (bit >> 3)]! ^= 1 << (bit & 7);
      const torn = restored(new Map([...files, [names[0]!, spoiled]]));
      const again = await open(torn, { files: unsynced });
      expect(again.records).toEqual(records.slice(0, 5));
      if (bit >= 128) {
        expect(again.recovered.tornBytes).toBeGreaterThan(20_000);
        expect(again.recovered.tornWhole).toBe(records.length - 6);
      }
      await again.log.close();
      const once = await open(torn, { files: unsynced });
      expect(once.records).toEqual(records.slice(0, 5));
      await once.log.close();
      fs.rmSync(torn, { recursive: true });
    }
  }, 60_000);

  test("what was dropped never comes back, even when the bytes do", async () => {
    const { path, records } = await filled(12);
    const files = snapshot(path);
    const name = segmentNames(path)[0]!;
    const spoiled = files.get(name)!.slice();
    spoiled[endOf(records, 5) + 70]! ^= 1;
    const torn = restored(new Map([[name, spoiled]]));
    const again = await open(torn, { files: unsynced });
    const more = [appendSome(again.log, 700), appendSome(again.log, 701)];
    await again.log.close();
    fs.writeFileSync(join(torn, name), files.get(name)!); // the disk finds its bytes again
    const last = await open(torn, { files: unsynced });
    expect(last.records).toEqual([...records.slice(0, 5), ...more]);
    await last.log.close();
  });
});

describe("a crash between making a segment and its header's sync", () => {
  test("a segment without a header, or with a torn one, behind the log is nothing", async () => {
    const { path, records } = await filled(100);
    const files = snapshot(path);
    const names = segmentNames(path);
    const last = files.get(names[names.length - 1]!)!;
    for (const kept of [0, 1, 8, 32, 63]) {
      const header = new Uint8Array(segmentBytes);
      header.set(last.subarray(0, kept), 0);
      header.set(last.subarray(4096), 4096); // records of a segment nobody vouches for
      const torn = restored(new Map([...files, ["00000000000000ff.log", header]]));
      const again = await open(torn, { files: unsynced });
      expect(again.records).toEqual(records);
      await again.log.close();
      fs.rmSync(torn, { recursive: true });
    }
  });

  test("a header lost in the middle ends the log there: the segments behind it are dropped", async () => {
    const { path, records } = await filled(150);
    const files = snapshot(path);
    const names = segmentNames(path);
    for (const lost of [1, 2]) {
      const spoiled = files.get(names[lost]!)!.slice();
      spoiled.fill(0, 0, 4096);
      for (const change of ["header", "file"]) {
        const changed = new Map(files);
        if (change === "header") changed.set(names[lost]!, spoiled);
        else changed.delete(names[lost]!);
        const torn = restored(changed);
        const again = await open(torn, { files: unsynced });
        expect(again.records.length).toBeGreaterThan(0);
        expect(again.records.length).toBeLessThan(records.length);
        expect(again.records).toEqual(records.slice(0, again.records.length));
        expect(again.recovered.tornBytes).toBeGreaterThan(0);
        const more = appendSome(again.log, 900);
        await again.log.close();
        const next = await open(torn, { files: unsynced });
        expect(next.records).toEqual([...records.slice(0, again.records.length), more]);
        await next.log.close();
        fs.rmSync(torn, { recursive: true });
      }
    }
  });

  test("the first segment of all, made and never used", async () => {
    for (const header of [new Uint8Array(0), new Uint8Array(segmentBytes), new Uint8Array(segmentBytes).fill(7, 0, 40)]) {
      const path = restored(new Map([["0000000000000001.log", header]]));
      const { log, records } = await open(path, { files: unsynced });
      expect(records).toEqual([]);
      const made = appendSome(log, 4);
      await log.close();
      const again = await open(path, { files: unsynced });
      expect(again.records).toEqual([made]);
      await again.log.close();
    }
  });
});

describe("recycled segments", () => {
  test("are kept for the next use, more of them where the disk has room for very many", async () => {
    const path = directory();
    let freeBytes = Number.MAX_SAFE_INTEGER;
    const { log } = await open(path, { files: { ...unsynced, freeBytesSync: () => freeBytes } });
    const spares = () => fs.readdirSync(path).filter((name) => name.startsWith("spare")).length;
    const released = async (): Promise<number> => {
      let sequence = 0;
      for (let i = 0; i < 1000; i++) sequence = log.appendWrite(file, 0, [payloadOf(1, 960)], 960, 960, new Time(1, 1)) as number;
      await log.durable(sequence);
      log.release(sequence);
      await until("recycled", 5000, () => (segmentNames(path).length === 1 ? true : null));
      return spares();
    };
    expect(await released()).toBe(6);
    freeBytes = 0;
    expect(await released()).toBe(2);
    await log.close();
  });

  test("records of the file's earlier use behind the tail are never taken", async () => {
    const path = directory();
    const { log } = await open(path, { files: unsynced });
    const time = new Time(1, 1);
    // Equal records: those of the earlier use lie exactly where the next would.
    const live: number[] = [];
    for (let i = 0; i < 400; i++) {
      const sequence = log.appendWrite(file, 0, [payloadOf(1, 960)], 960, 960, time) as number;
      live.push(sequence);
      if (i % 100 === 99) {
        await log.durable(sequence);
        log.release(sequence - 10);
      }
    }
    expect(log.bytes).toBeLessThan(400 * 1024);
    await log.close();
    const again = await open(path, { files: unsynced });
    expect(again.records[again.records.length - 1]!.sequence).toBe(400);
    for (let i = 1; i < again.records.length; i++) expect(again.records[i]!.sequence).toBe(again.records[i - 1]!.sequence + 1);
    expect(again.records[0]!.sequence).toBeLessThanOrEqual(390);
    await again.log.close();
  });

  test("a record with the next sequence number counts with the seed of this use of the file alone", async () => {
    const { path } = await filled(5);
    const name = segmentNames(path)[0]!;
    const generation = Number.parseInt(name, 16);
    const files = snapshot(path);
    const end = endOf((await contents(files)).records, 5);
    const { salt } = decodeHeaders(files.get(name)!, name)!;
    for (const [ofGeneration, ofSalt, count] of [
      [generation, salt, 6],
      [generation - 1, salt, 5],
      [generation + 1, salt, 5],
      [generation, salt ^ 1, 5],
      [0, 0, 5],
    ] as const) {
      const bytes = files.get(name)!.slice();
      const view = new DataView(bytes.buffer);
      encodeRecord(view, end, RecordKind.truncate, recordHeaderBytes, 6, file, 0, 0, 77, new Time(1, 1), 0, 0);
      view.setUint32(end, Bun.hash.crc32(bytes.subarray(end + 4, end + recordHeaderBytes), recordSeed(instance, ofGeneration, ofSalt)), true);
      expect((await contents(new Map([[name, bytes]]))).records.length).toBe(count);
    }
  });

  /** What a log of these files replays. */
  async function contents(files: ReadonlyMap<string, Uint8Array>) {
    const again = await open(restored(files));
    await again.log.close();
    return again;
  }
});
