import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import { inodeInsert, inodeSelect, inodeUpdate } from "./inode-row.ts";

const sql = {
  begin: "BEGIN IMMEDIATE",
  commit: "COMMIT",
  rollback: "ROLLBACK",

  inode: inodeSelect,
  insertInode: inodeInsert,
  updateInode: inodeUpdate,
  deleteInode: "DELETE FROM inode WHERE id = ?",

  orphans: "SELECT id FROM orphan WHERE id > ? ORDER BY id LIMIT ?",
  insertOrphan: "INSERT INTO orphan (id) VALUES (?)",
  deleteOrphan: "DELETE FROM orphan WHERE id = ?",

  dirent: "SELECT child, cookie FROM dirent WHERE parent = ? AND name = ?",
  directory: "SELECT name, child, cookie FROM dirent WHERE parent = ? AND cookie > ? ORDER BY cookie LIMIT ?",
  insertDirent: "INSERT INTO dirent (parent, name, child, cookie) VALUES (?, ?, ?, ?)",
  deleteDirent: "DELETE FROM dirent WHERE parent = ? AND name = ?",

  // The extent that begins last at or before the range is the only one before it that can reach into it.
  extents: `SELECT start, length, pack, pack_start FROM extent
    WHERE file = ?1 AND start < ?3 AND start >= coalesce((SELECT max(start) FROM extent WHERE file = ?1 AND start <= ?2), ?2)
    ORDER BY start LIMIT ?4`,
  packBytes: "SELECT pack, sum(length) AS bytes FROM extent WHERE file = ? AND start >= ? AND start < ? GROUP BY pack",
  deleteExtents: "DELETE FROM extent WHERE file = ? AND start >= ? AND start < ?",
  insertExtent: "INSERT INTO extent (file, start, length, pack, pack_start) VALUES (?, ?, ?, ?, ?)",
  extentsOfPack: "SELECT file, start, length, pack_start FROM extent WHERE pack = ? LIMIT ?",

  pack: "SELECT * FROM pack WHERE id = ?",
  packs: "SELECT * FROM pack WHERE id > ? ORDER BY id LIMIT ?",
  insertPack: "INSERT INTO pack (id, key, state, size, live, since_sec, since_nsec, frames) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  updatePack: "UPDATE pack SET key = ?, state = ?, size = ?, live = ?, since_sec = ?, since_nsec = ?, frames = ? WHERE id = ?",
  updatePackLive: "UPDATE pack SET live = ? WHERE id = ?",
  deletePack: "DELETE FROM pack WHERE id = ?",

  meta: "SELECT value FROM meta WHERE key = ?",
  putMeta: "UPDATE meta SET value = ? WHERE key = ?",

  walPages: "PRAGMA wal_checkpoint(NOOP)",
  checkpoint: "PRAGMA wal_checkpoint(PASSIVE)",
} as const;

// biome-ignore lint: rows are typed where they are read
type Any = Statement<unknown, SQLQueryBindings[]>;
export type Statements = Readonly<Record<keyof typeof sql, Any>>;

/** Every statement, prepared once. */
export function prepareAll(db: Database): Statements {
  return Object.fromEntries(Object.entries(sql).map(([name, text]) => [name, db.prepare(text)])) as Statements;
}

/** SQLite lets go of its files only once no statement is left. */
export function finalizeAll(statements: Statements): void {
  for (const statement of Object.values(statements)) statement.finalize();
}
