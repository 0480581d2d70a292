import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Cookie, type FileId, rootId } from "#model/ids.ts";
import { type Factory, type Subject, at, create, makeRoot, mkdir, must, names } from "./kit.ts";

/** Paging through directories by cookie. */
export function directoryContract(name: string, factory: Factory): void {
  describe(`${name}: directories`, () => {
    let subject: Subject;
    beforeEach(async () => {
      subject = await factory();
      await makeRoot(subject.store);
    });
    afterEach(() => subject.dispose());

    test("pages hold every entry once, in cookie order", async () => {
      const { store } = subject;
      const other = await mkdir(store, "other");
      const made: string[] = ["other"];
      for (let i = 0; i < 300; i++) made.push(`f${(i * 7919) % 1000}`);
      await Promise.all(made.slice(1).map((n) => create(store, n)));
      for (const limit of [1, 7, 64, 1000]) {
        const seen: string[] = [];
        let cookie: Cookie | 0 = 0;
        for (;;) {
          const page: readonly { name: string; cookie: Cookie; child: FileId; parent: FileId }[] = await store.directory(rootId, cookie, limit);
          expect(page.length).toBeLessThanOrEqual(limit);
          if (page.length === 0) break;
          for (const entry of page) {
            expect(entry.cookie).toBeGreaterThan(cookie);
            expect(entry.cookie).toBeGreaterThan(2);
            expect(entry.parent).toBe(rootId);
            expect(await store.dirent(rootId, entry.name)).toEqual(entry);
            cookie = entry.cookie;
            seen.push(entry.name);
          }
        }
        expect(seen.sort()).toEqual([...made].sort());
      }
      expect(await store.directory(other, 0, 10)).toEqual([]);
      expect(await store.directory(2 ** 40 as FileId, 0, 10)).toEqual([]);
    });

    test("an entry that stays is listed exactly once while others come and go", async () => {
      const { store } = subject;
      const stay = new Set<string>();
      for (let i = 0; i < 200; i++) {
        await create(store, `old${i}`);
        if (i % 2 === 0) stay.add(`old${i}`);
      }
      const seen = new Map<string, number>();
      const cookies = new Set<number>();
      let cookie: Cookie | 0 = 0;
      for (let round = 0; ; round++) {
        const page = await store.directory(rootId, cookie, 10);
        if (page.length === 0) break;
        for (const entry of page) {
          expect(cookies.has(entry.cookie)).toBe(false);
          cookies.add(entry.cookie);
          seen.set(entry.name, (seen.get(entry.name) ?? 0) + 1);
          cookie = entry.cookie;
        }
        // One of the odd ones goes (listed or not), and one comes for as long as the old ones last.
        const odd = `old${(round * 14 + 1) % 200}`;
        const there = await store.dirent(rootId, odd);
        if (there !== null) {
          await must(store, { do: "deleteDirent", parent: rootId, name: odd }, { do: "addLinks", id: there.child, delta: -1, at });
        }
        if (round < 15) await create(store, `new${round}`);
      }
      for (const name of stay) expect([name, seen.get(name)]).toEqual([name, 1]);
      for (const [name, times] of seen) expect([name, times]).toEqual([name, 1]);
    });

    test("a name that comes back gets a new cookie", async () => {
      const { store } = subject;
      const file = await create(store, "f");
      const cookies = new Set<number>();
      for (let i = 0; i < 5; i++) {
        cookies.add((await store.dirent(rootId, "f"))?.cookie ?? 0);
        await must(
          store,
          { do: "deleteDirent", parent: rootId, name: "f" },
          { do: "insertDirent", parent: rootId, name: "f", child: file },
        );
      }
      expect(cookies.size).toBe(5);
    });

    test("a directory that was nearly emptied and filled again lists what is there", async () => {
      const { store } = subject;
      for (let i = 0; i < 300; i++) await create(store, `a${i}`);
      const last = (await store.directory(rootId, 0, 1000)).at(-10);
      const changes = (await names(store, rootId)).slice(0, 290).map((name) => ({ do: "deleteDirent", parent: rootId, name }) as const);
      await must(store, ...changes);
      await create(store, "b");
      expect(await names(store, rootId)).toEqual([...Array.from({ length: 10 }, (_, i) => `a${290 + i}`), "b"]);
      expect((await store.directory(rootId, last?.cookie as Cookie, 2)).map((d) => d.name)).toEqual(["a291", "a292"]);
    });

    test("names are told apart byte by byte", async () => {
      const { store } = subject;
      const tricky = ["é", "e\u0301", "E", "e", " ", "a ", "a", "\u{1F600}", "%", "'", "x".repeat(255), "\n", "\u0001"];
      const ids = new Map<string, FileId>();
      for (const name of tricky) ids.set(name, await create(store, name));
      for (const name of tricky) expect((await store.dirent(rootId, name))?.child).toBe(ids.get(name) as FileId);
      expect((await names(store, rootId)).sort()).toEqual([...tricky].sort());
    });
  });
}
