import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type FileId, rootId } from "#model/ids.ts";
import { type Factory, type Subject, at, checkCounters, content, create, everything, extent, makeRoot, mkdir, must, pack, putPack } from "./kit.ts";

/** What outlives a close and a crash. */
export function persistenceContract(name: string, factory: Factory): void {
  describe(`${name}: persistence`, () => {
    let subject: Subject;
    const ids: FileId[] = [];
    beforeEach(async () => {
      subject = await factory();
      const { store } = subject;
      await makeRoot(store);
      const p = await putPack(store);
      const file = await create(store, "file", { createVerifier: new Uint8Array(8).fill(3) });
      const gone = await create(store, "gone");
      const directory = await mkdir(store, "directory");
      await must(store, content(file, 9, 1000, [extent(0, 10, p), extent(500, 20, p)]));
      await must(store, content(gone, 10, 1000, [extent(0, 10, p)]));
      await must(store, { do: "deleteDirent", parent: rootId, name: "gone" }, { do: "addLinks", id: gone, delta: -1, at });
      await must(store, { do: "putPack", pack: pack(store.draw(), { frames: new Uint8Array(0) }) }, { do: "raiseTreeVersion" });
      ids.splice(0, ids.length, rootId, file, gone, directory);
    });
    afterEach(() => subject.dispose());

    for (const how of ["reopen", "crash"] as const) {
      test(`${how}: everything is there, the identity too, and goes on`, async () => {
        const before = await everything(subject.store, ids);
        const identity = subject.store.identity;
        expect(identity.instance).toHaveLength(8);
        expect(identity.handleKey).toHaveLength(32);
        await subject[how]?.();
        expect(await everything(subject.store, ids)).toEqual(before);
        expect(subject.store.identity).toEqual(identity);
        await checkCounters(subject.store, ids);
        await create(subject.store, "more");
        await subject[how]?.();
        expect(await subject.store.dirent(rootId, "more")).not.toBeNull();
      });

      test(`${how}: no number comes again`, async () => {
        let highest = 0;
        const raise = (n: number): void => {
          expect(n).toBeGreaterThan(highest);
          highest = n;
        };
        for (let round = 0; round < 4; round++) {
          for (let i = 0; i < 10; i++) raise(subject.store.draw());
          const id = await create(subject.store, `f${round}`);
          raise((await subject.store.dirent(rootId, `f${round}`))?.cookie ?? 0);
          raise((await subject.store.inode(id))?.change ?? 0);
          highest = Math.max(highest, (await subject.store.inode(rootId))?.change ?? 0);
          // Numbers drawn without any set count as well.
          for (let i = 0; i < 5; i++) raise(subject.store.draw());
          await subject[how]?.();
        }
      });
    }

    test("two stores have different identities", async () => {
      const other = await factory();
      expect(other.store.identity.instance).not.toEqual(subject.store.identity.instance);
      expect(other.store.identity.handleKey).not.toEqual(subject.store.identity.handleKey);
      await other.dispose();
    });
  });
}
