/**
 * The tables of the shares in a database, and the function that a batch is written with; docs/formats/metadata-postgres.md
 * describes them. A migration is never changed once released: a new one is appended. `dittofs_format` holds those that were run.
 */

/** Columns of dittofs_inode after `share`, in the order that rows are read and written in, with their types. */
export const inodeColumns = [
  ["id", "bigint"],
  ["size", "bigint"],
  ["used", "bigint"],
  ["uid", "bigint"],
  ["gid", "bigint"],
  ["atime_sec", "bigint"],
  ["mtime_sec", "bigint"],
  ["ctime_sec", "bigint"],
  ["birth_sec", "bigint"],
  ["change", "bigint"],
  ["attribute_version", "bigint"],
  ["content_sequence", "bigint"],
  ["mtime_sequence", "bigint"],
  ["parent", "bigint"],
  ["generation", "bigint"],
  ["device_major", "bigint"],
  ["device_minor", "bigint"],
  ["links", "integer"],
  ["mode", "integer"],
  ["atime_nsec", "integer"],
  ["mtime_nsec", "integer"],
  ["ctime_nsec", "integer"],
  ["birth_nsec", "integer"],
  ["type", "integer"],
  ["create_verifier", "bytea"],
  ["target", "bytea"],
  ["flags", "integer"],
] as const;

/** Of version 1. */
const firstColumns = inodeColumns.slice(0, -1);

/** Those that change after an inode was made, behind its id. */
export const changingColumns = [
  "size", "used", "uid", "gid", "atime_sec", "mtime_sec", "ctime_sec", "birth_sec", "change", "attribute_version", "content_sequence", "mtime_sequence", "parent",
  "links", "mode", "atime_nsec", "mtime_nsec", "ctime_nsec", "birth_nsec", "create_verifier", "flags",
] as const;

function typeOf(column: string): string {
  return inodeColumns.find(([name]) => name === column)?.[1] as string;
}

const notNull = (type: string): string => (type === "bytea" ? type : `${type} NOT NULL`);

const tables = `
CREATE TABLE dittofs_share (
  share integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text NOT NULL UNIQUE,
  name text NOT NULL,
  instance bytea NOT NULL,
  handle_key bytea NOT NULL,
  epoch bigint NOT NULL,
  reserved bigint NOT NULL,
  tree_version bigint NOT NULL,
  inodes bigint NOT NULL,
  bytes bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE dittofs_writer (
  share integer NOT NULL,
  epoch bigint NOT NULL,
  batch bigint NOT NULL,
  holder text NOT NULL,
  since timestamptz NOT NULL,
  PRIMARY KEY (share, epoch)
) WITH (fillfactor = 50);

CREATE TABLE dittofs_inode (
  share integer NOT NULL,
  ${firstColumns.map(([name, type]) => `${name} ${notNull(type)}`).join(",\n  ")},
  PRIMARY KEY (share, id)
) WITH (fillfactor = 80);

CREATE TABLE dittofs_dirent (
  share integer NOT NULL,
  parent bigint NOT NULL,
  name bytea NOT NULL,
  child bigint NOT NULL,
  cookie bigint NOT NULL,
  PRIMARY KEY (share, parent, name)
);
CREATE UNIQUE INDEX dittofs_dirent_by_cookie ON dittofs_dirent (share, parent, cookie);

CREATE TABLE dittofs_extent (
  share integer NOT NULL,
  file bigint NOT NULL,
  start bigint NOT NULL,
  length bigint NOT NULL,
  pack bigint NOT NULL,
  pack_start bigint NOT NULL,
  PRIMARY KEY (share, file, start)
);
CREATE INDEX dittofs_extent_by_pack ON dittofs_extent (share, pack);

CREATE TABLE dittofs_orphan (
  share integer NOT NULL,
  id bigint NOT NULL,
  PRIMARY KEY (share, id)
);

CREATE TABLE dittofs_pack (
  share integer NOT NULL,
  id bigint NOT NULL,
  size bigint NOT NULL,
  live bigint NOT NULL CHECK (live >= 0),
  since_sec bigint NOT NULL,
  since_nsec integer NOT NULL,
  state integer NOT NULL,
  key text NOT NULL,
  frames bytea NOT NULL,
  PRIMARY KEY (share, id)
) WITH (fillfactor = 80);
`;

