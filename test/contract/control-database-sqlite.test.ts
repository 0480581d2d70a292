import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, ftruncateSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { DatabaseError, openSqliteControlDatabase } from "#control/database/index.ts";
import { createMigrationsTable, migrationsTable, steps } from "#control/database/migrate.ts";
import { SqliteConnection } from "#control/database/sqlite-connection.ts";
import { prepareFile } from "#control/database/sqlite-files.ts";
import { missingSteps } from "#control/database/sqlite-migrate.ts";
import { notes } from "#control/database/tables.ts";
import { type Logger, silentLogger } from "#telemetry/logger.ts";
import { within } from "../support/wait.ts";
import { Child } from "./control-database-processes.ts";
import { persistentContract } from "./control-database-persistent.ts";
import { controlDatabaseContract } from "./control-database.ts";
import { temporary } from "../support/temporary.ts";
import { ManualClock } from "../support/manual-clock.ts";

const made: string[] = [];
afterAll(() => made.forEach((path) => rmSync(path, { recursive: true, force: true })));

function directory(): string {
  const path = temporary("control");
  made.push(path);
  return path;
}

const open = (path: string, logger: Logger = silentLogger) => openSqliteControlDatabase({ path, clock: systemClock, logger });

controlDatabaseContract("sqlite", async () => {
  const path = join(directory(), "made/controlplane.db");
  return { open: () => open(path), dispose: async () => {} };
});

persistentContract("sqlite", async () => {
  const path = join(directory(), "controlplane.db");
  return {
    opening: { path },
    openWith: (steps) => openSqliteControlDatabase({ path, steps, clock: systemClock, logger: silentLogger }),
    contents: async () => {
      const db = new Database(path, { readonly: true });
      const schema = db.query("SELECT sql FROM sqlite_schema").all();
      db.close();
      return JSON.stringify([schema, Bun.hash(readFileSync(path)).toString()]);
    },
    dispose: async () => {},
  };
});

