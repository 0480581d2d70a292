import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import { inodeInsert, inodeSelect, inodeUpdate } from "./inode-row.ts";

/**
 * `?+0` instead of `?` where a bare parameter could steer the plan (a LIMIT, or a column that is ordered by as well): SQLite
 * would prepare the statement anew whenever it is bound to another value, which costs ten times as much as running it.
 */
const sql = {
  begin: "BEGIN IMMEDIATE",
  commit: "COMMIT",
  rollback: "ROLLBACK",

  inode: inodeSelect,
  insertInode: inodeInsert,
  updateInode: inodeUpdate,
  updateBirthAndFlags: "UPDATE inode SET birth_sec = ?, birth_nsec = ?, flags = ? WHERE id = ?",
  deleteInode: "DELETE FROM inode WHERE id = ?",

  orphans: "SELECT id FROM orphan WHERE id > ?+0 ORDER BY id LIMIT ?+0",
  insertOrphan: "INSERT OR IGNORE INTO orphan (id) VALUES (?)",
  deleteOrphan: "DELETE FROM orphan WHERE id = ?",

  dirent: "SELECT child, cookie FROM dirent WHERE parent = ? AND name = ?",
  directory: "SELECT name, child, cookie FROM dirent WHERE parent = ?+0 AND cookie > ?+0 ORDER BY cookie LIMIT ?+0",
  direntsFolding: `SELECT name, child, cookie FROM dirent WHERE parent = ?1 AND name = ?2
    UNION ALL SELECT name, child, cookie FROM dirent INDEXED BY dirent_by_fold WHERE parent = ?1 AND folded = ?2 LIMIT ?3+0`,
  // Most names are their own key: a parameter more costs them something.
  insertDirent: "INSERT INTO dirent (parent, name, child, cookie) VALUES (?, ?, ?, ?)",
  insertFolded: "INSERT INTO dirent (parent, name, child, cookie, folded) VALUES (?, ?, ?, ?, ?)",
  deleteDirent: "DELETE FROM dirent WHERE parent = ? AND name = ?",

  xattr: "SELECT value FROM xattr WHERE id = ? AND name = ?",
  xattrs: "SELECT id, name, value FROM xattr WHERE id = ? ORDER BY name",
  putXattr: "INSERT OR REPLACE INTO xattr (id, name, value) VALUES (?, ?, ?)",
  deleteXattr: "DELETE FROM xattr WHERE id = ? AND name = ?",
  deleteXattrs: "DELETE FROM xattr WHERE id = ?",

  // The extent that begins last at or before the range is the only one before it that can reach into it.
  extents: `SELECT start, length, pack, pack_start FROM extent
    WHERE file = ?1+0 AND start < ?3+0
      AND start >= ifnull((SELECT max(start) FROM extent WHERE file = ?1+0 AND start <= ?2+0), ?2+0)
    ORDER BY start LIMIT ?4+0`,
  packBytes: "SELECT pack, sum(length) AS bytes FROM extent WHERE file = ? AND start >= ? AND start < ? GROUP BY pack",
  deleteExtents: "DELETE FROM extent WHERE file = ? AND start >= ? AND start < ?",
  insertExtent: "INSERT INTO extent (file, start, length, pack, pack_start) VALUES (?, ?, ?, ?, ?)",
  replaceExtent: "UPDATE extent SET length = ?, pack = ?, pack_start = ? WHERE file = ? AND start = ?",
  extentsOfPack: "SELECT file, start, length, pack_start FROM extent WHERE pack = ?+0 LIMIT ?+0",

  liveBytes: "SELECT ifnull(sum(length), 0) AS bytes FROM extent WHERE pack = ?",
  countUsage: "SELECT count(*) AS inodes, ifnull(sum(CASE type WHEN 1 THEN used ELSE 0 END), 0) AS bytes FROM inode WHERE links > 0",

  scanInodes: "SELECT * FROM inode WHERE id > ?+0 ORDER BY id LIMIT ?+0",
  scanDirents: "SELECT parent, name, child, cookie, folded FROM dirent WHERE (parent, cookie) > (?+0, ?+0) ORDER BY parent, cookie LIMIT ?+0",
  scanExtents: "SELECT file, start, length, pack, pack_start FROM extent WHERE (file, start) > (?+0, ?+0) ORDER BY file, start LIMIT ?+0",

  scanXattrs: "SELECT id, name, value FROM xattr WHERE (id, name) > (?+0, ?) ORDER BY id, name LIMIT ?+0",

  lastContentSequence: "SELECT ifnull(max(max(content_sequence, mtime_sequence)), 0) AS last FROM inode",

  pack: "SELECT * FROM pack WHERE id = ?",
  packs: "SELECT * FROM pack WHERE id > ?+0 ORDER BY id LIMIT ?+0",
  insertPack: "INSERT INTO pack (id, key, state, size, live, since_sec, since_nsec, frames) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  updatePack: "UPDATE pack SET key = ?, state = ?, size = ?, live = ?, since_sec = ?, since_nsec = ?, frames = ? WHERE id = ?",
  updatePackLive: "UPDATE pack SET live = ? WHERE id = ?",
  deletePack: "DELETE FROM pack WHERE id = ?",

  meta: "SELECT value FROM meta WHERE key = ?",
  putMeta: "UPDATE meta SET value = ? WHERE key = ?",

  journalEnd: "SELECT ifnull(max(turn), 0) AS turn FROM journal",
  journalAfter: "SELECT turn, sets FROM journal WHERE turn > ?+0 ORDER BY turn LIMIT ?+0",
  insertTurn: "INSERT INTO journal (turn, sets) VALUES (?, ?)",
  deleteTurns: "DELETE FROM journal WHERE turn <= ?+0",
  replaceMeta: "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",

  freePages: "PRAGMA freelist_count",
  walPages: "PRAGMA wal_checkpoint(NOOP)",
  checkpoint: "PRAGMA wal_checkpoint(PASSIVE)",
  truncateWal: "PRAGMA wal_checkpoint(TRUNCATE)",
} as const;

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
