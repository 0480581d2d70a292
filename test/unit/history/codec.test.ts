import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "#history/bytes.ts";
import { TurnWriter } from "#history/change-sets.ts";
import { ContentRecords, readContentRecord } from "#history/content-records.ts";
import { decodeManifest, decodeSegmentHead, encodeManifest, encodeSegmentHead, HistoryError, type SegmentHead } from "#history/format.ts";
import { readTurn } from "#history/read-change-sets.ts";
import { type Change, PackState } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { FileType, Inode } from "#model/inode.ts";
import { allFlags, streamsOf } from "#model/inode-flags.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";

/** What is written is what is read; what is cut or changed is refused, and never more than that. */

const random = new SeededRandom(seedFor("history codec", "HISTORY_CODEC_SEED"));
const number = (): number => {
  const bits = random.below(54);
  return bits === 0 ? 0 : Math.min(Number.MAX_SAFE_INTEGER, Math.floor(2 ** (bits - 1) * (1 + random.uint32() / 2 ** 32)));
};
const id = (): FileId => Math.max(1, number()) as FileId;
const time = (): Time => new Time(random.chance(0.2) ? -random.below(2 ** 31) : random.below(2 ** 31) * 4, random.below(1_000_000_000));
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.below(256));
const name = (): string => random.pick(["a", "é", "e\u0301", "x".repeat(255), "名前", "\u{1f600}".repeat(63), "with space", "a".repeat(42), "b".repeat(43)]);
const extent = () => ({ offset: random.below(2 ** 40), length: 1 + random.below(2 ** 30), pack: number() as PackId, packOffset: number() });

function inode(): Inode {
  const ctime = time();
  const other = (): Time => (random.chance(0.5) ? ctime : time());
  const some = (): number => (random.chance(0.5) ? 0 : number());
  return new Inode({
    id: id(), type: random.pick(Object.values(FileType)), mode: random.below(0o10000), links: random.below(40_000), uid: random.uint32(), gid: random.uint32(), size: number(), used: number(),
    deviceMajor: some(), deviceMinor: some(), atime: other(), mtime: other(), ctime, birth: other(), change: some(), attributeVersion: some(), contentSequence: some(), mtimeSequence: some(),
    parent: some(), generation: random.uint32(), createVerifier: random.chance(0.5) ? null : bytes(8), target: random.chance(0.7) ? null : bytes(random.below(4097)),
    flags: random.chance(0.5) ? 0 : random.below(allFlags + 1),
  });
}

const makers: Record<Change["do"], () => Change> = {
  insertInode: () => ({ do: "insertInode", inode: inode() }),
  insertDirent: () => ({ do: "insertDirent", parent: random.chance(0.3) ? streamsOf(id()) : id(), name: name(), child: id() }),
  deleteDirent: () => ({ do: "deleteDirent", parent: random.chance(0.3) ? streamsOf(id()) : id(), name: name() }),
  touchDirectory: () => ({ do: "touchDirectory", id: id(), at: time(), linksDelta: random.between(-1, 1) }),
  addLinks: () => ({ do: "addLinks", id: id(), delta: random.pick([1, -1, Number.NEGATIVE_INFINITY]), at: time() }),
  setParent: () => ({ do: "setParent", id: id(), parent: id() }),
  setAttributes: () => ({
    do: "setAttributes", id: id(), at: time(),
    ...(random.chance(0.5) ? { mode: 0o644 } : {}), ...(random.chance(0.5) ? { uid: 0 } : {}), ...(random.chance(0.5) ? { gid: 4_000_000_000 } : {}), ...(random.chance(0.5) ? { atime: time() } : {}),
    ...(random.chance(0.5) ? { mtime: time(), mtimeSequence: number() } : {}), ...(random.chance(0.3) ? { createVerifier: null } : random.chance(0.3) ? { createVerifier: bytes(8) } : {}),
    ...(random.chance(0.5) ? { flags: { clear: 0xffff, set: random.below(0x10000) } } : {}), ...(random.chance(0.3) ? { birth: time() } : {}),
  }),
  setXattr: () => ({ do: "setXattr", id: id(), at: time(), name: random.pick(["security", "ea", "reparse", "user.x"]), value: random.chance(0.3) ? null : bytes(random.below(1025)) }),
  setAccessTime: () => ({ do: "setAccessTime", id: id(), atime: time() }),
  storeContent: () => ({ do: "storeContent", id: id(), sequence: number(), size: number(), mtime: time(), ctime: time(), cutTo: random.pick([-1, 0, 4096]), extents: Array.from({ length: random.below(4) }, extent) }),
  layExtents: () => ({ do: "layExtents", id: id(), sequence: number(), cutTo: -1, extents: Array.from({ length: random.below(40) }, extent) }),
  freeOrphan: () => ({ do: "freeOrphan", id: id(), extentsMax: 1024 }),
  putPack: () => ({ do: "putPack", pack: { id: number() as PackId, key: `0123456789abcdef/0a/${"0".repeat(14)}`, state: random.pick(Object.values(PackState)), size: number(), live: 0, frames: bytes(random.below(1025)), since: time() } }),
  deletePack: () => ({ do: "deletePack", id: number() as PackId }),
  moveExtent: () => ({ do: "moveExtent", file: id(), from: extent(), to: extent() }),
  recountInode: () => ({ do: "recountInode", id: id() }),
  recountPack: () => ({ do: "recountPack", id: number() as PackId }),
  recountUsage: () => ({ do: "recountUsage" }),
  raiseTreeVersion: () => ({ do: "raiseTreeVersion" }),
};

