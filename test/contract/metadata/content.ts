import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Pack } from "#model/change-set.ts";
import { type FileId, type PackId, rootId } from "#model/ids.ts";
import { type Factory, type Subject, apply, at, checkCounters, content, create, everything, extent, inodeOf, later, makeRoot, must, putPack } from "./kit.ts";

const whole = Number.MAX_SAFE_INTEGER;

/** storeContent and freeOrphan: the algebra of extents, on cases that can be read; random.ts has the rest. */
export function contentContract(name: string, factory: Factory): void {
  describe(`${name}: content`, () => {
    let subject: Subject;
    let file: FileId;
    let p: PackId;
    let q: PackId;
    beforeEach(async () => {
      subject = await factory();
      await makeRoot(subject.store);
      file = await create(subject.store, "f");
      p = await putPack(subject.store);
      q = await putPack(subject.store);
    });
    afterEach(async () => {
      await checkCounters(subject.store, [rootId, file]);
      await subject.dispose();
    });

    test("size, times, sequence and extents in one", async () => {
      const { store } = subject;
      const before = await inodeOf(store, file);
      const touched = await must(store, content(file, 5, 100, [extent(0, 60, p, 1000), extent(80, 20, q, 0)]));
      const after = await inodeOf(store, file);
      expect({ ...after }).toEqual({
        ...before,
        size: 100,
        used: 80,
        mtime: later(5),
        ctime: later(5),
        contentSequence: 5,
        change: after.change,
      });
      expect(after.change).toBeGreaterThan(before.change);
      expect(touched).toEqual([{ id: file, before, after }]);
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 60, p, 1000), extent(80, 20, q, 0)]);
      expect(await store.usage()).toMatchObject({ bytes: 80 });
    });

    test("a part of a content too long for one set lays its extents and nothing else", async () => {
      const { store } = subject;
      await must(store, content(file, 5, 100, [extent(0, 100, p)]));
      const before = await inodeOf(store, file);
      await must(store, { do: "layExtents", id: file, sequence: 6, cutTo: 50, extents: [extent(20, 10, q), extent(200, 100, q)] });
      expect({ ...(await inodeOf(store, file)) }).toEqual({ ...before, used: 150 });
      await must(store, content(file, 6, 400, [extent(300, 100, q)]));
      expect(await inodeOf(store, file)).toMatchObject({ size: 400, used: 250, contentSequence: 6 });
      const all = [extent(0, 20, p), extent(20, 10, q), extent(30, 20, p), extent(200, 100, q), extent(300, 100, q)];
      expect(await store.extents(file, 0, whole, 10)).toEqual(all);
      expect(await must(store, { do: "layExtents", id: file, sequence: 6, cutTo: 0, extents: [extent(0, 1, p)] })).toEqual([]);
      expect(await store.extents(file, 0, whole, 10)).toEqual(all);
    });

    test("what is not newer than the stored content does nothing", async () => {
      const { store } = subject;
      await must(store, content(file, 5, 100, [extent(0, 100, p)]));
      const before = await everything(store, [file]);
      expect(await must(store, content(file, 5, 7, [extent(0, 7, q)], { cutTo: 0 }))).toEqual([]);
      expect(await must(store, content(file, 4, 7, [extent(0, 7, q)], { cutTo: 0 }))).toEqual([]);
      expect(await everything(store, [file])).toEqual(before);
    });

    test("content of an orphan is stored until it is freed, that of a file that is gone is not", async () => {
      const { store } = subject;
      await must(store, { do: "deleteDirent", parent: rootId, name: "f" }, { do: "addLinks", id: file, delta: -1, at });
      const live = { is: "live", id: file } as const;
      expect(await apply(store, [live], [content(file, 5, 9, [extent(0, 9, p)])])).toEqual({ applied: false, failed: live });
      await must(store, content(file, 5, 9, [extent(0, 9, p)]));
      expect(await inodeOf(store, file)).toMatchObject({ links: 0, size: 9, used: 9 });
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 9, p)]);
      expect(await store.usage()).toMatchObject({ inodes: 1, bytes: 0 });
      await checkCounters(store, [rootId, file]);
      await must(store, { do: "freeOrphan", id: file, extentsMax: 10 });
      const before = await everything(store, [file]);
      expect(await must(store, content(file, 6, 9, [extent(0, 9, p)]))).toEqual([]);
      expect(await must(store, content((2 ** 40) as FileId, 5, 9, [extent(0, 9, p)]))).toEqual([]);
      expect(await everything(store, [file])).toEqual(before);
      expect((await store.pack(p))?.live).toBe(0);
    });

    test("an explicit mtime stands against older content only; ctime never goes back", async () => {
      const { store } = subject;
      await must(store, { do: "setAttributes", id: file, at: later(50), mtime: later(-500), mtimeSequence: 10 });
      await must(store, content(file, 10, 1, []));
      expect(await inodeOf(store, file)).toMatchObject({ mtime: later(-500), ctime: later(50), size: 1 });
      await must(store, content(file, 11, 2, []));
      expect(await inodeOf(store, file)).toMatchObject({ mtime: later(11), ctime: later(50), size: 2 });
      await must(store, content(file, 60, 3, []));
      expect(await inodeOf(store, file)).toMatchObject({ mtime: later(60), ctime: later(60), size: 3 });
    });

    test("cutTo cuts before the new extents are laid", async () => {
      const { store } = subject;
      await must(store, content(file, 1, 300, [extent(0, 100, p), extent(100, 100, p), extent(200, 100, q)]));
      await must(store, content(file, 2, 150, [], { cutTo: 150 }));
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 100, p), extent(100, 50, p)]);
      await must(store, content(file, 3, 500, [extent(400, 100, q)], { cutTo: 50 }));
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 50, p), extent(400, 100, q)]);
      await must(store, content(file, 4, 0, [], { cutTo: 0 }));
      expect(await store.extents(file, 0, whole, 10)).toEqual([]);
      expect(await inodeOf(store, file)).toMatchObject({ size: 0, used: 0 });
    });

    const overwrites: [string, number, number, [number, number, "p" | "q", number][]][] = [
      ["in the middle", 120, 20, [[100, 20, "p", 100], [120, 20, "q", 120], [140, 60, "p", 140]]],
      ["at the beginning", 100, 20, [[100, 20, "q", 100], [120, 80, "p", 120]]],
      ["at the end", 180, 20, [[100, 80, "p", 100], [180, 20, "q", 180]]],
      ["exactly", 100, 100, [[100, 100, "q", 100]]],
      ["over both ends", 50, 200, [[50, 200, "q", 50]]],
      ["over the beginning", 50, 60, [[50, 60, "q", 50], [110, 90, "p", 110]]],
      ["over the end", 190, 60, [[100, 90, "p", 100], [190, 60, "q", 190]]],
      ["right before", 90, 10, [[90, 10, "q", 90], [100, 100, "p", 100]]],
      ["right after", 200, 10, [[100, 100, "p", 100], [200, 10, "q", 200]]],
    ];
    for (const [where, offset, length, expected] of overwrites) {
      test(`an extent laid over another: ${where}`, async () => {
        const { store } = subject;
        await must(store, content(file, 1, 300, [extent(100, 100, p)]));
        await must(store, content(file, 2, 300, [extent(offset, length, q)]));
        const packs = { p, q };
        expect(await store.extents(file, 0, whole, 10)).toEqual(expected.map(([o, l, k, at]) => extent(o, l, packs[k], at)));
      });
    }

    test("extents of one set may lie over each other: the later wins", async () => {
      const { store } = subject;
      await must(store, content(file, 1, 300, [extent(0, 100, p), extent(50, 100, q), extent(60, 10, p, 777)]));
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 50, p), extent(50, 10, q), extent(60, 10, p, 777), extent(70, 80, q)]);
    });

    test("a hole takes away what lay there and stores nothing", async () => {
      const { store } = subject;
      await must(store, content(file, 1, 300, [extent(0, 100, p), extent(100, 100, q), extent(200, 100, p)]));
      const hole = (offset: number, length: number) => extent(offset, length, 0 as PackId, 0);
      await must(store, content(file, 2, 300, [hole(50, 100), extent(150, 10, p, 7), hole(200, 50)]));
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 50, p), extent(150, 10, p, 7), extent(160, 40, q), extent(250, 50, p, 250)]);
      expect(await inodeOf(store, file)).toMatchObject({ size: 300, used: 150 });
      await must(store, content(file, 3, 2 ** 52, [hole(0, 2 ** 52)]));
      expect(await store.extents(file, 0, whole, 10)).toEqual([]);
      expect(await inodeOf(store, file)).toMatchObject({ size: 2 ** 52, used: 0 });
      await must(store, content(file, 4, 300, [hole(0, 300)]));
      const many = Array.from({ length: 1000 }, (_, i) => extent(i * 10, 8, i % 3 === 0 ? p : q));
      await must(store, content(file, 5, 10_000, many));
      await must(store, content(file, 6, 10_000, [hole(4, 9988)]));
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 4, p), extent(9992, 6, p, 9992)]);
    });

    test("bytes that several files refer to are live until the last lets go", async () => {
      const { store } = subject;
      const other = await create(store, "g");
      await must(store, content(file, 1, 100, [extent(0, 100, p, 5)]));
      await must(store, content(other, 2, 150, [extent(0, 100, p, 5), extent(100, 50, p, 5)]));
      expect((await store.pack(p))?.live).toBe(250);
      expect(await store.extentsOfPack(p, 10)).toHaveLength(3);
      await must(store, { do: "moveExtent", file: other, from: extent(0, 100, p, 5), to: extent(0, 100, q, 0) });
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 100, p, 5)]);
      await must(store, content(file, 3, 0, [], { cutTo: 0 }));
      expect((await store.pack(p))?.live).toBe(50);
      await checkCounters(store, [rootId, file, other]);
      await must(store, content(other, 4, 0, [], { cutTo: 0 }));
      expect([(await store.pack(p))?.live, (await store.pack(q))?.live]).toEqual([0, 0]);
      await must(store, { do: "deleteDirent", parent: rootId, name: "g" }, { do: "addLinks", id: other, delta: -1, at });
      await must(store, { do: "freeOrphan", id: other, extentsMax: 10 });
    });

    test("one extent over a thousand, and a cut through a thousand", async () => {
      const { store } = subject;
      const many = Array.from({ length: 1000 }, (_, i) => extent(i * 10, 8, i % 3 === 0 ? p : q));
      await must(store, content(file, 1, 10_000, many));
      await checkCounters(store, [rootId, file]);
      await must(store, content(file, 2, 10_000, [extent(1234, 5000, p, 9)]));
      const left = await store.extents(file, 0, whole, 10_000);
      expect(left.filter((e) => e.offset < 1234)).toEqual([...many.slice(0, 123), { ...(many[123] as (typeof many)[0]), length: 4 }]);
      expect(left.find((e) => e.offset === 1234)).toEqual(extent(1234, 5000, p, 9));
      expect(left.filter((e) => e.offset > 1234)).toEqual([extent(6234, 4, q, 6234), ...many.slice(624)]);
      await checkCounters(store, [rootId, file]);
      await must(store, content(file, 3, 5, [], { cutTo: 5 }));
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 5, p)]);
    });

    test("extents are found by the range they overlap", async () => {
      const { store } = subject;
      const stored = [extent(10, 10, p), extent(20, 10, q), extent(50, 10, p)];
      await must(store, content(file, 1, 2 ** 52, [...stored, extent(2 ** 52 - 5, 5, q)]));
      const found = async (offset: number, end: number, limit = 10): Promise<number[]> =>
        (await store.extents(file, offset, end, limit)).map((e) => e.offset);
      expect(await found(0, 10)).toEqual([]);
      expect(await found(0, 11)).toEqual([10]);
      expect(await found(19, 20)).toEqual([10]);
      expect(await found(19, 21)).toEqual([10, 20]);
      expect(await found(20, 21)).toEqual([20]);
      expect(await found(29, 30)).toEqual([20]);
      expect(await found(30, 50)).toEqual([]);
      expect(await found(59, 60)).toEqual([50]);
      expect(await found(60, 2 ** 40)).toEqual([]);
      expect(await found(15, whole)).toEqual([10, 20, 50, 2 ** 52 - 5]);
      expect(await found(15, whole, 1)).toEqual([10]);
      expect(await found(30, whole, 1)).toEqual([50]);
      expect(await found(2 ** 52 - 1, 2 ** 52)).toEqual([2 ** 52 - 5]);
      expect(await store.extents((2 ** 40) as FileId, 0, whole, 10)).toEqual([]);
    });

    test("a file made and written in one set, and written by two sets of a turn", async () => {
      const { store } = subject;
      const [one, two] = [must(store, content(file, 1, 10, [extent(0, 10, p)])), must(store, content(file, 2, 20, [extent(5, 15, q)]))];
      expect((await one)[0]?.after).toMatchObject({ size: 10, used: 10 });
      expect((await two)[0]).toMatchObject({ before: { size: 10, used: 10 }, after: { size: 20, used: 20 } });
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 5, p), extent(5, 15, q)]);
    });

    test("the last sequence that content or an explicit time was stored with is known", async () => {
      const { store } = subject;
      expect(await store.lastContentSequence()).toBe(0);
      await must(store, content(file, 7, 10, [extent(0, 10, p)]));
      expect(await store.lastContentSequence()).toBe(7);
      await must(store, { do: "setAttributes", id: file, at, mtime: at, mtimeSequence: 9 });
      expect(await store.lastContentSequence()).toBe(9);
    });

    test("an orphan is freed piece by piece, its usage at once", async () => {
      const { store } = subject;
      const many = Array.from({ length: 25 }, (_, i) => extent(i * 10, 10, p));
      await must(store, content(file, 1, 250, many));
      await must(store, { do: "deleteDirent", parent: rootId, name: "f" }, { do: "addLinks", id: file, delta: -1, at });
      expect(await store.usage()).toMatchObject({ inodes: 1, bytes: 0 });
      expect((await store.pack(p))?.live).toBe(250);
      for (const left of [15, 5]) {
        await must(store, { do: "freeOrphan", id: file, extentsMax: 10 });
        expect(await store.extents(file, 0, whole, 100)).toHaveLength(left);
        expect(await store.orphans(0, 10)).toEqual([file]);
        await checkCounters(store, [rootId, file]);
      }
      const touched = await must(store, { do: "freeOrphan", id: file, extentsMax: 10 });
      expect(touched).toMatchObject([{ id: file, after: null }]);
      expect(await store.extents(file, 0, whole, 100)).toEqual([]);
      expect(await store.orphans(0, 10)).toEqual([]);
      expect((await store.pack(p))?.live).toBe(0);
    });

    test("as many extents as may be freed are freed with the inode", async () => {
      const { store } = subject;
      await must(store, content(file, 1, 250, [extent(0, 10, p), extent(10, 10, p)]));
      await must(store, { do: "addLinks", id: file, delta: -1, at }, { do: "deleteDirent", parent: rootId, name: "f" });
      await must(store, { do: "freeOrphan", id: file, extentsMax: 2 });
      expect(await store.inode(file)).toBeNull();
    });

    test("a rejected set that had deleted, cut, freed and moved before it failed leaves no trace", async () => {
      const { store } = subject;
      const gone = await create(store, "gone");
      const many = Array.from({ length: 100 }, (_, i) => extent(i * 10, 10, p));
      await must(store, content(file, 1, 1000, many), content(gone, 2, 20, [extent(0, 20, q)]));
      await must(store, { do: "deleteDirent", parent: rootId, name: "gone" }, { do: "addLinks", id: gone, delta: -1, at });
      for (let i = 0; i < 70; i++) await create(store, `n${i}`);
      const ids = [rootId, file, gone];
      const before = await everything(store, ids);
      const set = store.apply({
        conditions: [],
        changes: [
          content(file, 3, 1000, [extent(15, 500, q), extent(2000, 5, q)], { cutTo: 700 }),
          { do: "moveExtent", file, from: extent(0, 10, p), to: extent(0, 10, q, 3) },
          { do: "freeOrphan", id: gone, extentsMax: 10 },
          { do: "putPack", pack: { ...((await store.pack(p)) as Pack), size: 5 } },
          ...Array.from({ length: 70 }, (_, i) => ({ do: "deleteDirent", parent: rootId, name: `n${i}` }) as const),
          { do: "insertDirent", parent: rootId, name: "n3", child: file },
          { do: "deleteDirent", parent: rootId, name: "f" },
          { do: "deleteDirent", parent: rootId, name: "never was" },
        ],
      });
      await expect(set).rejects.toThrow();
      expect(await everything(store, ids)).toEqual(before);
      expect((await store.extentsOfPack(p, 1000)).length).toBe(100);
      await must(store, { do: "freeOrphan", id: gone, extentsMax: 10 });
      for (let i = 0; i < 70; i++) {
        const child = (await store.dirent(rootId, `n${i}`))?.child as FileId;
        await must(store, { do: "deleteDirent", parent: rootId, name: `n${i}` }, { do: "addLinks", id: child, delta: -1, at });
        await must(store, { do: "freeOrphan", id: child, extentsMax: 1 });
      }
    });

    test("an extent in an unknown pack, without length or past 2^53 is rejected", async () => {
      const { store } = subject;
      const before = await everything(store, [file]);
      for (const bad of [extent(0, 10, 2 ** 40), extent(0, 0, p), extent(whole, 2, p), extent(-1, 2, p)]) {
        await expect(store.apply({ conditions: [], changes: [content(file, 1, 10, [extent(0, 5, p), bad])] })).rejects.toThrow();
      }
      expect(await everything(store, [file])).toEqual(before);
    });
  });
}
