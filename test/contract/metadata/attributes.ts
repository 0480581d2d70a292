import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Condition } from "#model/change-set.ts";
import { foldKey } from "#model/fold-key.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { Xattr } from "#model/inode.ts";
import { InodeFlag, streamsOf, xattrBytesMax } from "#model/inode-flags.ts";
import { foldingMax, type ScansTables, scansOf } from "#model/metadata-store.ts";
import { apply, at, create, createChanges, type Factory, inodeOf, later, makeRoot, mkdir, must, names, newFile, type Subject } from "./kit.ts";

const bytes = (length: number, first = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (first + i) & 255);
const plain = (rows: readonly Xattr[]): readonly (readonly [number, string, readonly number[]])[] => rows.map(({ id, name, value }) => [id, name, [...value]]);

/** Flags, birth, extended attributes, streams, and names whose case doesn't count. */
export function attributeContract(name: string, factory: Factory): void {
  describe(`${name}: attributes and folded names`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await factory();
      await makeRoot(subject.store);
    });
    afterEach(() => subject.dispose());

    async function verdict(condition: Condition): Promise<boolean> {
      return (await apply(subject.store, [condition], [])).applied;
    }
    const folding = async (parent: FileId, of: string): Promise<string[]> => (await subject.store.direntsFolding(parent, foldKey(of))).map((one) => one.name);

    test("an extended attribute comes, changes and goes: ctime, attribute version and flag with it", async () => {
      const { store } = subject;
      const file = await create(store, "f");
      const before = await inodeOf(store, file);
      expect(await store.xattr(file, "security")).toBeNull();
      await must(store, { do: "setXattr", id: file, name: "security", value: bytes(300), at: later(1) });
      const set = await inodeOf(store, file);
      expect(set).toMatchObject({ flags: InodeFlag.hasSecurity, attributeVersion: before.attributeVersion + 1, ctime: later(1) });
      expect(set.change).toBeGreaterThan(before.change);
      await must(store, { do: "setXattr", id: file, name: "ea", value: bytes(0), at }, { do: "setXattr", id: file, name: "security", value: bytes(2, 9), at }, { do: "setXattr", id: file, name: "other", value: bytes(1), at });
      expect(plain(await store.xattrs(file))).toEqual([[file, "ea", []], [file, "other", [1]], [file, "security", [9, 10]]]);
      expect([...((await store.xattr(file, "security")) as Uint8Array)]).toEqual([9, 10]);
      await must(store, { do: "setXattr", id: file, name: "security", value: null, at }, { do: "setXattr", id: file, name: "other", value: null, at }, { do: "setXattr", id: file, name: "never", value: null, at });
      // That there may be attributes of other names is not taken back.
      expect((await inodeOf(store, file)).flags).toBe(InodeFlag.hasEas | InodeFlag.hasXattrs);
      expect(plain(await store.xattrs(file))).toEqual([[file, "ea", []]]);
    });

    test("attributes come with their inode, are as long as may be, survive and go with it", async () => {
      const { store } = subject;
      const file = newFile(store.draw());
      const long = bytes(xattrBytesMax);
      await must(store, ...createChanges(rootId, "f", file), { do: "setXattr", id: file.id, name: "ea", value: long, at }, { do: "setXattr", id: file.id, name: "reparse", value: bytes(5), at });
      await subject.reopen?.();
      expect(Buffer.compare((await subject.store.xattr(file.id, "ea")) as Uint8Array, long)).toBe(0);
      expect((await inodeOf(subject.store, file.id)).flags).toBe(InodeFlag.hasEas | InodeFlag.reparse);
      await must(subject.store, { do: "deleteDirent", parent: rootId, name: "f" }, { do: "addLinks", id: file.id, delta: -1, at }, { do: "freeOrphan", id: file.id, extentsMax: 1 });
      expect(await subject.store.xattrs(file.id)).toEqual([]);
      expect(await (scansOf(subject.store) as ScansTables).scanXattrs(Number.MIN_SAFE_INTEGER, "", 10)).toEqual([]);
    });

    test("a set that is refused, or throws, leaves no attribute behind", async () => {
      const { store } = subject;
      const file = await create(store, "f");
      await must(store, { do: "setXattr", id: file, name: "ea", value: bytes(1), at });
      const nobody = 2 ** 40 as FileId;
      expect((await apply(store, [{ is: "live", id: nobody }], [{ do: "setXattr", id: file, name: "ea", value: null, at }])).applied).toBe(false);
      const failing = apply(store, [], [{ do: "setXattr", id: file, name: "ea", value: bytes(9), at }, { do: "setXattr", id: file, name: "security", value: bytes(9), at }, { do: "setAttributes", id: nobody, at }]);
      expect(await failing.then(() => "applied", () => "threw")).toBe("threw");
      expect(plain(await store.xattrs(file))).toEqual([[file, "ea", [1]]]);
      expect((await inodeOf(store, file)).flags).toBe(InodeFlag.hasEas);
    });

    test("attributes of all inodes in pages, however long a page is", async () => {
      const { store } = subject;
      const scans = scansOf(store) as ScansTables;
      const expected: (readonly [number, string, readonly number[]])[] = [];
      for (let i = 0; i < 4; i++) {
        const file = await create(store, `f${i}`);
        for (const one of ["a", "b"].slice(0, 1 + (i % 2))) {
          await must(store, { do: "setXattr", id: file, name: one, value: bytes(i), at });
          expected.push([file, one, [...bytes(i)]]);
        }
      }
      for (const limit of [1, 2, 3, 100]) {
        const all: Xattr[] = [];
        for (let id = Number.MIN_SAFE_INTEGER, last = ""; ; ) {
          const page = await scans.scanXattrs(id, last, limit);
          all.push(...page);
          if (page.length < limit) break;
          ({ id, name: last } = page.at(-1) as Xattr);
        }
        expect(plain(all)).toEqual(expected);
      }
    });

    test("flags are set and cleared bit by bit, birth is set; both survive", async () => {
      const { store } = subject;
      const file = await create(store, "f", { flags: 0x20 });
      await must(store, { do: "setXattr", id: file, name: "ea", value: bytes(1), at });
      await must(store, { do: "setAttributes", id: file, at, flags: { clear: InodeFlag.dosMask, set: InodeFlag.dosSet | 3 }, birth: later(-500, 7) });
      await must(store, { do: "setAttributes", id: file, at, flags: { clear: 0, set: InodeFlag.hasStreams } });
      await subject.reopen?.();
      const stored = await inodeOf(subject.store, file);
      expect(stored.flags).toBe(3 | InodeFlag.dosSet | InodeFlag.hasStreams | InodeFlag.hasEas);
      expect(stored.birth).toEqual(later(-500, 7));
      const forged = apply(subject.store, [], [{ do: "setAttributes", id: file, at, flags: { clear: 0, set: InodeFlag.hasSecurity } }]);
      expect(await forged.then(() => "applied", () => "threw")).toBe("threw");
    });

    test("streams have names of their own beside a directory's entries", async () => {
      const { store } = subject;
      const directory = await mkdir(store, "d");
      const stream = newFile(store.draw(), { parent: directory });
      await must(store, { do: "insertInode", inode: stream }, { do: "insertDirent", parent: streamsOf(directory), name: "S", child: stream.id }, { do: "setAttributes", id: directory, at, flags: { clear: 0, set: InodeFlag.hasStreams } });
      expect(await names(store, directory)).toEqual([]);
      expect(await names(store, streamsOf(directory))).toEqual(["S"]);
      expect(await verdict({ is: "directoryEmpty", id: directory })).toBe(true);
      expect(await verdict({ is: "direntAbsent", parent: directory, name: "S" })).toBe(true);
      expect(await folding(streamsOf(directory), "s")).toEqual(["S"]);
      expect((await store.dirent(streamsOf(directory), "S"))?.child).toBe(stream.id);
      await subject.reopen?.();
      expect(await names(subject.store, streamsOf(directory))).toEqual(["S"]);
    });

    test("streamless, links", async () => {
      const { store } = subject;
      const file = await create(store, "f");
      expect([await verdict({ is: "streamless", id: file }), await verdict({ is: "links", id: file, links: 1 }), await verdict({ is: "links", id: file, links: 2 })]).toEqual([true, true, false]);
      await must(store, { do: "setAttributes", id: file, at, flags: { clear: 0, set: InodeFlag.hasStreams } });
      expect(await verdict({ is: "streamless", id: file })).toBe(false);
      const nobody = 2 ** 40 as FileId;
      expect([await verdict({ is: "streamless", id: nobody }), await verdict({ is: "links", id: nobody, links: 0 })]).toEqual([false, false]);
    });

    test("names are found by their key, in the order of their making, also after they moved and went", async () => {
      const { store } = subject;
      for (const one of ["readme", "README", "ReadMe", "other", "Straße", "ÉTÉ", "été", "\u{1f600}X"]) await create(store, one);
      expect(await folding(rootId, "rEADME")).toEqual(["readme", "README", "ReadMe"]);
      expect(await folding(rootId, "OTHER")).toEqual(["other"]);
      expect(await folding(rootId, "straße")).toEqual(["Straße"]);
      expect(await folding(rootId, "STRASSE")).toEqual([]);
      expect(await folding(rootId, "Été")).toEqual(["ÉTÉ", "été"]);
      expect(await folding(rootId, "\u{1f600}x")).toEqual(["\u{1f600}X"]);
      expect(await folding(await mkdir(store, "d"), "readme")).toEqual([]);
      await must(store, { do: "deleteDirent", parent: rootId, name: "README" });
      const child = (await store.dirent(rootId, "ReadMe"))?.child as FileId;
      await must(store, { do: "deleteDirent", parent: rootId, name: "ReadMe" }, { do: "insertDirent", parent: rootId, name: "rEADme", child });
      expect(await folding(rootId, "readme")).toEqual(["readme", "rEADme"]);
      await subject.reopen?.();
      expect(await folding(rootId, "README")).toEqual(["readme", "rEADme"]);
    });

    test("foldAbsent", async () => {
      const { store } = subject;
      const empty = await mkdir(store, "empty");
      await create(store, "Foo");
      const absent = (of: string, except: string | null = null, parent: FileId = rootId): Promise<boolean> => verdict({ is: "foldAbsent", parent, name: of, except });
      expect([await absent("bar"), await absent("foo"), await absent("FOO"), await absent("Foo"), await absent("foo", null, empty)]).toEqual([true, false, false, false, true]);
      expect([await absent("foo", "Foo"), await absent("Foo", "Foo"), await absent("foo", "foo")]).toEqual([true, true, false]);
      await create(store, "foo");
      expect([await absent("FOO", "Foo"), await absent("FOO", "foo"), await absent("FOO")]).toEqual([false, false, false]);
      await must(store, { do: "deleteDirent", parent: rootId, name: "Foo" }, { do: "deleteDirent", parent: rootId, name: "foo" });
      expect(await absent("FOO")).toBe(true);
    });

    test("two sets of one turn see each other's folds, and one that is refused leaves none", async () => {
      const { store } = subject;
      const make = (of: string) => apply(store, [{ is: "foldAbsent", parent: rootId, name: of, except: null }], createChanges(rootId, of, newFile(store.draw())));
      expect((await Promise.all(["Foo", "FOO", "bar", "foo", "Bar"].map(make))).map((result) => result.applied)).toEqual([true, false, true, false, false]);
      expect(await folding(rootId, "foo")).toEqual(["Foo"]);
    });

    test("names of one fold beyond number", async () => {
      const { store } = subject;
      const spelled = (n: number): string => [..."abcdefgh"].map((letter, i) => ((n >> i) & 1) === 1 ? letter.toUpperCase() : letter).join("");
      for (let n = 0; n < foldingMax + 20; n++) await create(store, spelled(n));
      const found = await folding(rootId, "ABCDEFGH");
      expect(found.length).toBe(foldingMax);
      expect(new Set(found).size).toBe(foldingMax);
      expect(await verdict({ is: "foldAbsent", parent: rootId, name: "ABCDEFGH", except: spelled(0) })).toBe(false);
      for (let n = 0; n < foldingMax + 19; n++) await must(store, { do: "deleteDirent", parent: rootId, name: spelled(n) });
      expect(await folding(rootId, "abcdefgh")).toEqual([spelled(foldingMax + 19)]);
    });
  });
}
