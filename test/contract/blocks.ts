import { describe, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { MissingObjectError, type BlockStore, type SynchronousReads } from "#model/block-store.ts";
import { temporary } from "../support/temporary.ts";

export interface BlocksUnderTest {
  readonly name: string;
  open(directory: string): Promise<BlockStore>;
  /** Objects are still there after `close` and another `open` of the same directory. */
  readonly keeps: boolean;
  /** The store has the ability SynchronousReads. */
  readonly readsNow: boolean;
}

/** Bytes that differ from their neighbours and from those of another seed. */
export function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 17 + seed * 101) & 0xff;
  return bytes;
}

/** Runs `run` with an open store in a directory of its own. */
async function withStore(under: BlocksUnderTest, run: (store: BlockStore, directory: string) => Promise<void>): Promise<void> {
  const directory = temporary("blocks");
  try {
    const store = await under.open(join(directory, "store"));
    try {
      await run(store, directory);
    } finally {
      await store.close();
    }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function keysOf(store: BlockStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const entry of store.list(prefix)) keys.push(entry.key);
  return keys.sort();
}

/** What every block store does. */
export function blocksContract(under: BlocksUnderTest): void {
  const within = (run: (store: BlockStore, directory: string) => Promise<void>) => () => withStore(under, run);

  describe(`block store: ${under.name}`, () => {
    test("gives back any range of what was put as slices", within(async (store) => {
      const bytes = pattern(300_000, 1);
      await store.put("s/00/a", { from: "slices", slices: [bytes.subarray(0, 1), bytes.subarray(1, 70_000), new Uint8Array(0), bytes.subarray(70_000)] });
      for (const [offset, length] of [[0, 300_000], [0, 1], [299_999, 1], [65_535, 2], [100, 200_000], [300_000, 0]] as const) {
        expect(await store.get("s/00/a", offset, length)).toEqual(bytes.subarray(offset, offset + length));
      }
      const target = new Uint8Array(1000);
      expect(await store.get("s/00/a", 5, 1000, target)).toBe(target);
      expect(target).toEqual(bytes.subarray(5, 1005));
      expect(await store.size("s/00/a")).toBe(300_000);
    }));

    test("what it says has come of a range is there, and stays as it is", within(async (store) => {
      const bytes = pattern(3_000_000, 1);
      await store.put("s/00/b", { from: "slices", slices: [bytes] });
      const target = new Uint8Array(2_500_000);
      let there = 0;
      await store.get("s/00/b", 77, target.length, target, (came) => {
        expect(came).toBeGreaterThanOrEqual(there);
        expect(Buffer.compare(target.subarray(there, came), bytes.subarray(77 + there, 77 + came))).toBe(0);
        // As whoever uses it at once would: were it written again, the end would not be what it should.
        target.fill(0, there, came);
        there = came;
      });
      expect(target.subarray(0, there).every((byte) => byte === 0)).toBe(true);
      expect(Buffer.compare(target.subarray(there), bytes.subarray(77 + there, 77 + target.length))).toBe(0);
    }));

    test("takes a file over: its bytes are the object, the file is gone", within(async (store, directory) => {
      const path = join(directory, "incoming");
      const bytes = pattern(100_000, 2);
      fs.writeFileSync(path, bytes);
      await store.put("s/f", { from: "file", path, size: bytes.byteLength });
      expect(await store.get("s/f", 0, bytes.byteLength)).toEqual(bytes);
      expect(fs.existsSync(path)).toBe(false);
    }));

    test("refuses a file of another size than told, and leaves it", within(async (store, directory) => {
      const path = join(directory, "incoming");
      fs.writeFileSync(path, "12345");
      await expect(store.put("s/f", { from: "file", path, size: 4 })).rejects.toThrow("5 bytes");
      expect(await store.size("s/f")).toBeNull();
      expect(fs.readFileSync(path, "utf8")).toBe("12345");
    }));

    test("an empty object", within(async (store) => {
      await store.put("e", { from: "slices", slices: [] });
      expect(await store.size("e")).toBe(0);
      expect(await store.get("e", 0, 0)).toEqual(new Uint8Array(0));
    }));

    test("refuses an existing key, from slices and from a file, and keeps the old object and the file", within(async (store, directory) => {
      const bytes = pattern(100, 3);
      await store.put("k", { from: "slices", slices: [bytes] });
      await expect(store.put("k", { from: "slices", slices: [pattern(50, 4)] })).rejects.toThrow("already has");
      const path = join(directory, "incoming");
      fs.writeFileSync(path, "other");
      await expect(store.put("k", { from: "file", path, size: 5 })).rejects.toThrow("already has");
      expect(fs.readFileSync(path, "utf8")).toBe("other");
      expect(await store.get("k", 0, 100)).toEqual(bytes);
    }));

    test("of puts of one key at the same time one wins", within(async (store) => {
      const outcomes = await Promise.allSettled([1, 2, 3, 4].map((seed) => store.put("race", { from: "slices", slices: [pattern(10_000, seed)] })));
      expect(outcomes.filter((outcome) => outcome.status === "fulfilled").length).toBe(1);
      const winner = outcomes.findIndex((outcome) => outcome.status === "fulfilled") + 1;
      expect(await store.get("race", 0, 10_000)).toEqual(pattern(10_000, winner));
    }));

    test("a missing key is a MissingObjectError of get, null of size, nothing to delete", within(async (store) => {
      await expect(store.get("s/none", 0, 1)).rejects.toBeInstanceOf(MissingObjectError);
      expect(await store.size("s/none")).toBeNull();
      await store.delete(["s/none", "other/none"]);
    }));

    test("a range past the end is an error, not fewer bytes, and no MissingObjectError", within(async (store) => {
      await store.put("k", { from: "slices", slices: [pattern(100, 5)] });
      for (const [offset, length] of [[0, 101], [100, 1], [99, 2], [5000, 1]] as const) {
        const error = await store.get("k", offset, length).catch((e: unknown) => e);
        expect(error).toBeInstanceOf(Error);
        expect(error).not.toBeInstanceOf(MissingObjectError);
      }
    }));

    test("deletes many, and a deleted key may be put anew", within(async (store) => {
      const keys = Array.from({ length: 30 }, (_, i) => `s/${i % 4}/k${i}`);
      for (const key of keys) await store.put(key, { from: "slices", slices: [pattern(10, 6)] });
      await store.get(keys[0]!, 0, 10);
      await store.delete(keys.slice(0, 29));
      expect(await keysOf(store, "")).toEqual([keys[29]!]);
      await expect(store.get(keys[0]!, 0, 10)).rejects.toBeInstanceOf(MissingObjectError);
      await store.put(keys[0]!, { from: "slices", slices: [pattern(20, 7)] });
      expect(await store.get(keys[0]!, 0, 20)).toEqual(pattern(20, 7));
    }));

    test("lists keys by any prefix, with sizes", within(async (store) => {
      const keys = ["aa/00/1", "aa/00/12", "aa/01/2", "ab/00/1", "aa", "a/a", "aa/00"];
      for (let i = 0; i < keys.length; i++) await store.put(keys[i]!, { from: "slices", slices: [pattern(i, 8)] });
      for (const prefix of ["", "a", "aa", "aa/", "aa/0", "aa/00", "aa/00/", "aa/00/1", "aa/00/12", "aa/00/123", "b", "aa/02/", "a/a"]) {
        expect(await keysOf(store, prefix)).toEqual(keys.filter((key) => key.startsWith(prefix)).sort());
      }
      for await (const { key, size } of store.list("")) expect(size ?? (await store.size(key))).toBe(keys.indexOf(key));
    }));

    test("keys of other shapes than the alphabet's are refused", within(async (store) => {
      for (const key of ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a b", "ä", "a+", "a\0b", "x".repeat(300)]) {
        await expect(store.put(key, { from: "slices", slices: [] })).rejects.toThrow();
        await expect(store.get(key, 0, 0)).rejects.toThrow();
      }
    }));

    test("many gets at once of many objects", within(async (store) => {
      for (let i = 0; i < 40; i++) await store.put(`m/${i}`, { from: "slices", slices: [pattern(5000, i)] });
      const reads = Array.from({ length: 400 }, (_, i) => store.get(`m/${(i * 7) % 40}`, i % 100, 1000));
      const results = await Promise.all(reads);
      for (let i = 0; i < results.length; i++) expect(results[i]).toEqual(pattern(5000, (i * 7) % 40).subarray(i % 100, (i % 100) + 1000));
    }));

    test("space, where there is a bound, is numbers with free at most total", within(async (store) => {
      const space = await store.space();
      if (space !== null) {
        expect(space.total).toBeGreaterThan(0);
        expect(space.free).toBeGreaterThanOrEqual(0);
        expect(space.free).toBeLessThanOrEqual(space.total);
      }
    }));

    if (under.keeps) {
      test("keeps its objects over close and open", async () => {
        const directory = temporary("blocks");
        try {
          const first = await under.open(directory);
          await first.put("s/1/a", { from: "slices", slices: [pattern(1000, 9)] });
          await first.close();
          const second = await under.open(directory);
          expect(await keysOf(second, "")).toEqual(["s/1/a"]);
          expect(await second.get("s/1/a", 0, 1000)).toEqual(pattern(1000, 9));
          await second.close();
        } finally {
          fs.rmSync(directory, { recursive: true, force: true });
        }
      });
    }

    test.skipIf(!under.readsNow)("reads at once what is at hand; false for what is not there (skipped where the file system has no such reads)", within(async (store) => {
      const now = store as BlockStore & SynchronousReads;
      const bytes = pattern(200_000, 10);
      await store.put("n", { from: "slices", slices: [bytes] });
      await store.get("n", 0, 200_000);
      const target = new Uint8Array(70_000);
      expect(now.getNow("n", 1234, target)).toBe(true);
      expect(target).toEqual(bytes.subarray(1234, 71_234));
      // Lengths that change from call to call, often enough for the code to be compiled.
      for (let i = 0; i < 5000; i++) {
        const length = i % 3 === 0 ? 16 : i % 3 === 1 ? 4096 : 50_000;
        const offset = (i * 977) % (200_000 - length);
        const part = target.subarray(0, length);
        expect(now.getNow("n", offset, part)).toBe(true);
        if (part[0] !== bytes[offset] || part[length - 1] !== bytes[offset + length - 1]) expect(part).toEqual(bytes.subarray(offset, offset + length));
      }
      expect(now.getNow("n", 199_999, new Uint8Array(2))).toBe(false);
      expect(now.getNow("none", 0, new Uint8Array(2))).toBe(false);
      await store.delete(["n"]);
      expect(now.getNow("n", 0, new Uint8Array(2))).toBe(false);
    }));
  });
}
