import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Row, Table } from "#control/database/columns.ts";
import { type ControlDatabase, type Transaction, UniqueViolation } from "#control/database/port.ts";
import { audit, grants, groups, memberships, metadataStores, notes, sessions, shares, tables, users } from "#control/database/tables.ts";
import { entry, fill, group, share, user } from "./control-database-rows.ts";

export interface Subject {
  /** Opens the database the subject is about; the first time it is empty. */
  open(): Promise<ControlDatabase>;
  dispose(): Promise<void>;
}

/** The meaning of the port ControlDatabase: both implementations pass all of it. */
export function controlDatabaseContract(name: string, factory: () => Promise<Subject>): void {
  describe(`control database, ${name}`, () => {
    let subject: Subject;
    let db: ControlDatabase;
    beforeAll(async () => {
      subject = await factory();
      db = await subject.open();
    });
    afterAll(async () => {
      await db.close();
      await subject.dispose();
    });

    /** Begins with empty tables. */
    const empty = (): Promise<void> => db.transaction(clear);
    const read = <T extends Table>(table: T): Promise<readonly Row<T>[]> => db.transaction((tx) => tx.all(table));
    const names = async (rows: Promise<readonly { readonly name: string }[]>): Promise<string[]> => (await rows).map((row) => row.name);

    test("rows of every table come back as they were written, after a reopening too", async () => {
      await empty();
      await db.transaction(fill);
      const before = await everything(db);
      await db.close();
      db = await subject.open();
      expect(await everything(db)).toEqual(before);
      expect(JSON.stringify((await read(metadataStores))[0]?.config)).toBe('{"z":1,"a":[true,null,{"9":"\\u0000","10":"x"}]}');
      expect((await read(users)).map((row) => row.displayName)[0]).toBe("Ælfrïc 'a\"b\\ \u{1f4be}\n\t\u0001");
      expect((await read(users)).map((row) => row.uid)).toEqual([1000, Number.MAX_SAFE_INTEGER]);
      for (const [table, rows] of Object.entries(before)) expect([table, rows.length > 0]).toEqual([table, true]);
    });

    test("equality, null and lists of values find rows", async () => {
      await empty();
      await db.transaction(async (tx) => {
        await tx.insertAll(users, [user("a", 1, { ntHash: "x" }), user("b", 2, { enabled: false }), user("c", 3)]);
      });
      await db.transaction(async (tx) => {
        expect(await names(tx.all(users, { name: "b" }))).toEqual(["b"]);
        expect(await names(tx.all(users, { uid: [1, 3] }))).toEqual(["a", "c"]);
        expect(await names(tx.all(users, { uid: [1, 3], enabled: false }))).toEqual([]);
        expect(await names(tx.all(users, { uid: [] }))).toEqual([]);
        expect(await names(tx.all(users, { ntHash: null }))).toEqual(["b", "c"]);
        expect(await names(tx.all(users, { ntHash: ["x", null] }))).toEqual(["a", "b", "c"]);
        expect(await names(tx.all(users, { ntHash: ["x", "y"] }))).toEqual(["a"]);
        expect((await tx.one(users, { enabled: false }))?.name).toBe("b");
        expect(await tx.one(users, { name: "' or 1=1 --" })).toBeNull();
        expect(await names(tx.all(users, { uid: Array.from({ length: 30_000 }, (_, i) => i + 2) }))).toEqual(["b", "c"]);
      });
    });

    test("pages are ordered by bytes, null first, with the key as the last resort, and counted", async () => {
      await empty();
      const given = ["b", "B", "ä", "a", "Z", "\u{1f4be}", "_", "\uffee"];
      await db.transaction((tx) => tx.insertAll(shares, given.map((name, i) => share(name, { quotaBytes: i < 3 ? null : i % 2, description: "same" }))));
      const page = { orderBy: "name", descending: false, offset: 0, limit: 100 } as const;
      await db.transaction(async (tx) => {
        const bytes = [...given].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(await names(tx.page(shares, {}, page).then(({ rows }) => rows))).toEqual(bytes);
        expect(await names(tx.page(shares, {}, { ...page, descending: true }).then(({ rows }) => rows))).toEqual(bytes.toReversed());
        const part = await tx.page(shares, { description: "same" }, { ...page, offset: 2, limit: 3 });
        expect([part.total, part.rows.map(({ name }) => name)]).toEqual([8, bytes.slice(2, 5)]);
        expect((await tx.page(shares, { name: ["a", "b"] }, { ...page, offset: 1, limit: 0 })).total).toBe(2);
        const quotas = async (descending: boolean) => (await tx.page(shares, {}, { ...page, orderBy: "quotaBytes", descending })).rows.map((row) => row.quotaBytes);
        expect(await quotas(false)).toEqual([null, null, null, 0, 0, 1, 1, 1]);
        expect(await quotas(true)).toEqual([1, 1, 1, 0, 0, null, null, null]);
        const same = (await tx.page(shares, {}, { ...page, orderBy: "description" })).rows.map(({ id }) => id);
        expect(same).toEqual(bytes.map((name) => `id-of-${name}`));
      });
    });

    test("a page takes a range of a column", async () => {
      await empty();
      await db.transaction(async (tx) => {
        for (let at = 1; at <= 10; at++) await tx.append(audit, entry(at, { actor: at % 2 === 0 ? "alice" : "bob" }));
      });
      const at = async (from: { readonly atLeast?: number; readonly below?: number }, where = {}) => {
        const page = { orderBy: "at", descending: true, offset: 0, limit: 3, from: { column: "at", ...from } } as const;
        const { rows, total } = await db.transaction((tx) => tx.page(audit, where, page));
        return [total, ...rows.map((row) => row.at)];
      };
      expect(await at({ atLeast: 4 })).toEqual([7, 10, 9, 8]);
      expect(await at({ below: 4 })).toEqual([3, 3, 2, 1]);
      expect(await at({ atLeast: 4, below: 6 })).toEqual([2, 5, 4]);
      expect(await at({ atLeast: 4, below: 9 }, { actor: "bob" })).toEqual([2, 7, 5]);
    });

    test("updates and deletions say how many rows they changed, cascades not counted", async () => {
      await empty();
      await db.transaction(fill);
      await db.transaction(async (tx) => {
        expect(await tx.update(users, { name: ["alice", "bob", "nobody"] }, { email: "x@example.org", version: 2 })).toBe(2);
        expect(await tx.update(users, { name: "nobody" }, { email: "" })).toBe(0);
        expect((await tx.all(users)).map(({ email, version }) => [email, version])).toEqual([["x@example.org", 2], ["x@example.org", 2]]);
        expect(await tx.update(shares, { name: "/export" }, { allowedClients: null, protocols: { nfs: false, smb: true } })).toBe(1);
        expect(await tx.one(shares, { name: "/export" })).toMatchObject({ allowedClients: null, protocols: { nfs: false, smb: true } });
        expect(await tx.delete(users, { name: "alice" })).toBe(1);
        expect(await tx.delete(users, { name: "alice" })).toBe(0);
        expect(await tx.delete(audit, {})).toBe(5);
      });
    });

    test("rows go with the row they belong to, and none is there without it", async () => {
      await empty();
      await db.transaction(fill);
      await db.transaction((tx) => tx.delete(groups, { name: "staff" }));
      expect([(await read(memberships)).length, (await read(users)).length]).toEqual([0, 2]);
      await db.transaction((tx) => tx.delete(users, { name: "bob" }));
      expect(await read(sessions)).toEqual([]);
      await db.transaction((tx) => tx.delete(shares, { name: "/export" }));
      expect(await read(grants)).toEqual([]);
      await expect(db.transaction((tx) => tx.insert(memberships, { groupId: "nobody's", userId: "id-of-alice" }))).rejects.toThrow("belongs to a row that is not there");
    });

    test("a value that is there already is a UniqueViolation, and nothing of the transaction is kept", async () => {
      await empty();
      await db.transaction((tx) => tx.insertAll(users, [user("a", 1), user("b", 2)]));
      const clash = (work: (tx: Transaction) => Promise<unknown>) =>
        db.transaction(async (tx) => {
          await tx.insert(groups, group("kept?", 1));
          await work(tx);
        });
      for (const work of [
        (tx: Transaction) => tx.insert(users, user("a", 3, { id: "new" })),
        (tx: Transaction) => tx.insert(users, user("c", 2)),
        (tx: Transaction) => tx.insert(users, user("c", 3, { id: "id-of-a" })),
        (tx: Transaction) => tx.update(users, { name: "b" }, { name: "a" }),
        // Whatever the work makes of it.
        (tx: Transaction) => tx.insert(users, user("c", 2)).catch(() => "caught"),
      ]) {
        const error = await clash(work).then(() => null, (thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(UniqueViolation);
        expect((error as UniqueViolation).table).toBe("users");
      }
      const translated = clash((tx) =>
        tx.insert(users, user("c", 2)).catch(() => {
          throw new RangeError("taken");
        }),
      );
      await expect(translated).rejects.toBeInstanceOf(RangeError);
      expect([await names(read(users)), await names(read(groups))]).toEqual([["a", "b"], []]);
    });

    test("what throws leaves nothing, and what it threw comes out", async () => {
      await empty();
      const thrown = new Error("changed my mind");
      await expect(db.transaction(async (tx) => {
        await tx.insert(groups, group("a", 1));
        throw thrown;
      })).rejects.toBe(thrown);
      expect(await read(groups)).toEqual([]);
    });

    test("a transaction that is over does nothing any more", async () => {
      await empty();
      let leaked: Transaction | null = null;
      await db.transaction(async (tx) => {
        leaked = tx;
      });
      await expect((leaked as unknown as Transaction).insert(groups, group("a", 1))).rejects.toThrow("the transaction is over");
      expect(await read(groups)).toEqual([]);
    });

    test("numbers of a log rise, are never given twice, and go on above those inserted", async () => {
      await empty();
      const numbers = async () => (await read(audit)).map(({ number }) => number);
      await db.transaction((tx) => tx.append(audit, entry(1)));
      const [first = 0] = await numbers();
      await db.transaction((tx) => tx.delete(audit, {}));
      await db.transaction((tx) => tx.append(audit, entry(2)));
      expect(await numbers()).toEqual([first + 1]);
      await db.transaction((tx) => tx.insertAll(audit, [{ number: first + 100, ...entry(3) }, { number: first + 50, ...entry(3) }]));
      await db.transaction((tx) => tx.append(audit, entry(4)));
      expect(await numbers()).toEqual([first + 1, first + 50, first + 100, first + 101]);
    });

    test("concurrent changes lose nothing", async () => {
      await empty();
      await db.transaction((tx) => tx.insert(notes, { key: "revision", value: "0" }));
      const raise = (who: number) =>
        db.transaction(async (tx) => {
          const { value = "" } = (await tx.one(notes, { key: "revision" })) ?? {};
          await tx.append(audit, entry(who));
          await tx.update(notes, { key: "revision" }, { value: String(Number(value) + 1) });
        });
      await Promise.all(Array.from({ length: 60 }, (_, who) => raise(who)));
      expect((await read(notes))[0]?.value).toBe("60");
      expect((await read(audit)).map((row) => row.at).sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, who) => who));
    });

    test("of two that take the same free value one gets it", async () => {
      await empty();
      const take = (name: string) =>
        db.transaction(async (tx) => {
          const taken = new Set((await tx.all(users)).map(({ uid }) => uid));
          let uid = 1000;
          while (taken.has(uid)) uid++;
          await tx.insert(users, user(name, uid));
        });
      await Promise.all(Array.from({ length: 20 }, (_, i) => take(`user${i}`)));
      expect((await read(users)).map(({ uid }) => uid).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => 1000 + i));
    });

    test("two that write what the other read don't both succeed on what they read", async () => {
      await empty();
      await db.transaction((tx) => tx.insertAll(users, [user("a", 1, { role: "admin" }), user("b", 2, { role: "admin" })]));
      // Write skew: each keeps one admin, by its own reading; only a serializable database keeps one in the end.
      const step = (name: string) =>
        db.transaction(async (tx) => {
          if ((await tx.all(users, { role: "admin" })).length > 1) await tx.update(users, { name }, { role: "user" });
        });
      await Promise.all([step("a"), step("b")]);
      expect((await read(users)).filter(({ role }) => role === "admin").length).toBe(1);
    });

    test("values that no column takes are refused before they get there", async () => {
      await empty();
      const refused = (row: object) => expect(db.transaction((tx) => tx.insert(users, { ...user("a", 1), ...row } as Row<typeof users>))).rejects.toThrow(/users/);
      await refused({ name: "nul\0" });
      await refused({ name: "\ud800" });
      await refused({ name: null });
      await refused({ name: 5 });
      await refused({ name: undefined });
      await refused({ uid: 1.5 });
      await refused({ uid: 2 ** 53 });
      await refused({ uid: "1; drop table users" });
      await refused({ enabled: 1 });
      await refused({ nickname: "x" });
      await expect(db.transaction((tx) => tx.delete(users, { id: undefined } as never))).rejects.toThrow(/users/);
      await expect(db.transaction((tx) => tx.delete(users, { nickname: "x" } as never))).rejects.toThrow(/nickname/);
      expect(await read(users)).toEqual([]);
    });

    test("it is healthy, and closed it says so", async () => {
      expect(await db.health()).toBeNull();
      await db.close();
      expect(await db.health()).toContain("closed");
      await expect(db.transaction(async () => {})).rejects.toThrow("closed");
      await db.close();
      db = await subject.open();
    });
  });
}

export async function clear(tx: Transaction): Promise<void> {
  for (const table of Object.values<Table>(tables)) await tx.delete(table, {});
}

/** All rows, by table. */
export async function everything(db: ControlDatabase): Promise<Record<string, readonly unknown[]>> {
  return await db.transaction(async (tx) => {
    const all: Record<string, readonly unknown[]> = {};
    for (const table of Object.values<Table>(tables)) all[table.name] = await tx.all(table);
    return all;
  });
}
