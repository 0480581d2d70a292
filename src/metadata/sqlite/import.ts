import { Database } from "bun:sqlite";
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { HistoryMark } from "#model/history.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { copyTables } from "../copy-tables.ts";
import { openDatabase } from "./database.ts";
import { SqliteStore } from "./index.ts";
import { writeMark } from "./journal.ts";
import { SqliteRows } from "./rows.ts";
import { MetaKey } from "./schema.ts";
import { finalizeAll, prepareAll, type Statements } from "./statements.ts";

/** What is being made has this after its name until it is whole. */
const unfinished = ".importing";

export interface ImportOptions {
  /** The database file to make; there must be none. */
  readonly path: string;
  readonly source: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  /** How far the share's history was published, where the source doesn't know; null: nothing was. */
  readonly mark: HistoryMark | null;
  /** Told of rows that were written; may throw to end the work. */
  readonly wrote: (rows: number) => void;
  /** Looks at the new database, opened from where it was made, before it gets its name; throws where it is not as it should be. */
  readonly verify: (path: string) => Promise<void>;
}

/**
 * Makes a database with every row of a store to which nothing is applied meanwhile, and its identity, so that handles stay good. It gets its
 * name once it is whole, verified and durable; what was cut off before is begun anew.
 */
export async function importIntoSqlite(options: ImportOptions): Promise<void> {
  const made = `${options.path}${unfinished}`;
  for (const part of ["", "-wal", "-shm", "-reserve"]) rmSync(made + part, { force: true });
  const db = openDatabase(made, "DittoFS", options.random);
  try {
    await fill(db, options);
  } finally {
    db.close();
  }
  await options.verify(made);
  for (const part of ["-wal", "-shm", "-reserve"]) rmSync(made + part, { force: true });
  sync(made);
  renameSync(made, options.path);
  sync(dirname(options.path));
}

function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

async function fill(db: Database, options: ImportOptions): Promise<void> {
  const statements = prepareAll(db);
  try {
    const rows = new SqliteRows(db, statements);
    await copyTables(rows, options);
    await putMeta(rows, statements, options);
    db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    finalizeAll(statements);
  }
}

/** What lies in `meta`: the numbers that were given are never given again. */
async function putMeta(rows: SqliteRows, statements: Statements, { source, mark: given }: ImportOptions): Promise<void> {
  const { inodes, bytes } = await source.usage();
  const treeVersion = await source.treeVersion();
  rows.begin();
  statements.putMeta.run(source.identity.instance, MetaKey.instance);
  statements.putMeta.run(source.identity.handleKey, MetaKey.handleKey);
  // What was applied elsewhere was not kept here: the history of the share is begun anew, by who is known to have it.
  const mark = source instanceof SqliteStore ? (source.historyMark() ?? given) : given;
  if (mark !== null) writeMark(statements, { ...mark, continues: false });
  statements.putMeta.run(source.draw(), MetaKey.reserved);
  rows.putTotals({ treeVersion, inodes, bytes }, { treeVersion: -1, inodes: -1, bytes: -1 });
  rows.commit();
}
