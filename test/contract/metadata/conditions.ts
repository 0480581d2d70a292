import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Change, Condition } from "#model/change-set.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { type Factory, type Subject, apply, at, create, createChanges, everything, inodeOf, later, makeRoot, mkdir, must, newFile } from "./kit.ts";

/** Each condition, held and broken, and that a refused set leaves nothing behind. */
export function conditionContract(name: string, factory: Factory): void {
  describe(`${name}: conditions`, () => {
    let subject: Subject;
    let file: FileId;
    let orphan: FileId;
    let empty: FileId;
    let full: FileId;
    const heard: unknown[] = [];
    const nobody = 2 ** 40 as FileId;

    beforeEach(async () => {
      subject = await factory();
      const { store } = subject;
      store.onApplied((set) => heard.push(set));
      await makeRoot(store);
      file = await create(store, "file");
      orphan = await create(store, "orphan");
      await must(store, { do: "deleteDirent", parent: rootId, name: "orphan" }, { do: "addLinks", id: orphan, delta: -1, at });
      empty = await mkdir(store, "empty");
      full = await mkdir(store, "full");
      await must(store, ...createChanges(full, "inside", newFile(store.draw())));
    });
    afterEach(() => subject.dispose());

    async function verdict(condition: Condition): Promise<boolean> {
      const result = await apply(subject.store, [condition], []);
      if (!result.applied) expect(result.failed).toBe(condition);
      return result.applied;
    }

    test("direntAbsent", async () => {
      expect(await verdict({ is: "direntAbsent", parent: rootId, name: "other" })).toBe(true);
      expect(await verdict({ is: "direntAbsent", parent: empty, name: "file" })).toBe(true);
      expect(await verdict({ is: "direntAbsent", parent: rootId, name: "file" })).toBe(false);
      expect(await verdict({ is: "direntAbsent", parent: rootId, name: "FILE" })).toBe(true);
    });

    test("direntRefersTo", async () => {
      expect(await verdict({ is: "direntRefersTo", parent: rootId, name: "file", child: file })).toBe(true);
      expect(await verdict({ is: "direntRefersTo", parent: rootId, name: "file", child: empty })).toBe(false);
      expect(await verdict({ is: "direntRefersTo", parent: rootId, name: "other", child: file })).toBe(false);
    });

    test("live", async () => {
      expect(await verdict({ is: "live", id: file })).toBe(true);
      expect(await verdict({ is: "live", id: orphan })).toBe(false);
      expect(await verdict({ is: "live", id: nobody })).toBe(false);
    });

    test("directoryEmpty", async () => {
      expect(await verdict({ is: "directoryEmpty", id: empty })).toBe(true);
      expect(await verdict({ is: "directoryEmpty", id: full })).toBe(false);
    });

    test("attributeVersion", async () => {
      const { attributeVersion } = await inodeOf(subject.store, file);
      expect(await verdict({ is: "attributeVersion", id: file, version: attributeVersion })).toBe(true);
      expect(await verdict({ is: "attributeVersion", id: file, version: attributeVersion + 1 })).toBe(false);
      expect(await verdict({ is: "attributeVersion", id: nobody, version: 0 })).toBe(false);
    });

    test("changeTime", async () => {
      const { ctime } = await inodeOf(subject.store, file);
      expect(await verdict({ is: "changeTime", id: file, ctime })).toBe(true);
      expect(await verdict({ is: "changeTime", id: file, ctime: later(1) })).toBe(false);
      expect(await verdict({ is: "changeTime", id: nobody, ctime })).toBe(false);
    });

    test("treeVersion", async () => {
      const version = await subject.store.treeVersion();
      expect(await verdict({ is: "treeVersion", version })).toBe(true);
      await must(subject.store, { do: "raiseTreeVersion" });
      expect(await verdict({ is: "treeVersion", version })).toBe(false);
      expect(await verdict({ is: "treeVersion", version: version + 1 })).toBe(true);
    });

    test("the first condition that fails is the one told", async () => {
      const first: Condition = { is: "live", id: orphan };
      const result = await apply(subject.store, [{ is: "live", id: file }, first, { is: "live", id: nobody }], []);
      expect(result).toEqual({ applied: false, failed: first });
    });

    test("a refused set leaves no trace, whatever it would have changed", async () => {
      const { store } = subject;
      const ids = [rootId, file, orphan, empty, full];
      heard.length = 0;
      const before = await everything(store, ids);
      const id = store.draw() as FileId;
      const changes: Change[] = [
        ...createChanges(rootId, "new", newFile(id)),
        { do: "deleteDirent", parent: rootId, name: "file" },
        { do: "addLinks", id: file, delta: -1, at: later(9) },
        { do: "setAttributes", id: empty, at: later(9), mode: 0 },
        { do: "freeOrphan", id: orphan, extentsMax: 10 },
        { do: "raiseTreeVersion" },
      ];
      const result = await apply(store, [{ is: "live", id: file }, { is: "directoryEmpty", id: full }], changes);
      expect(result.applied).toBe(false);
      expect(await everything(store, [...ids])).toEqual(before);
      expect(await store.inode(id)).toBeNull();
      expect(heard).toEqual([]);
    });

    test("conditions see the sets before them, not the changes beside them", async () => {
      const { store } = subject;
      const id = store.draw();
      const absent: Condition = { is: "direntAbsent", parent: rootId, name: "twice" };
      const [one, two] = await Promise.all([
        apply(store, [absent], createChanges(rootId, "twice", newFile(id))),
        apply(store, [absent], createChanges(rootId, "twice", newFile(store.draw()))),
      ]);
      expect(one.applied).toBe(true);
      expect(two).toEqual({ applied: false, failed: absent });
      expect((await store.dirent(rootId, "twice"))?.child).toBe(id as FileId);
    });
  });
}
