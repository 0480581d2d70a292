import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock as clock } from "#base/clock.ts";
import { type ControlDatabase, DatabaseError, backupControl, checkBackup, openSqliteControlDatabase, restoreControl } from "#control/database/index.ts";
import { type Step, steps } from "#control/database/migrate.ts";
import { restoreBackup } from "#control/index.ts";
import { audit, blockStores, groups, metadataStores, notes, sessions, shareIdentities, shares, users } from "#control/database/tables.ts";
import { silentLogger as logger } from "#telemetry/logger.ts";
import { missingPostgres, sharedCluster } from "../support/postgres.ts";
import { openAs } from "./control-database-child.ts";
import { clear, everything } from "./control-database.ts";
import { entry, fill, group, share, user } from "./control-database-rows.ts";
import { temporary } from "../support/temporary.ts";

const context = { clock, logger };
const store = { name: "default", type: "memory", config: {}, secrets: null, version: 1, createdAt: 1, updatedAt: 1 };
const made: string[] = [];
afterAll(() => made.forEach((path) => rmSync(path, { recursive: true, force: true })));

function directory(): string {
  const path = temporary("backup");
  made.push(path);
  return path;
}

const kinds: Readonly<Record<string, () => Promise<ControlDatabase>>> = {
  sqlite: () => openAs({ path: join(directory(), "controlplane.db") }),
  ...(missingPostgres === null ? { postgres: async () => openAs(await (await sharedCluster()).database()) } : {}),
};

describe("a backup that is restored under people", () => {
  for (const [kind, open] of Object.entries(kinds)) {
    test(`ends every session in ${kind}, those of the backup and those begun since, and goes on with a higher revision`, async () => {
      const db = await open();
      const session = (id: string, userId: string) => ({ id, userId, tokenHash: id, address: "::1", createdAt: 1, usedAt: 2, expiresAt: 3, revokedAt: null });
      await db.transaction(async (tx) => {
        for (const name of ["bob", "eve"]) await tx.insert(users, user(name, name.length + name.charCodeAt(0)));
        for (const id of ["kept", "ended"]) await tx.insert(sessions, session(id, "id-of-bob"));
        await tx.insert(notes, { key: "revision", value: "7" });
      });
      const file = join(directory(), "backup");
      await backupControl(db, file, clock);
      await db.transaction(async (tx) => {
        await tx.delete(sessions, { id: "ended" });
        await tx.insert(users, user("later", 77));
        for (const [id, userId] of [["since", "id-of-eve"], ["of-nobody", "id-of-later"]] as const) await tx.insert(sessions, session(id, userId));
        await tx.update(notes, { key: "revision" }, { value: "9" });
      });
      const before = Date.now();
      await restoreBackup(db, file, context);
      const rows = await db.transaction((tx) => tx.all(sessions, {}));
      expect(rows.map(({ id }) => id).sort()).toEqual(["ended", "kept", "since"]);
      for (const { revokedAt } of rows) expect(revokedAt).toBeGreaterThanOrEqual(before);
      expect(await db.transaction((tx) => tx.one(notes, { key: "revision" }))).toMatchObject({ value: "10" });
      expect((await db.transaction((tx) => tx.after(audit, 0, 10))).map(({ action, after }) => [action, after])).toEqual([["controlplane.restore", { file }]]);
      await db.close();
    });

    test(`leaves it known in ${kind} which tree a share is, where the backup is from before that was known`, async () => {
      const db = await open();
      const [before, since] = ["0123456789abcdef", "fedcba9876543210"];
      await db.transaction(async (tx) => {
        await tx.insert(metadataStores, { ...store, id: "m" });
        await tx.insert(blockStores, { ...store, id: "b" });
        for (const name of ["/told", "/untold", "/never"]) await tx.insert(shares, share(name));
        await tx.insert(shareIdentities, { shareId: "id-of-/told", instance: before });
      });
      const file = join(directory(), "backup");
      await backupControl(db, file, clock);
      await db.transaction(async (tx) => {
        await tx.insert(shares, share("/later"));
        await tx.update(shareIdentities, {}, { instance: since });
        for (const name of ["/untold", "/later"]) await tx.insert(shareIdentities, { shareId: `id-of-${name}`, instance: since });
      });
      await restoreBackup(db, file, context);
      const rows = await db.transaction((tx) => tx.all(shareIdentities, {}));
      expect(new Map(rows.map(({ shareId, instance }) => [shareId, instance]))).toEqual(new Map([["id-of-/told", before], ["id-of-/untold", since]]));
      await db.close();
    });
  }
});

