import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { cpSync, existsSync, watch } from "node:fs";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openSqliteStore } from "#metadata/index.ts";
import { applicationId, migrations, pageBytes } from "#metadata/sqlite/schema.ts";
import { foldColumn, foldKey } from "#model/fold-key.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./sqlite-files.ts";

/** Databases of versions before there were flags, extended attributes and folded names. */

const instance = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);

function nameOf(i: number): string {
  return i % 3 === 0 ? `plain ${i}` : i % 3 === 1 ? `Mixed Case ${i}` : `ÜBER ${i}`;
}

/** A database of version 2 with so many names in its root. */
function makeOld(path: string, names: number): void {
  const db = new Database(path, { create: true });
  db.run(`PRAGMA page_size = ${pageBytes}`);
  db.run("PRAGMA journal_mode = WAL");
  db.run("BEGIN");
  for (const migration of migrations.slice(0, 2)) db.run(migration);
  const inode = db.prepare(`INSERT INTO inode VALUES (${new Array(26).fill("?").join(", ")})`);
  const add = (id: number, type: number, links: number) => inode.run(id, type, 0o755, links, 0, 0, 0, 0, 0, 0, 5, 0, 5, 0, 5, 0, 5, 6, 1, 0, 0, 0, type === 2 ? 1 : 0, 1, null, null);
  add(rootId, 2, 2);
  const dirent = db.prepare("INSERT INTO dirent VALUES (?, ?, ?, ?)");
  for (let i = 0; i < names; i++) {
    add(100 + i, 1, 1);
    dirent.run(rootId, nameOf(i), 100 + i, 1_000_000 + i);
  }
  const meta = db.prepare("INSERT INTO meta VALUES (?, ?)");
  const values = { writer: "an old one", instance, handle_key: new Uint8Array(32).fill(9), sequence_reserved: 5_000_000, tree_version: 0, inodes: names + 1, bytes: 0 };
  for (const [key, value] of Object.entries(values)) meta.run(key, value);
  db.run(`PRAGMA application_id = ${applicationId}`);
  db.run("PRAGMA user_version = 2");
  db.run("COMMIT");
  for (const statement of [inode, dirent, meta]) statement.finalize();
  db.close();
}

function open(path: string): MetadataStore {
  return openSqliteStore({ path, clock: systemClock, random: systemRandom, logger: silentLogger });
}

/** Everything of an upgraded database is as it would be had it been made now. */
function checkUpgraded(path: string, names: number): void {
  const db = new Database(path, { readonly: true });
  const rows = db.query<{ name: string; child: number; cookie: number; folded: string | null }, []>("SELECT name, child, cookie, folded FROM dirent ORDER BY cookie").all();
  expect(rows.length).toBe(names);
  for (const [i, row] of rows.entries()) if (row.name !== nameOf(i) || row.child !== 100 + i || row.cookie !== 1_000_000 + i || row.folded !== foldColumn(row.name)) throw new Error(`row ${i} is ${JSON.stringify(row)}`);
  expect(db.query("SELECT count(*) AS n FROM inode WHERE flags = 0 AND birth_nsec = 6").get()).toEqual({ n: names + 1 });
  expect(db.query("SELECT * FROM meta WHERE key = 'folding'").get()).toBeNull();
  expect(db.query("PRAGMA user_version").get()).toEqual({ user_version: migrations.length });
  expect(db.query("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  db.close();
}

function inTemporary(work: (directory: TemporaryDirectory) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = temporaryDirectory();
    try {
      await work(directory);
    } finally {
      directory.remove();
    }
  };
}

test("a database of version 2 is brought up to date at its start and is the same share", inTemporary(async (directory) => {
  const path = `${directory.path}/m.db`;
  makeOld(path, 25_000);
  const store = open(path);
  expect(store.identity.instance).toEqual(instance);
  expect((await store.direntsFolding(rootId, foldKey("MIXED case 1"))).map(({ name }) => name)).toEqual(["Mixed Case 1"]);
  expect((await store.direntsFolding(rootId, foldKey("über 2"))).map(({ name }) => name)).toEqual(["ÜBER 2"]);
  const before = await store.inode(100 as FileId);
  expect(before).toMatchObject({ flags: 0, birth: { sec: 5, nsec: 6 } });
  await store.apply({ conditions: [], changes: [{ do: "setXattr", id: 100 as FileId, name: "ea", value: new Uint8Array([1]), at: systemClock.now() }] });
  expect(await store.xattrs(100 as FileId)).toHaveLength(1);
  await store.close();
  const again = open(path);
  expect(await again.xattrs(100 as FileId)).toHaveLength(1);
  await again.close();
}));

test("an upgrade that is killed goes on where it was, as often as it takes", inTemporary(async (directory) => {
  const names = 60_000;
  const whole = `${directory.path}/old.db`;
  makeOld(whole, names);
  let killed = 0;
  let partly = 0;
  // Where this process is held up an upgrade may be over before it is killed: then there are more of them.
  for (let times = 0; times < 3 || (partly === 0 && times < 12); times++) {
    const events = [2, 5, 10][times % 3];
    const path = `${directory.path}/m-${times}.db`;
    cpSync(whole, path);
    for (let start = 0; start < 6; start++) {
      const child = Bun.spawn([process.execPath, `${import.meta.dir}/sqlite-upgrade-child.ts`, path], { stdout: "pipe", stderr: "inherit" });
      let seen = 0;
      const watcher = watch(directory.path, () => {
        if (++seen === events) child.kill("SIGKILL");
      });
      const said = await new Response(child.stdout).text();
      await child.exited;
      watcher.close();
      if (said === "open") break;
      killed++;
      if (halfFolded(path)) partly++;
    }
    await open(path).close();
    checkUpgraded(path, names);
  }
  expect(killed).toBeGreaterThan(0);
  expect(partly).toBeGreaterThan(0);
}), 120_000);

/** Whether a database that was left lying is between two steps: read from a copy, as a start would. */
function halfFolded(path: string): boolean {
  const copy = `${path}-look`;
  for (const part of ["", "-wal"]) if (existsSync(path + part)) cpSync(path + part, copy + part);
  const db = new Database(copy);
  try {
    const [version] = db.query<{ user_version: number }, []>("PRAGMA user_version").all();
    if (version?.user_version !== migrations.length) return false;
    const place = db.query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'folding'").get();
    return place !== null && !place.value.includes(String(Number.MIN_SAFE_INTEGER));
  } finally {
    db.close();
  }
}