/** Names that are there before are given their `folded` by whoever takes their share, in steps (fold-names.ts). */
const attributes = `
ALTER TABLE dittofs_inode ADD COLUMN flags integer NOT NULL DEFAULT 0;
ALTER TABLE dittofs_dirent ADD COLUMN folded bytea;
CREATE INDEX dittofs_dirent_by_fold ON dittofs_dirent (share, parent, folded) WHERE folded IS NOT NULL;
ALTER TABLE dittofs_share ADD COLUMN folding_parent bigint, ADD COLUMN folding_name bytea;
UPDATE dittofs_share SET folding_parent = ${Number.MIN_SAFE_INTEGER}, folding_name = '';
CREATE TABLE dittofs_xattr (
  share integer NOT NULL,
  id bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (share, id, name)
);
DROP FUNCTION IF EXISTS dittofs_apply;
`;

/** SQLSTATEs of our own, raised by dittofs_apply. */
export const ApplyState = {
  /** The writer's row is gone, or its batches are not at the one before this. */
  notNext: "DF001",
  /** A row that the batch changes is not there. */
  otherRows: "DF002",
} as const;

/** The arrays that dittofs_apply takes after share, epoch, batch and the three totals, with their element types. */
export const applyArrays: readonly (readonly [string, string])[] = [
  ...inodeColumns.map(([name, type]) => [`new_${name}`, type] as const),
  ["set_id", "bigint"],
  ...changingColumns.map((name) => [`set_${name}`, typeOf(name)] as const),
  ["gone_inode", "bigint"],
  ["unlinked_parent", "bigint"],
  ["unlinked_name", "bytea"],
  ["linked_parent", "bigint"],
  ["linked_name", "bytea"],
  ["linked_child", "bigint"],
  ["linked_cookie", "bigint"],
  ["linked_folded", "bytea"],
  ["cut_file", "bigint"],
  ["cut_from", "bigint"],
  ["cut_to", "bigint"],
  ["laid_file", "bigint"],
  ["laid_start", "bigint"],
  ["laid_length", "bigint"],
  ["laid_pack", "bigint"],
  ["laid_pack_start", "bigint"],
  ["new_orphan", "bigint"],
  ["gone_orphan", "bigint"],
  ["put_pack", "bigint"],
  ["put_size", "bigint"],
  ["put_live", "bigint"],
  ["put_since_sec", "bigint"],
  ["put_since_nsec", "integer"],
  ["put_state", "integer"],
  ["put_key", "text"],
  ["put_frames", "bytea"],
  ["live_pack", "bigint"],
  ["live_delta", "bigint"],
  ["gone_pack", "bigint"],
  ["bare_inode", "bigint"],
  ["gone_xattr_id", "bigint"],
  ["gone_xattr_name", "text"],
  ["put_xattr_id", "bigint"],
  ["put_xattr_name", "text"],
  ["put_xattr_value", "bytea"],
];

/** A step that is skipped where its first array is empty; `counted`: it must touch as many rows as that has elements. */
function step(array: string, statement: string, counted: boolean): string {
  const check = `GET DIAGNOSTICS rows_found = ROW_COUNT; IF rows_found <> cardinality(${array}) THEN RAISE EXCEPTION USING ERRCODE = '${ApplyState.otherRows}', MESSAGE = '${array}: ' || rows_found || ' rows instead of ' || cardinality(${array}); END IF;`;
  return `  IF cardinality(${array}) > 0 THEN ${statement}; ${counted ? check : ""} END IF;`;
}

const unnest = (...arrays: string[]): string => `unnest(${arrays.join(", ")})`;

/**
 * One call is one batch, in a transaction of its own. Its first statement is the fence, the order and the memory of what was done:
 * only the writer that took the share last finds its row, and only at the batch before this one.
 */