describe("control database, sqlite, the file", () => {
  test("a start goes on from what the disk has of the WAL, not from what a failed sync left in memory", async () => {
    const from = join(directory(), "controlplane.db");
    const db = await open(from);
    await db.transaction((tx) => tx.insert(notes, { key: "synced", value: "" }));
    const onDisk = readFileSync(`${from}-wal`);
    await db.transaction((tx) => tx.insert(notes, { key: "given up", value: "" }));
    const path = join(directory(), "controlplane.db");
    // By another process: closing a descriptor of the database in this one would drop the locks that SQLite holds.
    for (const ending of ["", "-wal"]) Bun.spawnSync(["cp", from + ending, path + ending]);
    await db.close();
    const drop = (fd: number): void => {
      ftruncateSync(fd, onDisk.length);
      writeSync(fd, onDisk, 0, onDisk.length, 0);
    };
    const again = await openSqliteControlDatabase({ path, clock: systemClock, logger: silentLogger, drop });
    expect((await again.transaction((tx) => tx.all(notes))).map(({ key }) => key)).toEqual(["synced"]);
    await again.close();
  });

  const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

  test("it is for its owner alone, with what lies beside it, and its directory", async () => {
    const above = join(directory(), "a");
    const path = join(above, "b/controlplane.db");
    const db = await open(path);
    await db.transaction((tx) => tx.insert(notes, { key: "a", value: "b" }));
    expect([above, join(above, "b"), path, `${path}-wal`, `${path}-shm`].map(modeOf)).toEqual(["700", "700", "600", "600", "600"]);
    await db.close();
    expect([existsSync(`${path}-wal`), existsSync(`${path}-shm`)]).toEqual([false, false]);
  });

  test("one that others could read is closed to them, and that is said", async () => {
    const path = join(directory(), "controlplane.db");
    await (await open(path)).close();
    chmodSync(path, 0o644);
    const warned: string[] = [];
    const db = await open(path, { ...silentLogger, warn: (_, message) => void warned.push(message) });
    expect(modeOf(path)).toBe("600");
    expect(warned.join()).toContain("readable by others");
    await db.close();
  });

  test("it is in WAL mode", async () => {
    const path = join(directory(), "controlplane.db");
    const db = await open(path);
    const other = new Database(path, { readonly: true });
    expect(other.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    other.close();
    await db.close();
  });

  const refused = async (path: string, words: RegExp) => {
    const opening = open(path);
    await expect(opening).rejects.toBeInstanceOf(DatabaseError);
    await expect(opening).rejects.toThrow(words);
    await expect(opening).rejects.toThrow(path);
  };

  test("what is no database of ours is refused and stays as it is", async () => {
    const text = join(directory(), "notes.txt");
    writeFileSync(text, "hello, I am a text\n".repeat(100), { mode: 0o600 });
    await refused(text, /is no SQLite database .* Name another place/s);
    expect(readFileSync(text, "utf8")).toBe("hello, I am a text\n".repeat(100));

    const foreign = join(directory(), "firefox.db");
    const db = new Database(foreign);
    db.run("CREATE TABLE users (nickname text)");
    db.close();
    const before = Bun.hash(readFileSync(foreign));
    await refused(foreign, /not one of DittoFS's control plane/);
    expect(Bun.hash(readFileSync(foreign))).toBe(before);

    const folder = join(directory(), "folder");
    mkdirSync(folder);
    await refused(folder, /can't be/);
    await refused(join(text, "controlplane.db"), /a part of its path is a file/);
  });

  test("one that another process makes in the middle of our first look is not taken for somebody else's", async () => {
    const path = join(directory(), "controlplane.db");
    prepareFile(path, silentLogger);
    const known = steps("sqlite");
    const other = new SqliteConnection(path, systemClock);
    other.run("PRAGMA journal_mode = WAL");
    const makeTables = () => {
      other.run("BEGIN IMMEDIATE");
      other.run(createMigrationsTable);
      for (const { number, name, hash, statements } of known) {
        for (const statement of statements) other.run(statement);
        other.run(`INSERT INTO ${migrationsTable} VALUES (${number}, '${name}', '${hash}', 0)`);
      }
      other.run(`PRAGMA application_id = ${0x44744643}`);
      other.run("COMMIT");
    };
    class Interrupted extends SqliteConnection {
      interrupt: (() => void) | null = makeTables;
      override number(pragma: string): number {
        const value = super.number(pragma);
        this.interrupt?.();
        this.interrupt = null;
        return value;
      }
    }
    const connection = new Interrupted(path, systemClock);
    expect(await missingSteps(connection, known)).toEqual(known);
    expect(connection.interrupt).toBeNull();
    expect(await missingSteps(connection, known)).toEqual([]);
    connection.close();
    other.close();
  });

  test("one that is cut off is refused as damaged", async () => {
    const path = join(directory(), "controlplane.db");
    await (await open(path)).close();
    writeFileSync(path, readFileSync(path).subarray(0, 3 * 4096));
    await refused(path, /is damaged .* restore a backup/);
  });

  test("what others commit moves a number, and what is committed here doesn't", async () => {
    const path = join(directory(), "controlplane.db");
    const db = await open(path);
    const before = db.othersVersion();
    await db.transaction((tx) => tx.insert(notes, { key: "ours", value: "1" }));
    expect(db.othersVersion()).toBe(before);
    const other = new Database(path);
    other.run("INSERT INTO notes VALUES ('theirs', '1')");
    other.close();
    expect(db.othersVersion()).not.toBe(before);
    await db.close();
  });

  test("another process that reads doesn't keep us waiting, nor we it", async () => {
    const path = join(directory(), "controlplane.db");
    const db = await open(path);
    const other = new Database(path);
    other.run("BEGIN");
    expect(other.query("SELECT count(*) AS n FROM notes").get()).toEqual({ n: 0 });
    await db.transaction((tx) => tx.insert(notes, { key: "a", value: "b" }));
    expect(other.query("SELECT count(*) AS n FROM notes").get()).toEqual({ n: 0 });
    other.run("ROLLBACK");
    other.close();
    await db.close();
  });

  test("while another process writes, ours waits, reads go on, and in the end it is told who is in the way", async () => {
    const path = join(directory(), "controlplane.db");
    const clock = new ManualClock();
    const db = await openSqliteControlDatabase({ path, clock, logger: silentLogger });
    const other = new Database(path);
    other.run("BEGIN IMMEDIATE");
    expect(await db.transaction((tx) => tx.all(notes))).toEqual([]);
    expect(await db.health()).toBeNull();
    let settled = false;
    const waiting = db.transaction((tx) => tx.insert(notes, { key: "a", value: "b" })).finally(() => (settled = true));
    for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    other.run("COMMIT");
    await within("the change", 4000, waiting);

    other.run("BEGIN IMMEDIATE");
    const blocked = db.transaction((tx) => tx.insert(notes, { key: "c", value: "d" }));
    // `expect(…).rejects` runs no turns while it waits.
    const thrown = blocked.then(() => null, String);
    for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    clock.pass(60_000);
    expect(await within("the refusal", 4000, thrown)).toMatch(/another process has held .* locked for 15 s/);
    other.run("COMMIT");
    expect(await db.transaction((tx) => tx.all(notes))).toEqual([{ key: "a", value: "b" }]);
    other.close();
    await db.close();
  });

  test("a transaction that waits for itself is given up, and the next one runs", async () => {
    const clock = new ManualClock();
    const db = await openSqliteControlDatabase({ path: join(directory(), "controlplane.db"), clock, logger: silentLogger });
    const stuck = db.transaction(async (tx) => {
      await tx.insert(notes, { key: "a", value: "b" });
      await db.transaction((inner) => inner.all(notes));
    });
    const thrown = stuck.then(() => null, String);
    for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    clock.pass(31_000);
    expect(await within("the end", 4000, thrown)).toMatch(/did nothing for 30 s/);
    expect(await db.transaction((tx) => tx.all(notes))).toEqual([]);
    await db.close();
  });

  test("only so many changes wait", async () => {
    const db = await open(join(directory(), "controlplane.db"));
    const outcomes = await Promise.allSettled(Array.from({ length: 1100 }, () => db.transaction(async () => {})));
    const reasons = outcomes.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []));
    expect(reasons.length).toBe(99);
    expect(reasons[0]).toContain("more than 1000 changes wait");
    await db.close();
  });

  test("a crash within a migration leaves what was before it", async () => {
    const path = join(directory(), "controlplane.db");
    const child = new Child({ what: "migrate-forever", opening: { path } });
    await child.begin();
    await child.line("migrating");
    await child.kill();
    const db = await open(path);
    expect(await db.transaction((tx) => tx.all(notes))).toEqual([]);
    await db.close();
  });
});