describe("a backup of the control plane", () => {
  for (const [from, openSource] of Object.entries(kinds)) {
    for (const [to, openTarget] of Object.entries(kinds)) {
      test(`of ${from} restores into ${to}, all of it and nothing else`, async () => {
        const file = join(directory(), "backup");
        const source = await openSource();
        await source.transaction(fill);
        // More than is in memory at once.
        await source.transaction((tx) => tx.insertAll(audit, Array.from({ length: 4500 }, (_, i) => ({ number: 1000 + 2 * i, ...entry(i) }))));
        const before = await everything(source);
        const summary = await backupControl(source, file, clock);
        expect(summary.rows).toEqual(Object.fromEntries(Object.entries(before).map(([table, rows]) => [table, rows.length])));
        expect(await checkBackup(file, context)).toEqual(summary);
        await source.close();

        const target = await openTarget();
        await target.transaction(async (tx) => {
          await tx.insert(users, user("old", 1000));
          await tx.insert(groups, group("staff", 51));
          await tx.append(audit, entry(1));
        });
        expect(await restoreControl(target, file, context)).toEqual(summary);
        expect(await everything(target)).toEqual(before);
        await target.transaction((tx) => tx.append(audit, entry(7)));
        expect((await target.transaction((tx) => tx.after(audit, 1000 + 2 * 4499, 10))).map(({ number }) => number)).toEqual([1000 + 2 * 4499 + 1]);
        await target.close();
      }, 60_000);
    }
  }
});