function turnOf(sets: readonly (readonly Change[])[], turn = number(), firstDrawn = number()): Uint8Array {
  const writer = new TurnWriter();
  writer.begin(turn, firstDrawn);
  for (const changes of sets) writer.add({ conditions: [{ is: "treeVersion", version: 1 }], changes });
  return writer.end() as Uint8Array;
}

test("each change comes back as it was, in every kind of value", () => {
  for (const make of Object.values(makers)) {
    for (let i = 0; i < 200; i++) {
      const change = make();
      const read = readTurn(new ByteReader(turnOf([[change]], 5, 6)));
      expect(read).toEqual({ turn: 5, firstDrawn: 6, sets: [{ conditions: [], changes: [change] }] });
    }
  }
});

test("a transaction of many sets that is cut at any byte is refused", () => {
  const sets = Array.from({ length: 12 }, () => Array.from({ length: 1 + random.below(4) }, () => random.pick(Object.values(makers))()));
  const whole = turnOf(sets);
  expect(readTurn(new ByteReader(whole)).sets.map(({ changes }) => changes)).toEqual(sets);
  for (let cut = 0; cut < whole.length; cut++) expect(() => readTurn(new ByteReader(whole.subarray(0, cut)))).toThrow(MalformedBytes);
});

test("whatever bytes come, they are read or refused, and nothing else happens", () => {
  for (let i = 0; i < 5000; i++) {
    const noise = random.chance(0.5) ? bytes(random.below(200)) : turnOf([Object.values(makers).map((make) => make())]);
    if (noise.length > 0) for (let j = random.below(4); j > 0; j--) noise[random.below(noise.length)] = random.below(256);
    for (const read of [readTurn, readContentRecord]) {
      try {
        read(new ByteReader(noise));
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedBytes);
      }
    }
  }
}, 60_000);

test("numbers up to 2^53 and all lengths of text", () => {
  const out = new ByteWriter();
  const numbers = Array.from({ length: 54 }, (_, bits) => 2 ** bits).flatMap((power) => [power - 1, power, power + 1]).filter(Number.isSafeInteger);
  for (const value of numbers) out.uint(value);
  const signed = numbers.filter((value) => value < 2 ** 52).flatMap((value) => [value, -value]);
  for (const value of signed) out.int(value);
  for (let length = 0; length <= 300; length++) out.text("ü".repeat(length));
  const from = new ByteReader(out.take());
  for (const value of numbers) expect(from.uint()).toBe(value);
  for (const value of signed) expect(from.int() + 0).toBe(value + 0);
  for (let length = 0; length <= 300; length++) expect(from.text(1000)).toBe("ü".repeat(length));
  expect(from.left).toBe(0);
});

