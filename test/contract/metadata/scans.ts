import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { foldColumn } from "#model/fold-key.ts";
import type { Dirent, Inode } from "#model/inode.ts";
import { type FileId, type PackId, rootId } from "#model/ids.ts";
import { type FileExtent, type ScannedDirent, type ScansTables, scansOf } from "#model/metadata-store.ts";
import { type Factory, type Subject, checkCounters, content, create, everything, extent, inodeOf, makeRoot, mkdir, must, newFile, createChanges, pack, putPack } from "./kit.ts";

const least = Number.MIN_SAFE_INTEGER;

async function allInodes(scans: ScansTables, limit: number, between: () => Promise<void> = async () => {}): Promise<Inode[]> {
  const all: Inode[] = [];
  for (let after = least; ; ) {
    const page = await scans.scanInodes(after, limit);
    all.push(...page);
    if (page.length < limit) return all;
    after = (page.at(-1) as Inode).id;
    await between();
  }
}

async function allDirents(scans: ScansTables, limit: number): Promise<ScannedDirent[]> {
  const all: ScannedDirent[] = [];
  for (let parent = least, cookie = 0; ; ) {
    const page = await scans.scanDirents(parent, cookie, limit);
    all.push(...page);
    if (page.length < limit) return all;
    ({ parent, cookie } = page.at(-1) as Dirent);
  }
}

async function allExtents(scans: ScansTables, limit: number): Promise<FileExtent[]> {
  const all: FileExtent[] = [];
  for (let file = least, offset = 0; ; ) {
    const page = await scans.scanExtents(file, offset, limit);
    all.push(...page);
    if (page.length < limit) return all;
    const last = page.at(-1) as FileExtent;
    file = last.file;
    offset = last.extent.offset;
  }
}

/** Whole tables in pages, and counting anew what is kept by deltas. */
export function scanContract(name: string, factory: Factory): void {
  describe(`${name}: scans`, () => {
    let subject: Subject;
    let scans: ScansTables;
    let packId: PackId;
    const ids: FileId[] = [];
    beforeEach(async () => {
      ids.length = 0;
      subject = await factory();
      const { store } = subject;
      scans = scansOf(store) as ScansTables;
      await makeRoot(store);
      ids.push(rootId);
      packId = await putPack(store);
      for (let i = 0; i < 3; i++) {
        const directory = await mkdir(store, `d${i}`);
        ids.push(directory);
        for (let j = 0; j < 4; j++) {
          const file = newFile(store.draw());
          await must(store, ...createChanges(directory, `${j === 1 ? "F" : "f"}${3 - j}`, file), content(file.id, 1, 300, [extent(0, 100, packId, 300 * i), extent(200, 100, packId, 300 * i + 100)]));
          ids.push(file.id);
        }
      }
    });
    afterEach(async () => {
      await checkCounters(subject.store, ids);
      await subject.dispose();
    });

    test("every row once, in the order of its key, however long a page is", async () => {
      const { store } = subject;
      for (const limit of [1, 2, 5, 1000]) {
        const inodes = await allInodes(scans, limit);
        expect(inodes.map((inode) => inode.id)).toEqual([...ids].sort((a, b) => a - b));
        for (const inode of inodes) expect(inode).toEqual(await inodeOf(store, inode.id));
        const dirents = await allDirents(scans, limit);
        const listed: ScannedDirent[] = [];
        for (const id of ids) for (const one of await store.directory(id, 0, 1000)) listed.push({ ...one, folded: foldColumn(one.name) });
        expect(dirents).toEqual(listed.sort((a, b) => a.parent - b.parent || a.cookie - b.cookie));
        const extents = await allExtents(scans, limit);
        const stored: FileExtent[] = [];
        for (const file of [...ids].sort((a, b) => a - b)) for (const one of await store.extents(file, 0, Number.MAX_SAFE_INTEGER, 1000)) stored.push({ file, extent: one });
        expect(extents).toEqual(stored);
      }
    });

    test("a page begins behind what it is told, whether that is there or not", async () => {
      const [, second] = await scans.scanInodes(least, 2);
      expect((await scans.scanInodes((second as Inode).id - 1, 1))[0]).toEqual(second as Inode);
      expect((await scans.scanInodes((second as Inode).id, 1))[0]?.id).toBeGreaterThan((second as Inode).id);
      expect(await scans.scanInodes(Number.MAX_SAFE_INTEGER, 5)).toEqual([]);
      expect(await scans.scanDirents(Number.MAX_SAFE_INTEGER, 0, 5)).toEqual([]);
      expect(await scans.scanExtents(Number.MAX_SAFE_INTEGER, 0, 5)).toEqual([]);
      expect(await scans.scanXattrs(Number.MAX_SAFE_INTEGER, "", 5)).toEqual([]);
      const file = ids.at(-1) as FileId;
      expect((await scans.scanExtents(file, 50, 5)).map((e) => e.extent.offset)).toEqual([200]);
    });

    test("what comes and goes between two pages neither skips nor repeats the rest", async () => {
      const { store } = subject;
      const before = [...ids];
      const seen = await allInodes(scans, 2, async () => {
        ids.push(await create(store, `new${ids.length}`));
        if (ids.length > 60) throw new Error("a scan that never ends");
        if (ids.length === before.length + 2) {
          const gone = newFile(store.draw());
          await must(store, ...createChanges(rootId, "gone", gone));
          await must(store, { do: "deleteDirent", parent: rootId, name: "gone" }, { do: "addLinks", id: gone.id, delta: -1, at: gone.ctime }, { do: "freeOrphan", id: gone.id, extentsMax: 1 });
        }
        if (ids.length > before.length + 12) throw new Error("enough");
      }).catch(async (error: Error) => {
        expect(error.message).toBe("enough");
        return await allInodes(scans, 1000);
      });
      expect(seen.filter((inode) => before.includes(inode.id)).map((inode) => inode.id)).toEqual(before.sort((a, b) => a - b));
      expect(new Set(seen.map((inode) => inode.id)).size).toBe(seen.length);
    });

    test("counting anew changes nothing where the figures are right, also within a set that changes them", async () => {
      const { store } = subject;
      const before = await everything(store, ids);
      for (const id of ids) await must(store, { do: "recountInode", id });
      await must(store, { do: "recountPack", id: packId }, { do: "recountUsage" });
      await must(store, { do: "recountInode", id: 999_999 as FileId }, { do: "recountPack", id: 999_998 as PackId });
      expect(await everything(store, ids)).toEqual(before);
      const file = newFile(store.draw());
      ids.push(file.id);
      const other = pack(store.draw());
      await Promise.all([
        must(store, { do: "putPack", pack: other }, { do: "recountUsage" }, ...createChanges(rootId, "n", file)),
        must(store, content(file.id, 1, 50, [extent(0, 50, other.id)]), { do: "recountPack", id: other.id }, { do: "recountInode", id: file.id }, { do: "recountUsage" }),
        must(store, { do: "deleteDirent", parent: rootId, name: "n" }, { do: "addLinks", id: file.id, delta: -1, at: file.ctime }, { do: "recountInode", id: file.id }),
        must(store, { do: "recountUsage" }),
      ]);
    });
  });
}
