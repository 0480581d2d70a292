import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { ApplyResult, ChangeSet } from "#model/change-set.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { type Factory, type Subject, at, createChanges, inodeOf, makeRoot, names, newFile, set } from "./kit.ts";

/** Order of sets, of the listener's calls, of resolutions; and of numbers. */
export function orderContract(name: string, factory: Factory): void {
  describe(`${name}: order`, () => {
    let subject: Subject;
    const heard: [ChangeSet, ApplyResult & { applied: true }][] = [];
    beforeEach(async () => {
      heard.length = 0;
      subject = await factory();
      subject.store.onApplied((set, result) => heard.push([set, result]));
      await makeRoot(subject.store);
      heard.length = 0;
    });
    afterEach(() => subject.dispose());

    test("sets apply in call order, over several turns, and the listener hears of the applied ones in that order", async () => {
      const { store } = subject;
      const sets: ChangeSet[] = [];
      const waiting: Promise<ApplyResult>[] = [];
      for (let i = 0; i < 2000; i++) {
        const absent = { is: "direntAbsent", parent: rootId, name: `f${i % 1500}` } as const;
        const one = set([absent], createChanges(rootId, `f${i % 1500}`, newFile(store.draw())));
        sets.push(one);
        waiting.push(store.apply(one));
        if (i % 700 === 0) await store.treeVersion();
      }
      const results = await Promise.all(waiting);
      expect(results.map((r) => r.applied)).toEqual(sets.map((_, i) => i < 1500));
      expect(heard.map(([one]) => one)).toEqual(sets.slice(0, 1500));
      for (const [i, [, result]] of heard.entries()) expect(result).toBe(results[i] as ApplyResult & { applied: true });
      expect(await names(store, rootId)).toEqual(Array.from({ length: 1500 }, (_, i) => `f${i}`));
    });

    test("each set's rows before are the rows after the set before it", async () => {
      const { store } = subject;
      let previous = await inodeOf(store, rootId);
      const waiting = Array.from({ length: 50 }, (_, i) => store.apply(set([], createChanges(rootId, `f${i}`, newFile(store.draw())))));
      for (const result of await Promise.all(waiting)) {
        if (!result.applied) throw new Error("refused");
        const root = result.touched.find((t) => t.id === rootId);
        expect(root?.before).toEqual(previous);
        expect(root?.after?.change).toBeGreaterThan(previous.change);
        expect(root?.after?.ctime.isAfter(previous.ctime)).toBe(true);
        previous = root?.after as typeof previous;
      }
      expect(await inodeOf(store, rootId)).toEqual(previous);
    });

    test("the listener and reads see a set before it resolves", async () => {
      const { store } = subject;
      const order: string[] = [];
      const id = store.draw() as FileId;
      store.onApplied(() => {
        order.push("listener");
        const seen = store.dirent(rootId, "f");
        if (!(seen instanceof Promise)) expect(seen?.child).toBe(id);
      });
      await store.apply(set([], createChanges(rootId, "f", newFile(id)))).then(() => order.push("resolved"));
      expect(order).toEqual(["listener", "resolved"]);
    });

    test("a set asked for by the listener is applied after it", async () => {
      const { store } = subject;
      const id = store.draw() as FileId;
      let second: Promise<ApplyResult> | null = null;
      store.onApplied(() => {
        second ??= store.apply(set([{ is: "live", id }], [{ do: "addLinks", id, delta: -1, at }, { do: "deleteDirent", parent: rootId, name: "f" }]));
      });
      await store.apply(set([], createChanges(rootId, "f", newFile(id))));
      expect((await (second as Promise<ApplyResult> | null))?.applied).toBe(true);
      expect(await store.orphans(0, 1)).toEqual([id]);
    });

    test("no number is given twice: ids drawn, cookies and change numbers", async () => {
      const { store } = subject;
      const seen = new Set<number>();
      const fresh = (n: number): void => {
        expect(seen.has(n)).toBe(false);
        seen.add(n);
      };
      for (let round = 0; round < 20; round++) {
        const waiting: Promise<ApplyResult>[] = [];
        for (let i = 0; i < 20; i++) {
          const id = store.draw();
          fresh(id);
          waiting.push(store.apply(set([], createChanges(rootId, `f${round}-${i}`, newFile(id)))));
        }
        for (const result of await Promise.all(waiting)) if (result.applied) for (const { after } of result.touched) fresh(after?.change ?? 0);
      }
      for (const { cookie } of await store.directory(rootId, 0, 1000)) fresh(cookie);
    });

    test("what was asked for before close is applied, what comes after is rejected", async () => {
      const { store } = subject;
      const before = store.apply(set([], createChanges(rootId, "f", newFile(store.draw()))));
      const closed = store.close();
      await expect(store.apply(set([], createChanges(rootId, "g", newFile(2 ** 30))))).rejects.toThrow("closed");
      expect((await before).applied).toBe(true);
      await closed;
      await store.close();
    });
  });
}
