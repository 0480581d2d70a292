import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import { ByteReader } from "#history/bytes.ts";
import { type ContentRecord, ContentRecords, readContentRecord } from "#history/content-records.ts";
import type { Extent } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";

/** What is gathered for a segment: every number is there, and whatever of it was stored before, the rest makes the files what they were. */

const mtime = new Time(1_700_000_000, 5);
const fileBytesMax = 32 * 1024;

function read(slices: readonly Uint8Array[]): ContentRecord[] {
  const from = new ByteReader(Buffer.concat(slices));
  const records: ContentRecord[] = [];
  while (from.left > 0) records.push(readContentRecord(from));
  return records;
}

/** Files as bytes: what a replay makes of records above a number, over what was stored up to it. */
class Files {
  /** What flushes put into packs. */
  packs: ReadonlyMap<PackId, Uint8Array> = new Map();
  readonly bytes = new Map<FileId, { readonly data: Uint8Array; size: number }>();

  of(id: FileId): { readonly data: Uint8Array; size: number } {
    let file = this.bytes.get(id);
    if (file === undefined) this.bytes.set(id, (file = { data: new Uint8Array(fileBytesMax), size: 0 }));
    return file;
  }

  apply(record: ContentRecord): void {
    const file = this.of(record.file);
    if (record.kind === "truncate") {
      if (record.newSize < file.size) file.data.fill(0, record.newSize);
      file.size = record.newSize;
    } else if (record.kind === "punch") file.data.fill(0, record.offset, record.offset + record.length);
    else if (record.kind === "write") {
      file.data.set(record.data, record.offset);
      file.size = Math.max(file.size, record.offset + record.length);
    } else if (record.kind === "clone") {
      for (const { length, pack, packOffset } of record.runs) {
        file.data.set((this.packs.get(pack) as Uint8Array).subarray(packOffset, packOffset + length), record.offset);
        file.size = Math.max(file.size, record.offset + length);
      }
    } else throw new Error("no such change is made here");
  }

  copy(): Files {
    const copy = new Files();
    copy.packs = this.packs;
    for (const [id, { data, size }] of this.bytes) copy.bytes.set(id, { data: data.slice(), size });
    return copy;
  }
}

function isSame(a: Files, b: Files): boolean {
  for (const id of new Set([...a.bytes.keys(), ...b.bytes.keys()])) {
    const [one, other] = [a.of(id), b.of(id)];
    if (one.size !== other.size || Buffer.compare(one.data, other.data) !== 0) return false;
  }
  return true;
}

/** Ranges of a file that a flush puts into a pack one behind the other, and the pack. */
function flush(file: { readonly data: Uint8Array; readonly size: number }, pack: PackId, random: SeededRandom): { readonly extents: readonly Extent[]; readonly bytes: Uint8Array } {
  const extents: Extent[] = [];
  const pieces: Uint8Array[] = [];
  let packOffset = random.below(300);
  pieces.push(new Uint8Array(packOffset).fill(255));
  for (let offset = random.below(2) * 512; offset < file.size; ) {
    const length = Math.min(file.size - offset, random.pick([512, 4096, 8192, 5000]));
    extents.push({ offset, length, pack, packOffset });
    pieces.push(file.data.slice(offset, offset + length));
    packOffset += length;
    offset += length + random.pick([0, 0, 512]);
  }
  return { extents, bytes: Buffer.concat(pieces) };
}