const applyFunction = `
CREATE FUNCTION dittofs_apply(the_share integer, the_epoch bigint, the_batch bigint, tree_versions bigint, more_inodes bigint, more_bytes bigint,
  ${applyArrays.map(([name, type]) => `${name} ${type}[]`).join(", ")}) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE rows_found bigint;
BEGIN
  UPDATE dittofs_writer SET batch = the_batch WHERE share = the_share AND epoch = the_epoch AND batch = the_batch - 1;
  IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = '${ApplyState.notNext}', MESSAGE = 'not the next batch of this share''s writer'; END IF;
${step("gone_inode", "DELETE FROM dittofs_inode i USING unnest(gone_inode) AS g(id) WHERE i.share = the_share AND i.id = g.id", true)}
${step("new_id", `INSERT INTO dittofs_inode SELECT the_share, * FROM ${unnest(...inodeColumns.map(([name]) => `new_${name}`))}`, false)}
${step(
  "set_id",
  `UPDATE dittofs_inode i SET ${changingColumns.map((name) => `${name} = s.${name}`).join(", ")} FROM ${unnest("set_id", ...changingColumns.map((name) => `set_${name}`))} AS s(id, ${changingColumns.join(", ")}) WHERE i.share = the_share AND i.id = s.id`,
  true,
)}
${step("unlinked_parent", "DELETE FROM dittofs_dirent d USING unnest(unlinked_parent, unlinked_name) AS u(parent, name) WHERE d.share = the_share AND d.parent = u.parent AND d.name = u.name", true)}
${step("linked_parent", "INSERT INTO dittofs_dirent SELECT the_share, * FROM unnest(linked_parent, linked_name, linked_child, linked_cookie, linked_folded)", false)}
${step("cut_file", "DELETE FROM dittofs_extent e USING unnest(cut_file, cut_from, cut_to) AS c(file, a, b) WHERE e.share = the_share AND e.file = c.file AND e.start >= c.a AND e.start < c.b", false)}
${step(
  "laid_file",
  "INSERT INTO dittofs_extent SELECT the_share, * FROM unnest(laid_file, laid_start, laid_length, laid_pack, laid_pack_start) ON CONFLICT (share, file, start) DO UPDATE SET length = excluded.length, pack = excluded.pack, pack_start = excluded.pack_start",
  false,
)}
${step("new_orphan", "INSERT INTO dittofs_orphan SELECT the_share, * FROM unnest(new_orphan) ON CONFLICT DO NOTHING", false)}
${step("gone_orphan", "DELETE FROM dittofs_orphan o USING unnest(gone_orphan) AS g(id) WHERE o.share = the_share AND o.id = g.id", false)}
${step(
  "put_pack",
  `INSERT INTO dittofs_pack SELECT the_share, * FROM unnest(put_pack, put_size, put_live, put_since_sec, put_since_nsec, put_state, put_key, put_frames)
    ON CONFLICT (share, id) DO UPDATE SET size = excluded.size, live = dittofs_pack.live + excluded.live, since_sec = excluded.since_sec, since_nsec = excluded.since_nsec, state = excluded.state, key = excluded.key, frames = excluded.frames`,
  false,
)}
${step("live_pack", "UPDATE dittofs_pack p SET live = p.live + l.delta FROM unnest(live_pack, live_delta) AS l(id, delta) WHERE p.share = the_share AND p.id = l.id", true)}
${step("gone_pack", "DELETE FROM dittofs_pack p USING unnest(gone_pack) AS g(id) WHERE p.share = the_share AND p.id = g.id", true)}
${step("bare_inode", "DELETE FROM dittofs_xattr x USING unnest(bare_inode) AS b(id) WHERE x.share = the_share AND x.id = b.id", false)}
${step("gone_xattr_id", "DELETE FROM dittofs_xattr x USING unnest(gone_xattr_id, gone_xattr_name) AS g(id, name) WHERE x.share = the_share AND x.id = g.id AND x.name = g.name", false)}
${step("put_xattr_id", "INSERT INTO dittofs_xattr SELECT the_share, * FROM unnest(put_xattr_id, put_xattr_name, put_xattr_value) ON CONFLICT (share, id, name) DO UPDATE SET value = excluded.value", false)}
  IF tree_versions <> 0 OR more_inodes <> 0 OR more_bytes <> 0 THEN
    UPDATE dittofs_share SET tree_version = tree_version + tree_versions, inodes = inodes + more_inodes, bytes = bytes + more_bytes WHERE share = the_share;
  END IF;
END $body$`;

const statementsOf = (text: string): readonly string[] => text.split(";").filter((one) => one.trim() !== "");

/**
 * In order; the format's version is their number. Each is a list of statements. The function is that of the newest version: whoever serves
 * a share with an older one finds at its next batch that it can't go on.
 */
export const migrations: readonly (readonly string[])[] = [statementsOf(tables), [...statementsOf(attributes), applyFunction]];