test("content records come back in order, their bytes as they were when they were told", () => {
  const records = new ContentRecords();
  const payloads = [10, 16 * 1024, 16 * 1024 + 1, 100_000, 0].map(bytes);
  const told: { readonly sequence: number; readonly data: Uint8Array }[] = [];
  for (let sequence = 1; sequence <= 60; sequence++) {
    const payload = random.pick(payloads);
    const half = Math.floor(payload.length / 2);
    records.wrote(7 as FileId, sequence, sequence * 100_000, [payload.subarray(0, half), payload.subarray(half)], payload.length, 99, new Time(-5, 6));
    told.push({ sequence, data: payload.slice() });
    if (payload.length > 0) payload[0] = random.below(256);
  }
  records.pointed(8 as FileId, 61, 1, 2, 3, new Time(1, 2), 9 as PackId, 4, 0xffffffff);
  records.truncated(8 as FileId, 62, 5, new Time(1, 2));
  const runs = [{ length: 2 ** 40, pack: 9 as PackId, packOffset: 17 }, { length: 1, pack: 0 as PackId, packOffset: 0 }];
  records.cloned(8 as FileId, 63, 2 ** 41, runs, 2 ** 42, new Time(1, 2));
  records.punched(8 as FileId, 64, 2 ** 41, 2 ** 42, 2 ** 43, new Time(1, 2));
  const taken = records.take();
  expect([taken.first, taken.last, [...taken.packs], records.isEmpty]).toEqual([1, 64, [9 as PackId], true]);
  const from = new ByteReader(Buffer.concat(taken.slices));
  for (const { sequence, data } of told) {
    const record = readContentRecord(from);
    expect(record).toMatchObject({ kind: "write", file: 7, sequence, offset: sequence * 100_000, length: data.length, newSize: 99 });
    expect(record.kind === "write" && Buffer.compare(record.data, data)).toBe(0);
  }
  expect(readContentRecord(from)).toEqual({ kind: "pointer", file: 8 as FileId, sequence: 61, offset: 1, length: 2, newSize: 3, mtime: new Time(1, 2), pack: 9 as PackId, packOffset: 4, payloadCrc: 0xffffffff });
  expect(readContentRecord(from)).toEqual({ kind: "truncate", file: 8 as FileId, sequence: 62, newSize: 5, mtime: new Time(1, 2) });
  expect(readContentRecord(from)).toEqual({ kind: "clone", file: 8 as FileId, sequence: 63, offset: 2 ** 41, newSize: 2 ** 42, mtime: new Time(1, 2), runs });
  expect(readContentRecord(from)).toEqual({ kind: "punch", file: 8 as FileId, sequence: 64, offset: 2 ** 41, length: 2 ** 42, newSize: 2 ** 43, mtime: new Time(1, 2) });
  expect(from.left).toBe(0);
});

const head: SegmentHead = {
  kind: "changes", anew: false, instance: "00112233445566ff", place: { epoch: 4, number: 70 }, owner: { token: bytes(16), host: "höst", share: "/share", since: time() },
  firstTurn: 5, lastTurn: 9, lastSequence: 2 ** 52, oldestNeeded: 17, from: { epoch: 4, number: 66 }, confirms: 61, turns: { bytes: 5, crc: 6 }, content: { bytes: 7, crc: 0xffffffff },
};

test("heads come back; one that is cut, changed or newer is refused with the object's name", () => {
  for (const one of [head, { ...head, kind: "owner" as const }, { ...head, kind: "owner" as const, anew: true }]) expect(decodeSegmentHead(encodeSegmentHead(one), "k")).toEqual(one);
  const manifest = { instance: "00112233445566ff", cut: { epoch: 1, number: 2 }, turn: 3, share: "/s", host: "h", at: time(), bytes: 9, chunks: [{ bytes: 4, packed: 3, crc: 2 }, { bytes: 5, packed: 6, crc: 7 }] };
  expect(decodeManifest(encodeManifest(manifest), "k")).toEqual(manifest);
  for (const [whole, decode] of [[encodeSegmentHead(head), decodeSegmentHead], [encodeManifest(manifest), decodeManifest]] as const) {
    for (let cut = 0; cut < whole.length; cut++) expect(() => decode(whole.subarray(0, cut), "the/key")).toThrow(/the\/key/);
    for (let at = 0; at < whole.length; at++) {
      const changed = whole.slice();
      changed[at] = (changed[at] as number) ^ (1 << random.below(8));
      // All but the version's lower bytes, which may say older ones there were none of.
      if (at < 8 || at > 11) expect(() => decode(changed, "the/key")).toThrow(HistoryError);
    }
    const older = whole.slice();
    older[8] = 1;
    expect(decode(older, "the/key")).toEqual(decode(whole, "the/key"));
    const newer = whole.slice();
    newer[8] = 3;
    expect(() => decode(newer, "the/key")).toThrow(/the\/key has history format 3, newer than 2/);
  }
});