test("whatever was stored before, what is gathered makes of it what was written: 40 worlds", () => {
  const first = seedFor("gathered", "GATHERED_SEED");
  let pointed = 0;
  for (let world = 0; world < 40; world++) {
    const random = new SeededRandom(first + world);
    const places = random.pick([2, 10, 40]);
    const blocks = random.pick([[512], [4096], [100, 512, 4096, 10_000]]);
    const records = new ContentRecords();
    const moments: Files[] = [new Files()];
    const packs = new Map<PackId, Uint8Array>();
    (moments[0] as Files).packs = packs;
    const flushes = random.chance(0.7);
    for (let sequence = 1; sequence <= 200; sequence++) {
      // Numbers that are alike in their lower half.
      const file = random.pick([1, 2, 2 ** 32 + 1]) as FileId;
      const files = (moments[moments.length - 1] as Files).copy();
      const draw = random.below(100);
      const size = files.of(file).size;
      const offset = random.below(places) * random.pick([512, 100]);
      if (draw < 90) {
        const data = new Uint8Array(random.pick(blocks)).fill(1 + random.below(255));
        const half = random.below(data.length);
        records.wrote(file, sequence, offset, [data.subarray(0, half), data.subarray(half)], data.length, Math.max(size, offset + data.length), mtime);
        files.apply({ kind: "write", file, sequence, offset, length: data.length, newSize: 0, mtime, data: data.slice() });
        data.fill(7);
      } else if (draw < 95 || offset >= size) {
        records.truncated(file, sequence, offset, mtime);
        files.apply({ kind: "truncate", file, sequence, newSize: offset, mtime });
      } else {
        const length = Math.min(1000, size - offset);
        records.punched(file, sequence, offset, length, size, mtime);
        files.apply({ kind: "punch", file, sequence, offset, length, newSize: size, mtime });
      }
      moments.push(files);
      if (!flushes || !random.chance(0.05)) continue;
      const pack = (1000 + sequence) as PackId;
      // A flush took them some changes ago.
      const cut = sequence - Math.min(sequence, random.below(10));
      const { extents, bytes } = flush((moments[cut] as Files).of(file), pack, random);
      packs.set(pack, bytes);
      pointed += records.packed(new Map([[file, { sequence: cut, extents }]])) ? 1 : 0;
    }
    const taken = records.take();
    expect(taken.bytes).toBe(taken.slices.reduce((sum, { length }) => sum + length, 0));
    for (const record of read(taken.slices)) if (record.kind === "clone") for (const run of record.runs) expect(taken.packs.has(run.pack as PackId)).toBe(true);
    const found = read(taken.slices);
    expect(found.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    for (let covered = 0; covered <= 200; covered += 1 + random.below(30)) {
      const files = (moments[covered] as Files).copy();
      for (const record of found) if (record.sequence > covered) files.apply(record);
      if (!isSame(files, moments[200] as Files)) throw new Error(`world ${first + world}: with ${covered} changes stored, the rest makes other files`);
    }
  }
  expect(pointed).toBeGreaterThan(20);
});

test("what is written over again and again is sent once, and held little more often", () => {
  const records = new ContentRecords();
  const blocks = 100;
  const payload = new Uint8Array(4096);
  let held = 0;
  for (let sequence = 1; sequence <= 50 * blocks; sequence++) {
    payload.fill(sequence % 251);
    records.wrote(7 as FileId, sequence, ((sequence * 37) % blocks) * 4096, [payload], 4096, 4096 * blocks, mtime);
    held = Math.max(held, records.bytes);
  }
  const once = blocks * 4096;
  const fields = 50 * blocks * 32;
  expect(held).toBeLessThan(2 * once + 2 * 256 * 1024 + fields);
  const taken = records.take();
  expect(taken.bytes).toBeLessThan(2 * once + 256 * 1024 + fields);
  expect(records.bytes).toBe(0);
  const kept = new Map<number, number>();
  for (const record of read(taken.slices)) if (record.kind === "write" && record.length > 0) kept.set(record.offset, record.data[0] as number);
  for (let sequence = 49 * blocks + 1; sequence <= 50 * blocks; sequence++) expect(kept.get(((sequence * 37) % blocks) * 4096)).toBe(sequence % 251);
});

test("what nobody needs is let go of by chunks, and a write that comes after it is whole", () => {
  const records = new ContentRecords();
  const payload = new Uint8Array(64 * 1024).fill(1);
  for (let sequence = 1; sequence <= 40; sequence++) records.wrote(7 as FileId, sequence, sequence * 65536, [payload], payload.length, 2 ** 30, mtime);
  records.pointed(8 as FileId, 41, 1, 2, 3, mtime, 9 as PackId, 4, 5);
  const all = records.bytes;
  records.forget(31);
  expect(records.bytes).toBeLessThan(all / 2);
  // The same places again: of those let go of there is nothing to take out.
  for (let sequence = 42; sequence <= 81; sequence++) records.wrote(7 as FileId, sequence, (sequence - 41) * 65536, [payload], payload.length, 2 ** 30, mtime);
  const taken = records.take(35);
  expect([taken.first, taken.last, [...taken.packs]]).toEqual([1, 81, [9 as PackId]]);
  const found = read(taken.slices);
  expect(found[0]?.sequence).toBeLessThanOrEqual(35);
  expect(found[0]?.sequence).toBeGreaterThan(25);
  expect(found[found.length - 1]?.sequence).toBe(81);
  for (const [i, record] of found.entries()) expect(record.sequence).toBe((found[0] as ContentRecord).sequence + i);
  for (const record of found) if (record.sequence >= 42) expect(record.kind === "write" && record.data.every((byte) => byte === 1) && record.length).toBe(65536);
});
