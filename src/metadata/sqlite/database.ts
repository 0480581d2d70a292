import { Database, SQLiteError, constants } from "bun:sqlite";
import { closeSync, fsyncSync, openSync } from "node:fs";
import { type PageOps, readFromDisk } from "#base/kernel-pages.ts";
import type { Random } from "#base/random.ts";
import { firstDrawn } from "#model/ids.ts";
import { MetadataStoreError } from "../errors.ts";
import { newIdentity } from "../identity.ts";
import { firstPlace, foldNames } from "./fold-names.ts";
import { MetaKey, applicationId, foldedVersion, migrations, pageBytes } from "./schema.ts";

/** SQLite's page cache of a share's database. */
const cacheKiB = 16 * 1024;

/** Whether SQLite says that there is no room (SQLITE_FULL, or an I/O error that came of it). */
export function isNoSpace(error: unknown): boolean {
  return error instanceof SQLiteError && (error.errno & 0xff) === full;
}

function primaryCode(error: unknown): number {
  return error instanceof SQLiteError ? error.errno & 0xff : 0;
}

const busy = 5;
const cannotOpen = 14;
const full = 13;
const notADatabase = 26;

/** An error of opening, in words for whoever runs the server. */
export function explain(path: string, error: unknown): unknown {
  const cause = error instanceof Error ? error.message : String(error);
  switch (primaryCode(error)) {
    case busy:
      return new MetadataStoreError(`${path} is in use by another process: a share's metadata can be served by one server at a time`);
    case notADatabase:
      return new MetadataStoreError(`${path} is not a DittoFS metadata database (${cause}); point the share at another path or move that file away`);
    case cannotOpen:
      return new MetadataStoreError(`${path} cannot be opened (${cause}); its directory must exist and be writable for this user`);
    case full:
      return new MetadataStoreError(`${path} cannot be opened because its disk is full; make room and start again`);
    default:
      return error;
  }
}

/**
 * To be done before a database is opened. After a failed sync the kernel has frames of the WAL that are not on the disk: to go on behind them would lose with
 * the power whatever is committed from then on, since a WAL ends where a frame is missing. Of the database itself nothing counts before it was synced: until
 * then the WAL has it, and the next checkpoint writes all of that again. (To open and close it here would drop the locks that this process has on it.)
 */
export function readWalFromDisk(path: string, ops: Partial<PageOps>): void {
  try {
    readFromDisk(`${path}-wal`, ops);
  } catch (error) {
    throw explain(path, error);
  }
}

/**
 * Opens a share's database, which this process then has to itself, and brings its tables up to date; a new one gets its
 * identity from `random`. Refuses what is not ours, what is newer than this program, and what another process has open.
 */
export function openDatabase(path: string, writer: string, random: Random): Database {
  let db: Database;
  createPrivately(path);
  try {
    db = new Database(path, { create: true, readwrite: true });
  } catch (error) {
    throw explain(path, error);
  }
  try {
    // Exclusive: the lock is held until close, and the WAL's index lives in this process's memory instead of a -shm file.
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    db.run("PRAGMA busy_timeout = 0");
    const version = checkOurs(db, path);
    configure(db);
    migrate(db, version, writer, random);
    foldNames(db);
    return db;
  } catch (error) {
    db.close();
    throw explain(path, error);
  }
}

/** The key of the file handles lies in this file: nobody else may read it. SQLite gives the WAL the same mode. */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch {
    // It exists, or SQLite will say why it cannot be made.
  }
}

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function pragma(db: Database, name: string): number {
  const row = db.query<Record<string, number>, []>(`PRAGMA ${name}`).get();
  return row?.[name] ?? 0;
}

/** The format version of a database that is ours; 0 of an empty one. */
function checkOurs(db: Database, path: string): number {
  const application = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  const tables = db.query<{ n: number }, []>("SELECT count(*) AS n FROM sqlite_schema").get()?.n ?? 0;
  if (application === 0 && version === 0 && tables === 0) return 0;
  if (application !== applicationId) {
    throw new MetadataStoreError(
      `${path} is an SQLite database, but not one of DittoFS (application id ${application}); point the share at another path`,
    );
  }
  if (version > migrations.length) {
    throw new MetadataStoreError(
      `${path} has metadata format ${version}, written by ${writerOf(db)}; this program reads formats up to ${migrations.length}. ` +
        "Start the newer program, or restore a backup that this one made",
    );
  }
  return version;
}

/** What wrote a database that may be newer than we know. */
function writerOf(db: Database): string {
  try {
    return String(db.query<{ value: unknown }, [string]>("SELECT value FROM meta WHERE key = ?").get(MetaKey.writer)?.value ?? "an unknown program");
  } catch {
    return "a newer program";
  }
}

function configure(db: Database): void {
  db.run(`PRAGMA page_size = ${pageBytes}`);
  db.run("PRAGMA journal_mode = WAL");
  // NORMAL leaves the sync of a commit to us and syncs the header of a restarted WAL before its frames.
  db.run("PRAGMA synchronous = NORMAL");
  db.run("PRAGMA wal_autocheckpoint = 0");
  // With a limit SQLite would empty the WAL at close, even where it is to be kept.
  db.run("PRAGMA journal_size_limit = -1");
  keepWalAtClose(db, true);
  db.run(`PRAGMA cache_size = -${cacheKiB}`);
  db.run("PRAGMA temp_store = MEMORY");
}

/** Whether closing the database leaves its WAL: only an orderly end lets it go. */
export function keepWalAtClose(db: Database, keep: boolean): void {
  db.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, keep ? 1 : 0);
}

function migrate(db: Database, from: number, writer: string, random: Random): void {
  if (from === migrations.length) return;
  db.run("BEGIN IMMEDIATE");
  for (let version = from; version < migrations.length; version++) db.run(migrations[version] as string);
  const put = db.query<void, [string, string | number | Uint8Array]>("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)");
  put.run(MetaKey.writer, writer);
  if (from === 0) {
    const identity = newIdentity(random);
    put.run(MetaKey.instance, identity.instance);
    put.run(MetaKey.handleKey, identity.handleKey);
    put.run(MetaKey.reserved, firstDrawn);
    put.run(MetaKey.treeVersion, 0);
    put.run(MetaKey.inodes, 0);
    put.run(MetaKey.bytes, 0);
  }
  else if (from < foldedVersion) put.run(MetaKey.folding, firstPlace);
  db.run(`PRAGMA application_id = ${applicationId}`);
  db.run(`PRAGMA user_version = ${migrations.length}`);
  db.run("COMMIT");
}
