/**
 * The tables of a share's database; docs/formats/metadata-sqlite.md describes them. A migration is never changed once
 * released: a new one is appended. `PRAGMA user_version` counts those that were run.
 */

/** "DtFS": marks a database as ours (`PRAGMA application_id`). */
export const applicationId = 0x44744653;

/** Small pages: a set that touches a random leaf of a large directory puts less into the WAL. */
export const pageBytes = 2048;

const initial = `
CREATE TABLE inode (
  id INTEGER PRIMARY KEY,
  type INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  links INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  size INTEGER NOT NULL,
  used INTEGER NOT NULL,
  device_major INTEGER NOT NULL,
  device_minor INTEGER NOT NULL,
  atime_sec INTEGER NOT NULL,
  atime_nsec INTEGER NOT NULL,
  mtime_sec INTEGER NOT NULL,
  mtime_nsec INTEGER NOT NULL,
  ctime_sec INTEGER NOT NULL,
  ctime_nsec INTEGER NOT NULL,
  birth_sec INTEGER NOT NULL,
  birth_nsec INTEGER NOT NULL,
  change INTEGER NOT NULL,
  attribute_version INTEGER NOT NULL,
  content_sequence INTEGER NOT NULL,
  mtime_sequence INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  create_verifier BLOB,
  target BLOB
) STRICT;

CREATE TABLE dirent (
  parent INTEGER NOT NULL,
  name TEXT NOT NULL,
  child INTEGER NOT NULL,
  cookie INTEGER NOT NULL,
  PRIMARY KEY (parent, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX dirent_by_cookie ON dirent (parent, cookie, child);

CREATE TABLE extent (
  file INTEGER NOT NULL,
  start INTEGER NOT NULL,
  length INTEGER NOT NULL,
  pack INTEGER NOT NULL,
  pack_start INTEGER NOT NULL,
  PRIMARY KEY (file, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX extent_by_pack ON extent (pack);

CREATE TABLE orphan (
  id INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE pack (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  state INTEGER NOT NULL,
  size INTEGER NOT NULL,
  live INTEGER NOT NULL,
  since_sec INTEGER NOT NULL,
  since_nsec INTEGER NOT NULL,
  frames BLOB NOT NULL
) STRICT;

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;
`;

const journal = `
CREATE TABLE journal (
  turn INTEGER PRIMARY KEY,
  sets BLOB NOT NULL
) STRICT;
`;

/** Neither column is written into rows that are there; `foldNames` fills `folded`, in steps. */
const attributes = `
ALTER TABLE inode ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dirent ADD COLUMN folded TEXT;
CREATE INDEX dirent_by_fold ON dirent (parent, folded) WHERE folded IS NOT NULL;
CREATE TABLE xattr (
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (id, name)
) STRICT, WITHOUT ROWID;
`;

/** In order; the format's version is their number. */
export const migrations: readonly string[] = [initial, journal, attributes];

/** From this version on names have their `folded`. */
export const foldedVersion = 3;

/** Keys of `meta`. */
export const MetaKey = {
  writer: "writer",
  instance: "instance",
  handleKey: "handle_key",
  reserved: "sequence_reserved",
  treeVersion: "tree_version",
  inodes: "inodes",
  bytes: "bytes",
  history: "history",
  /** While names that were there before are given their `folded`: up to where they have it. */
  folding: "folding",
} as const;
export type MetaKey = (typeof MetaKey)[keyof typeof MetaKey];
