import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { PackState } from "#model/change-set.ts";
import { type FileId, type PackId, rootId } from "#model/ids.ts";
import { type Factory, type Subject, at, checkCounters, content, create, everything, extent, inodeOf, later, makeRoot, must, pack, putPack } from "./kit.ts";

const whole = Number.MAX_SAFE_INTEGER;

/** Packs, their live bytes, and moving extents from one to another. */
export function packContract(name: string, factory: Factory): void {
  describe(`${name}: packs`, () => {
    let subject: Subject;
    let file: FileId;
    const others: FileId[] = [];
    beforeEach(async () => {
      others.length = 0;
      subject = await factory();
      await makeRoot(subject.store);
      file = await create(subject.store, "f");
    });
    afterEach(async () => {
      await checkCounters(subject.store, [rootId, file, ...others]);
      await subject.dispose();
    });

    test("a pack is put, put again and deleted; live is the store's own", async () => {
      const { store } = subject;
      const id = store.draw() as PackId;
      const pending = pack(id, { state: PackState.pending, size: 0, frames: new Uint8Array(0), live: 999 });
      await must(store, { do: "putPack", pack: pending });
      expect(await store.pack(id)).toEqual({ ...pending, live: 0 });
      const frames = Uint8Array.from({ length: 1024 }, (_, i) => i);
      const put = pack(id, { size: 2 ** 40, frames, since: later(5, 999_999_999) });
      await must(store, { do: "putPack", pack: put }, content(file, 1, 10, [extent(0, 10, id)]));
      expect(await store.pack(id)).toEqual({ ...put, live: 10 });
      await must(store, { do: "putPack", pack: { ...put, state: PackState.doomed, live: 0 } });
      expect(await store.pack(id)).toEqual({ ...put, state: PackState.doomed, live: 10 });
      await must(store, content(file, 2, 0, [], { cutTo: 0 }));
      await must(store, { do: "deletePack", id });
      expect(await store.pack(id)).toBeNull();
      await must(store, { do: "deletePack", id });
    });

    test("a pack that extents refer to is not deleted", async () => {
      const { store } = subject;
      const id = await putPack(store);
      await must(store, content(file, 1, 10, [extent(0, 10, id)]));
      const before = await everything(store, [file]);
      await expect(store.apply({ conditions: [], changes: [{ do: "deletePack", id }] })).rejects.toThrow();
      expect(await everything(store, [file])).toEqual(before);
    });

    test("packs in order of their ids, page by page", async () => {
      const { store } = subject;
      const ids: PackId[] = [];
      for (let i = 0; i < 5; i++) ids.push(await putPack(store));
      expect((await store.packs(0, 2)).map((p) => p.id)).toEqual(ids.slice(0, 2));
      expect((await store.packs(ids[1] as number, 10)).map((p) => p.id)).toEqual(ids.slice(2));
      expect(await store.packs(ids[4] as number, 10)).toEqual([]);
    });

    test("the extents of a pack, with their files", async () => {
      const { store } = subject;
      const other = await create(store, "g");
      others.push(other);
      const p = await putPack(store);
      const q = await putPack(store);
      await must(store, content(file, 1, 100, [extent(0, 10, p, 5), extent(10, 10, q), extent(30, 10, p, 15)]));
      await must(store, content(other, 1, 100, [extent(7, 3, p, 50)]));
      const found = [...(await store.extentsOfPack(p, 10))].sort((a, b) => a.extent.packOffset - b.extent.packOffset);
      expect(found).toEqual([
        { file, extent: extent(0, 10, p, 5) },
        { file, extent: extent(30, 10, p, 15) },
        { file: other, extent: extent(7, 3, p, 50) },
      ]);
      expect(await store.extentsOfPack(p, 2)).toHaveLength(2);
      expect(await store.extentsOfPack(2 ** 40 as PackId, 2)).toEqual([]);
      await must(store, content(other, 2, 0, [], { cutTo: 0 }));
      expect(await store.extentsOfPack(p, 10)).toHaveLength(2);
    });

    test("an extent moves: whole, what is left of it, a part of it; and not what came since", async () => {
      const { store } = subject;
      const p = await putPack(store);
      const q = await putPack(store);
      const r = await putPack(store);
      await must(store, content(file, 1, 100, [extent(0, 100, p, 1000)]));
      const before = await inodeOf(store, file);

      expect(await must(store, { do: "moveExtent", file, from: extent(0, 100, p, 1000), to: extent(0, 100, q, 7) })).toEqual([]);
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 100, q, 7)]);
      expect(await inodeOf(store, file)).toEqual(before);
      expect((await store.packs(0, 10)).map((x) => x.live)).toEqual([0, 100, 0]);

      // Overwritten in the middle since: the two ends move.
      await must(store, content(file, 2, 100, [extent(40, 20, r, 0)]));
      await must(store, { do: "moveExtent", file, from: extent(0, 100, q, 7), to: extent(0, 100, p, 500) });
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 40, p, 500), extent(40, 20, r, 0), extent(60, 40, p, 560)]);

      // A part of a stored extent moves alone.
      await must(store, { do: "moveExtent", file, from: extent(10, 10, p, 510), to: extent(10, 10, q, 0) });
      expect(await store.extents(file, 0, 40, 10)).toEqual([extent(0, 10, p, 500), extent(10, 10, q, 0), extent(20, 20, p, 520)]);

      // The same pack at another place is something else.
      const now = await everything(store, [file]);
      await must(store, { do: "moveExtent", file, from: extent(0, 10, p, 501), to: extent(0, 10, r, 0) });
      await must(store, { do: "moveExtent", file, from: extent(0, 10, r, 500), to: extent(0, 10, p, 0) });
      await must(store, { do: "moveExtent", file: 2 ** 40 as FileId, from: extent(0, 10, p, 500), to: extent(0, 10, r, 0) });
      expect(await everything(store, [file])).toEqual(now);
    });

    test("an orphan's extents move too, so that its pack can go", async () => {
      const { store } = subject;
      const p = await putPack(store);
      const q = await putPack(store);
      await must(store, content(file, 1, 100, [extent(0, 100, p)]));
      await must(store, { do: "deleteDirent", parent: rootId, name: "f" }, { do: "addLinks", id: file, delta: -1, at });
      await must(store, { do: "moveExtent", file, from: extent(0, 100, p), to: extent(0, 100, q, 4) }, { do: "deletePack", id: p });
      expect(await store.extents(file, 0, whole, 10)).toEqual([extent(0, 100, q, 4)]);
      expect(await store.pack(p)).toBeNull();
    });

    test("more pieces than are looked at together move all the same", async () => {
      const { store } = subject;
      const p = await putPack(store);
      const q = await putPack(store);
      const r = await putPack(store);
      await must(store, content(file, 1, 10_000, [extent(0, 10_000, p)]));
      await must(store, content(file, 2, 10_000, Array.from({ length: 200 }, (_, i) => extent(i * 50 + 10, 5, q, i))));
      await must(store, { do: "moveExtent", file, from: extent(0, 10_000, p), to: extent(0, 10_000, r, 100) });
      expect((await store.packs(0, 10)).map((x) => x.live)).toEqual([0, 1000, 9000]);
      const stored = await store.extents(file, 0, whole, 1000);
      expect(stored).toHaveLength(401);
      for (const e of stored) if (e.pack === r) expect(e.packOffset).toBe(e.offset + 100);
    });
  });
}
