import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { type ControlDatabase, DatabaseError } from "#control/database/index.ts";
import { type DialectName, type Step, steps } from "#control/database/migrate.ts";
import { audit, notes } from "#control/database/tables.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { after } from "../support/wait.ts";
import { type Opening, openAs, rowsEach } from "./control-database-child.ts";
import { Child } from "./control-database-processes.ts";

export interface Place {
  readonly opening: Opening;
  /** Opens it with other steps of the schema than this program's. */
  openWith(steps: readonly Step[]): Promise<ControlDatabase>;
  /** All there is in it, to compare. */
  contents(): Promise<string>;
  dispose(): Promise<void>;
}

/** What holds across processes, crashes and versions of the schema. */
export function persistentContract(name: DialectName, factory: () => Promise<Place>): void {
  describe(`control database, ${name}, across processes`, () => {
    const places: Place[] = [];
    let place: Place;
    beforeEach(async () => {
      place = await factory();
      places.push(place);
    });
    afterAll(async () => {
      for (const each of places) await each.dispose();
    });

    const open = (): Promise<ControlDatabase> => openAs(place.opening);
    const more = (...statements: string[]): readonly Step[] => [...steps(name), { number: steps(name).length + 1, name: "0099-later", hash: "later", statements }];

    test("processes that open an empty database together all find the tables, made once", async () => {
      const children = Array.from({ length: 4 }, () => new Child({ what: "open", opening: place.opening }));
      for (const child of children) await child.begin();
      expect(await Promise.all(children.map((child) => child.ended()))).toEqual([0, 0, 0, 0]);
      const db = await open();
      expect(await db.transaction((tx) => tx.all(notes))).toEqual([]);
      await db.close();
    }, 60_000);

    test("processes that change the same row lose nothing", async () => {
      const db = await open();
      await db.transaction((tx) => tx.insert(notes, { key: "revision", value: "0" }));
      const children = Array.from({ length: 3 }, () => new Child({ what: "raise", times: 40, opening: place.opening }));
      for (const child of children) await child.begin();
      for (let n = 0; n < 40; n++) {
        await db.transaction(async (tx) => {
          const value = Number((await tx.one(notes, { key: "revision" }))?.value);
          await tx.update(notes, { key: "revision" }, { value: String(value + 1) });
        });
      }
      expect(await Promise.all(children.map((child) => child.ended()))).toEqual([0, 0, 0]);
      expect(await db.transaction((tx) => tx.all(notes))).toEqual([{ key: "revision", value: "160" }]);
      await db.close();
    }, 60_000);

    test("of a transaction that a crash cut off nothing is there", async () => {
      const child = new Child({ what: "hang", opening: place.opening });
      await child.begin();
      await child.line("within");
      await child.kill();
      const db = await open();
      expect(await db.transaction(async (tx) => [await tx.all(notes), await tx.all(audit)])).toEqual([[], []]);
      await db.transaction((tx) => tx.insert(notes, { key: "half", value: "free" }));
      await db.close();
    }, 60_000);

    test("a crash at any moment leaves whole transactions, all that were acknowledged among them", async () => {
      const random = new SeededRandom(7);
      for (let round = 0; round < 3; round++) {
        const child = new Child({ what: "fill", opening: place.opening });
        await child.begin();
        await child.line("3");
        await after(random.below(50));
        await child.kill();
        const acknowledged = Number(child.said.at(-1));
        const db = await open();
        const rows = await db.transaction((tx) => tx.all(audit));
        const whole = Map.groupBy(rows, (row) => row.at);
        for (const [n, some] of whole) expect([n, some.length]).toEqual([n, rowsEach]);
        expect(whole.size).toBeGreaterThanOrEqual(acknowledged);
        expect(whole.size).toBeLessThanOrEqual(acknowledged + 1);
        await db.transaction((tx) => tx.delete(audit, {}));
        await db.close();
      }
    }, 60_000);

    test("a newer schema is refused by name and stays as it is", async () => {
      await (await place.openWith(more("CREATE TABLE later (a text)"))).close();
      const before = await place.contents();
      const known = steps(name).length;
      const refused = open();
      await expect(refused).rejects.toBeInstanceOf(DatabaseError);
      await expect(refused).rejects.toThrow(`has schema ${known + 1} ("0099-later"), and this program knows schemas up to ${known}. Nothing was changed. Start the newer program`);
      expect(await place.contents()).toBe(before);
    });

    test("a schema of another line is refused and stays as it is", async () => {
      await (await place.openWith(steps(name).map((step) => ({ ...step, hash: "other" })))).close();
      const before = await place.contents();
      await expect(open()).rejects.toThrow(/made by another program/);
      expect(await place.contents()).toBe(before);
    });

    test("an older schema is brought up to date, its rows kept", async () => {
      const older = await open();
      await older.transaction((tx) => tx.insert(notes, { key: "a", value: "b" }));
      await older.close();
      const newer = await place.openWith(more("CREATE TABLE later (a text)"));
      expect(await newer.transaction((tx) => tx.all(notes))).toEqual([{ key: "a", value: "b" }]);
      await newer.close();
      expect(await place.contents()).toContain("later");
    });

    test("steps that fail half-way leave the tables as they were", async () => {
      await (await open()).close();
      const before = await place.contents();
      await expect(place.openWith(more("CREATE TABLE half (a text)", "DROP TABLE notes", "this is no SQL"))).rejects.toBeInstanceOf(DatabaseError);
      expect(await place.contents()).toBe(before);
      await (await open()).close();
    });
  });
}