describe("the file of a backup", () => {
  let db: ControlDatabase;
  let file: string;
  let lines: readonly string[];
  beforeAll(async () => {
    db = await (kinds["sqlite"] as () => Promise<ControlDatabase>)();
    await db.transaction(fill);
    file = join(directory(), "backup");
    await backupControl(db, file, clock);
    lines = readFileSync(file, "utf8").trimEnd().split("\n");
  });
  afterAll(() => db.close());

  /** A file of these lines with an end that fits. */
  const sealed = (some: readonly string[]): string => {
    const text = some.map((line) => `${line}\n`).join("");
    const rows = some.filter((line) => line.startsWith("[")).length;
    return `${text}${JSON.stringify({ end: true, rows, sha256: createHash("sha256").update(text).digest("hex") })}\n`;
  };
  const body = (): readonly string[] => lines.slice(0, -1);
  const changed = (find: string, replace: string): string => {
    expect(body().some((line) => line.includes(find))).toBe(true);
    return sealed(body().map((line) => line.replace(find, replace)));
  };

  /** Why it isn't restored; nothing has changed then. */
  const refusal = async (content: string | Uint8Array): Promise<string> => {
    const path = join(directory(), "damaged");
    writeFileSync(path, content);
    const before = await everything(db);
    const checked = await checkBackup(path, context).then(() => "restorable", String);
    const thrown: unknown = await restoreControl(db, path, context).then(() => null, (error: unknown) => error);
    expect(thrown).toBeInstanceOf(DatabaseError);
    expect(checked).toBe(String(thrown));
    expect(await everything(db)).toEqual(before);
    expect((thrown as Error).message).toContain("Nothing was changed");
    return (thrown as Error).message;
  };

  test("is for its owner alone, replaces an older one whole, and leaves nothing beside it", async () => {
    const folder = directory();
    const path = join(folder, "backup");
    writeFileSync(path, "old", { mode: 0o644 });
    await backupControl(db, path, clock);
    expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
    expect(readdirSync(folder)).toEqual(["backup"]);
    await checkBackup(path, context);
  });

  test("that can't be written leaves the older one and nothing beside it", async () => {
    const folder = directory();
    const nowhere = join(folder, "nowhere/backup");
    expect(await backupControl(db, nowhere, clock).then(() => "", String)).toMatch(/DatabaseError: the backup .*nowhere\/backup can't be written \(ENOENT of mkdtemp\)/);
    const taken = join(folder, "taken");
    mkdirSync(taken);
    expect(await backupControl(db, taken, clock).then(() => "", String)).toMatch(/can't be written/);
    const broken: ControlDatabase = { ...db, type: "sqlite", transaction: () => Promise.reject(new Error("lost")), health: async () => null,
      othersVersion: () => null, close: async () => {} };
    const path = join(folder, "backup");
    writeFileSync(path, "old");
    expect(await backupControl(broken, path, clock).then(() => "", String)).toBe("Error: lost");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder).sort()).toEqual(["backup", "taken"]);
  });

  test("that is run again after a conflict holds only the last reading", async () => {
    const path = join(directory(), "backup");
    const twice: ControlDatabase = {
      type: "sqlite",
      transaction: async (work) => {
        await db.transaction(work);
        return await db.transaction(work);
      },
      health: async () => null,
      othersVersion: () => null,
      close: async () => {},
    };
    await backupControl(twice, path, clock);
    expect((await checkBackup(path, context)).rows["audit"]).toBe(5);
  });

  test("that was cut anywhere is refused, with nothing changed", async () => {
    const bytes = readFileSync(file);
    const places = [0, 1, 50, bytes.length - 1, bytes.length - 2, ...Array.from({ length: 12 }, (_, i) => Math.floor((bytes.length * (i + 1)) / 13))];
    for (const place of places) expect(await refusal(bytes.subarray(0, place))).toMatch(/is no whole backup/);
    for (let n = 1; n < lines.length; n++) expect(await refusal(`${lines.slice(0, n).join("\n")}\n`)).toMatch(/its end is missing/);
  }, 60_000);

  test("with a bit flipped anywhere is refused, with nothing changed", async () => {
    const bytes = readFileSync(file);
    for (let i = 0; i < 40; i++) {
      const damaged = Buffer.from(bytes);
      const at = Math.floor((bytes.length * i) / 40) + 3;
      damaged[at] = (damaged[at] as number) ^ (1 << (i % 7));
      expect(await refusal(damaged)).toMatch(/is no whole backup|newer program/);
    }
  }, 60_000);

  test("of a newer format or schema is refused by name", async () => {
    expect(await refusal(changed('"version":1', '"version":2'))).toMatch(/has format 2, and this program knows those up to 1\. .* newer program/);
    expect(await refusal(changed(`"schema":${steps("sqlite").length}`, '"schema":99'))).toMatch(/has schema 99, and this program knows those up to \d+\./);
  });

  test("with rows that the tables don't take is refused, whatever its checksum", async () => {
    expect(await refusal("hello\n")).toMatch(/line 1 is no JSON/);
    expect(await refusal('{"format":"tar"}\n')).toMatch(/does not begin as one/);
    expect(await refusal(sealed([...body(), '["x"]']))).toMatch(/is no row of its table/);
    expect(await refusal(sealed(body().filter((line) => !line.includes('"table":"notes"') && !line.includes("revision"))))).toMatch(/the table notes is missing/);
    expect(await refusal(sealed([...body(), '{"table":"users","columns":{}}']))).toMatch(/begins no table/);
    expect(await refusal(sealed([...body(), '{"table":"sqlite_schema","columns":{}}']))).toMatch(/begins no table/);
    expect(await refusal(sealed([...body(), '{"table":"schema_migrations","columns":{}}']))).toMatch(/begins no table/);
    expect(await refusal(`${sealed(body())}[]\n`)).toMatch(/comes after its end/);
    expect(await refusal(changed('"passwordHash":"text"', '"password":"text"'))).toMatch(/the columns of users are not those/);
    expect(await refusal(changed('"passwordHash":"text"', '"passwordHash":"blob"'))).toMatch(/the columns of users are not those/);
    expect(await refusal(changed('"id-of-bob","bob"', '"id-of-bob","alice"'))).toMatch(/users does not take beside the others/);
    expect(await refusal(changed('"id-of-bob","bob","hash"', '"id-of-bob","bob",null'))).toMatch(/users does not take/);
    expect(await refusal(changed('"id-of-bob","bob"', '"id-of-bob",7'))).toMatch(/users\.name is no text/);
    expect(await refusal(changed('"id-of-bob","bob"', '"id-of-bob","b\\u0000b"'))).toMatch(/users\.name holds U\+0000/);
    expect(await refusal(changed('["id-of-staff","id-of-alice"]', '["id-of-staff","id-of-nobody"]'))).toMatch(/a row of memberships belongs to a row that is not there/);
    expect(await refusal(changed('"passwordHash":"text"', '"passwordHash":"json"'))).toMatch(/the columns of users are not those/);
    expect(await refusal(changed('"value":"text"', '"value":"integer"'))).toMatch(/the columns of settings are not those/);
  });

  test("names itself where it can't be read", async () => {
    const folder = directory();
    const thrown = (path: string) => restoreControl(db, path, context).then(() => "", String);
    expect(await thrown(join(folder, "nothing"))).toMatch(/the backup .*nothing can't be opened \(ENOENT\)/);
    expect(await thrown(folder)).toMatch(/is no file/);
  });

  test("leaves no scratch behind", () => {
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("dittofs-restore-"))).toEqual([]);
  });

  test("of an older schema comes back through the migrations", async () => {
    const known = steps("sqlite");
    const later: Step = { number: known.length + 1, name: "later", hash: "x", statements: ["UPDATE notes SET value = value || ' migrated'"] };
    const target = await openSqliteControlDatabase({ path: join(directory(), "controlplane.db"), steps: [...known, later], clock, logger });
    await restoreControl(target, file, { ...context, steps: [...known, later] });
    expect(await target.transaction((tx) => tx.all(notes))).toEqual([{ key: "revision", value: "7 migrated" }]);
    await target.close();
  });

  test("restored over what is there replaces all or nothing", async () => {
    const target = await (kinds["sqlite"] as () => Promise<ControlDatabase>)();
    await target.transaction((tx) => tx.insert(notes, { key: "old", value: "kept" }));
    const before = await everything(target);
    let rows = 0;
    const failing: ControlDatabase = {
      type: "sqlite",
      transaction: (work) =>
        target.transaction((tx) =>
          work({
            ...Object.fromEntries(["all", "one", "page", "after", "insert", "append", "update", "delete"].map((name) => [name, (tx as never as Record<string, Function>)[name]?.bind(tx)])),
            insertAll: async (table: never, some: never) => {
              if (++rows > 5) throw new Error("no further");
              await tx.insertAll(table, some);
            },
          } as never),
        ),
      health: async () => null,
      othersVersion: () => null,
      close: async () => {},
    };
    expect(await restoreControl(failing, file, context).then(() => "", String)).toBe("Error: no further");
    expect(await everything(target)).toEqual(before);
    await target.transaction(clear);
    await target.close();
  });
});
