import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import type { Change } from "#model/change-set.ts";
import { type FileId, firstDrawn, rootId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { type Factory, type Subject, at, checkCounters, create, createChanges, everything, inodeOf, later, makeRoot, mkdir, must, newFile } from "./kit.ts";

/** Each change of names and attributes, what it touches and what it leaves alone. */
export function changeContract(name: string, factory: Factory): void {
  describe(`${name}: changes`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await factory();
      await makeRoot(subject.store);
    });
    afterEach(() => subject.dispose());

    test("the sequence begins above the fixed ids", () => {
      expect(subject.store.draw()).toBeGreaterThanOrEqual(firstDrawn);
    });

    test("insertInode keeps every column and draws a change number", async () => {
      const { store } = subject;
      const id = store.draw();
      const inode = newFile(id, {
        type: FileType.symlink,
        mode: 0o7777,
        links: 3,
        uid: 2 ** 32 - 1,
        gid: 2 ** 32 - 2,
        size: Number.MAX_SAFE_INTEGER,
        deviceMajor: 2 ** 32 - 3,
        deviceMinor: 2 ** 31,
        atime: new Time(2 ** 33 + 1, 999_999_999),
        mtime: new Time(-1, 1),
        ctime: new Time(2 ** 32 - 1, 123_456_789),
        birth: new Time(0, 0),
        attributeVersion: 7,
        contentSequence: 2 ** 52 + 1,
        mtimeSequence: 2 ** 40 + 1,
        parent: 5,
        generation: 2 ** 32 - 1,
        createVerifier: new Uint8Array([0, 1, 2, 3, 4, 5, 6, 255]),
        target: new Uint8Array([0xff, 0xfe, 0x2f]),
      });
      const [touched] = await must(store, { do: "insertInode", inode });
      const row = await inodeOf(store, id);
      expect(row.change).toBeGreaterThan(id);
      expect(row).toEqual(inode.with({ change: row.change }));
      expect(touched).toEqual({ id: id as FileId, before: null, after: row });
    });

    test("a create touches the file and its directory", async () => {
      const { store } = subject;
      const before = await inodeOf(store, rootId);
      const id = store.draw() as FileId;
      const touched = await must(store, ...createChanges(rootId, "näme-日本", newFile(id), later(3)));
      const root = await inodeOf(store, rootId);
      expect(await store.dirent(rootId, "näme-日本")).toMatchObject({ parent: rootId, name: "näme-日本", child: id });
      expect(root).toMatchObject({ mtime: later(3), ctime: later(3), atime: before.atime, links: before.links });
      expect(root.change).toBeGreaterThan(before.change);
      expect(root.attributeVersion).toBe(before.attributeVersion);
      expect(touched.map((t) => t.id).sort()).toEqual([rootId, id].sort());
      expect(touched.find((t) => t.id === rootId)).toEqual({ id: rootId, before, after: root });
    });

    test("times never stand still nor go back", async () => {
      const { store } = subject;
      await must(store, { do: "touchDirectory", id: rootId, at: later(5, 999_999_999), linksDelta: 0 });
      await must(store, { do: "touchDirectory", id: rootId, at: later(2), linksDelta: 0 });
      expect(await inodeOf(store, rootId)).toMatchObject({ mtime: later(6), ctime: later(6) });
      await must(
        store,
        { do: "touchDirectory", id: rootId, at: later(6), linksDelta: 0 },
        { do: "addLinks", id: rootId, delta: 0, at: later(6) },
      );
      expect(await inodeOf(store, rootId)).toMatchObject({ mtime: later(6, 1), ctime: later(6, 2) });
    });

    test("an mtime set into the future ends with the next entry that comes or goes", async () => {
      const { store } = subject;
      await must(store, { do: "setAttributes", id: rootId, at: later(1), mtime: later(1_000_000) });
      await must(store, { do: "touchDirectory", id: rootId, at: later(2), linksDelta: 0 });
      expect(await inodeOf(store, rootId)).toMatchObject({ mtime: later(2), ctime: later(2) });
    });

    test("an inode is touched once, however many changes of a set name it", async () => {
      const { store } = subject;
      const before = await inodeOf(store, rootId);
      const touched = await must(
        store,
        ...createChanges(rootId, "a", newFile(store.draw())),
        ...createChanges(rootId, "b", newFile(store.draw())),
      );
      const ofRoot = touched.filter((t) => t.id === rootId);
      expect(ofRoot).toEqual([{ id: rootId, before, after: await inodeOf(store, rootId) }]);
      expect(touched).toHaveLength(3);
    });

    test("links: a subdirectory counts, a hard link counts, the last one makes an orphan", async () => {
      const { store } = subject;
      const directory = await mkdir(store, "d");
      expect((await inodeOf(store, rootId)).links).toBe(3);
      const file = await create(store, "f");
      await must(
        store,
        { do: "insertDirent", parent: directory, name: "g", child: file },
        { do: "addLinks", id: file, delta: 1, at: later(1) },
      );
      expect(await inodeOf(store, file)).toMatchObject({ links: 2, ctime: later(1), mtime: at });
      await must(store, { do: "deleteDirent", parent: rootId, name: "f" }, { do: "addLinks", id: file, delta: -1, at: later(2) });
      expect(await store.orphans(0, 10)).toEqual([]);
      await must(store, { do: "deleteDirent", parent: directory, name: "g" }, { do: "addLinks", id: file, delta: -1, at: later(3) });
      expect(await store.orphans(0, 10)).toEqual([file]);
      expect((await inodeOf(store, file)).links).toBe(0);
      await must(
        store,
        { do: "deleteDirent", parent: rootId, name: "d" },
        { do: "addLinks", id: directory, delta: Number.NEGATIVE_INFINITY, at },
        { do: "touchDirectory", id: rootId, at, linksDelta: -1 },
      );
      expect((await inodeOf(store, rootId)).links).toBe(2);
      expect(await store.orphans(0, 10)).toEqual([file, directory].sort((a, b) => a - b));
      expect(await store.orphans(Math.min(file, directory), 10)).toEqual([Math.max(file, directory) as FileId]);
      expect(await store.orphans(0, 1)).toEqual([Math.min(file, directory) as FileId]);
      await checkCounters(store, [rootId, file, directory]);
    });

    test("an orphan without content is freed at once, a linked inode never", async () => {
      const { store } = subject;
      const file = await create(store, "f");
      expect(await must(store, { do: "freeOrphan", id: file, extentsMax: 1 })).toEqual([]);
      await must(store, { do: "deleteDirent", parent: rootId, name: "f" }, { do: "addLinks", id: file, delta: -1, at });
      const before = await inodeOf(store, file);
      expect(await must(store, { do: "freeOrphan", id: file, extentsMax: 1 })).toEqual([{ id: file, before, after: null }]);
      expect(await store.inode(file)).toBeNull();
      expect(await must(store, { do: "freeOrphan", id: file, extentsMax: 1 })).toEqual([]);
      await checkCounters(store, [rootId, file]);
    });

    test("an inode that a set inserts and another removes and frees leaves nothing", async () => {
      const { store } = subject;
      const id = store.draw() as FileId;
      await Promise.all([
        must(store, ...createChanges(rootId, "f", newFile(id))),
        must(store, { do: "deleteDirent", parent: rootId, name: "f" }, { do: "addLinks", id, delta: -1, at }),
        must(store, { do: "freeOrphan", id, extentsMax: 1 }),
      ]);
      expect(await store.inode(id)).toBeNull();
      expect(await store.dirent(rootId, "f")).toBeNull();
      await checkCounters(store, [rootId, id]);
    });

    test("a rename over a file, in one set", async () => {
      const { store } = subject;
      const from = await create(store, "from");
      const to = await create(store, "to");
      const touched = await must(
        store,
        { do: "deleteDirent", parent: rootId, name: "to" },
        { do: "addLinks", id: to, delta: -1, at: later(1) },
        { do: "deleteDirent", parent: rootId, name: "from" },
        { do: "insertDirent", parent: rootId, name: "to", child: from },
        { do: "addLinks", id: from, delta: 0, at: later(1) },
        { do: "touchDirectory", id: rootId, at: later(1), linksDelta: 0 },
      );
      expect(touched.map((t) => t.id).sort((a, b) => a - b)).toEqual([rootId, from, to]);
      expect((await store.dirent(rootId, "to"))?.child).toBe(from);
      expect(await store.dirent(rootId, "from")).toBeNull();
      expect(await inodeOf(store, from)).toMatchObject({ links: 1, ctime: later(1), mtime: at });
    });

    test("a directory moves to another parent", async () => {
      const { store } = subject;
      const a = await mkdir(store, "a");
      const b = await mkdir(store, "b");
      const version = await store.treeVersion();
      await must(
        store,
        { do: "deleteDirent", parent: rootId, name: "b" },
        { do: "insertDirent", parent: a, name: "b", child: b },
        { do: "setParent", id: b, parent: a },
        { do: "touchDirectory", id: rootId, at: later(1), linksDelta: -1 },
        { do: "touchDirectory", id: a, at: later(1), linksDelta: 1 },
        { do: "raiseTreeVersion" },
      );
      expect(await store.treeVersion()).toBe(version + 1);
      expect((await inodeOf(store, b)).parent).toBe(a);
      expect((await inodeOf(store, a)).links).toBe(3);
      expect((await inodeOf(store, rootId)).links).toBe(3);
    });

    test("setAttributes sets what it names and raises ctime, change and attribute version", async () => {
      const { store } = subject;
      const file = await create(store, "f", { createVerifier: new Uint8Array(8).fill(7) });
      const before = await inodeOf(store, file);
      await must(store, { do: "setAttributes", id: file, at: later(1), mode: 0o600 });
      const chmod = await inodeOf(store, file);
      expect({ ...chmod }).toEqual({
        ...before,
        mode: 0o600,
        ctime: later(1),
        change: chmod.change,
        attributeVersion: before.attributeVersion + 1,
      });
      expect(chmod.change).toBeGreaterThan(before.change);
      await must(store, {
        do: "setAttributes",
        id: file,
        at,
        uid: 0,
        gid: 0,
        atime: new Time(1, 2),
        mtime: new Time(3, 4),
        mtimeSequence: 55,
        createVerifier: null,
      });
      const rest = await inodeOf(store, file);
      expect({ ...rest }).toEqual({
        ...chmod,
        uid: 0,
        gid: 0,
        atime: new Time(1, 2),
        mtime: new Time(3, 4),
        mtimeSequence: 55,
        createVerifier: null,
        ctime: later(1, 1),
        change: rest.change,
        attributeVersion: chmod.attributeVersion + 1,
      });
      await must(store, { do: "setAttributes", id: file, at, createVerifier: new Uint8Array([9]) });
      expect((await inodeOf(store, file)).createVerifier).toEqual(new Uint8Array([9]));
    });

    test("setAccessTime sets atime alone", async () => {
      const { store } = subject;
      const file = await create(store, "f");
      const before = await inodeOf(store, file);
      const touched = await must(store, { do: "setAccessTime", id: file, atime: later(7, 8) });
      const after = await inodeOf(store, file);
      expect({ ...after }).toEqual({ ...before, atime: later(7, 8) });
      expect(touched).toEqual([{ id: file, before, after }]);
      expect(await must(store, { do: "setAccessTime", id: (2 ** 40) as FileId, atime: at })).toEqual([]);
    });

    test("a set that presumes what is not so is rejected and leaves no trace; those beside it are applied", async () => {
      const { store } = subject;
      const file = await create(store, "f");
      const absent = 2 ** 40 as FileId;
      const wrong: Change[] = [
        { do: "insertDirent", parent: rootId, name: "f", child: file },
        { do: "deleteDirent", parent: rootId, name: "nothing" },
        { do: "insertInode", inode: newFile(file) },
        { do: "touchDirectory", id: absent, at, linksDelta: 0 },
        { do: "addLinks", id: absent, delta: 1, at },
        { do: "setAttributes", id: absent, at },
        { do: "setParent", id: absent, parent: rootId },
      ];
      for (const [i, change] of wrong.entries()) {
        const ids = [rootId, file];
        const before = await everything(store, ids);
        const lost = store.draw() as FileId;
        const bad = store.apply({ conditions: [], changes: [...createChanges(rootId, "lost", newFile(lost)), { do: "raiseTreeVersion" }, change] });
        await expect(bad).rejects.toThrow();
        expect(await everything(store, ids)).toEqual(before);
        expect(await store.inode(lost)).toBeNull();

        const kept = [store.draw() as FileId, store.draw() as FileId];
        const [first, second, third] = await Promise.allSettled([
          must(store, ...createChanges(rootId, `kept-${i}-a`, newFile(kept[0] as FileId))),
          store.apply({ conditions: [], changes: [...createChanges(rootId, "lost", newFile(lost)), change] }),
          must(store, ...createChanges(rootId, `kept-${i}-b`, newFile(kept[1] as FileId))),
        ]);
        expect([first.status, second.status, third.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
        expect((await store.dirent(rootId, `kept-${i}-b`))?.child).toBe(kept[1] as FileId);
        expect(await store.dirent(rootId, "lost")).toBeNull();
        expect(await store.inode(lost)).toBeNull();
      }
    });
  });
}
