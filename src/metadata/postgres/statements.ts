import { inodeSelection, packSelection } from "./decode.ts";
import { applyArrays } from "./schema.ts";

/** Statements of a share that is open; the first value of each is the share. Each is prepared once a session. */

const applyScalars = ["integer", "bigint", "bigint", "bigint", "bigint", "bigint"];

export const statements = {
  apply: `SELECT dittofs_apply(${[...applyScalars, ...applyArrays.map(([, type]) => `${type}[]`)].map((type, i) => `$${i + 1}::${type}`).join(", ")})`,

  writers: "SELECT epoch, batch, holder, since::text FROM dittofs_writer WHERE share = $1",
  /** Of a writer that still has the share; the same again changes nothing. */
  reserve: "UPDATE dittofs_share SET reserved = greatest(reserved, $2) WHERE share = $1 AND EXISTS (SELECT FROM dittofs_writer WHERE share = $1 AND epoch = $3) RETURNING reserved",
  giveUp: "DELETE FROM dittofs_writer WHERE share = $1 AND epoch = $2",
  giveBack: "UPDATE dittofs_share SET reserved = $2 WHERE share = $1 AND reserved = $3 AND EXISTS (SELECT FROM dittofs_writer WHERE share = $1 AND epoch = $4)",

  inodes: `SELECT ${inodeSelection("i")} FROM unnest($2::bigint[]) AS w(id) JOIN dittofs_inode i ON i.share = $1 AND i.id = w.id`,
  names: `SELECT w.n, d.child, d.cookie, ${inodeSelection("i")} FROM unnest($2::bigint[], $3::bytea[]) WITH ORDINALITY AS w(parent, name, n)
    JOIN dittofs_dirent d ON d.share = $1 AND d.parent = w.parent AND d.name = w.name LEFT JOIN dittofs_inode i ON i.share = $1 AND i.id = d.child`,
  foldings: `SELECT w.n, d.name, d.child, d.cookie, ${inodeSelection("i")} FROM unnest($2::bigint[], $3::bytea[]) WITH ORDINALITY AS w(parent, key, n)
    CROSS JOIN LATERAL (SELECT name, child, cookie FROM dittofs_dirent WHERE share = $1 AND parent = w.parent AND name = w.key
      UNION ALL (SELECT name, child, cookie FROM dittofs_dirent WHERE share = $1 AND parent = w.parent AND folded = w.key LIMIT $4)) AS d
    LEFT JOIN dittofs_inode i ON i.share = $1 AND i.id = d.child`,
  packs: `SELECT ${packSelection} FROM unnest($2::bigint[]) AS w(id) JOIN dittofs_pack p ON p.share = $1 AND p.id = w.id`,
  /** Of each directory one entry, if there is one. */
  entries: `SELECT w.id, d.name, d.child, d.cookie FROM unnest($2::bigint[]) AS w(id)
    CROSS JOIN LATERAL (SELECT name, child, cookie FROM dittofs_dirent WHERE share = $1 AND parent = w.id LIMIT 1) AS d`,
  // The extent that begins last at or before the range is the only one before it that can reach into it.
  extents: `SELECT w.n, e.start, e.length, e.pack, e.pack_start FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS w(file, a, b, n)
    CROSS JOIN LATERAL (SELECT start, length, pack, pack_start FROM dittofs_extent WHERE share = $1 AND file = w.file AND start < w.b
      AND start >= coalesce((SELECT max(start) FROM dittofs_extent WHERE share = $1 AND file = w.file AND start <= w.a), w.a) ORDER BY start LIMIT $5) AS e ORDER BY w.n, e.start`,
  sum: "SELECT pack, sum(length)::bigint FROM dittofs_extent WHERE share = $1 AND file = $2 AND start >= $3 AND start < $4 GROUP BY pack",

  xattrs: "SELECT id, name, value FROM dittofs_xattr WHERE share = $1 AND id = $2 ORDER BY name",
  scanXattrs: "SELECT id, name, value FROM dittofs_xattr WHERE share = $1 AND (id, name) > ($2, $3) ORDER BY id, name LIMIT $4",

  referred: "SELECT coalesce(sum(length), 0)::bigint FROM dittofs_extent WHERE share = $1 AND pack = $2",
  usage: "SELECT count(*), coalesce(sum(CASE type WHEN 1 THEN used ELSE 0 END), 0)::bigint FROM dittofs_inode WHERE share = $1 AND links > 0",

  directory: `SELECT d.name, d.child, d.cookie, ${inodeSelection("i")} FROM (SELECT name, child, cookie FROM dittofs_dirent WHERE share = $1 AND parent = $2 AND cookie > $3 ORDER BY cookie LIMIT $4) AS d
    LEFT JOIN dittofs_inode i ON i.share = $1 AND i.id = d.child ORDER BY d.cookie`,
  orphans: "SELECT id FROM dittofs_orphan WHERE share = $1 AND id > $2 ORDER BY id LIMIT $3",
  packPage: `SELECT ${packSelection} FROM dittofs_pack p WHERE share = $1 AND id > $2 ORDER BY id LIMIT $3`,
  extentsOfPack: "SELECT file, start, length, pack, pack_start FROM dittofs_extent WHERE share = $1 AND pack = $2 LIMIT $3",
  scanInodes: `SELECT ${inodeSelection("i")} FROM dittofs_inode i WHERE share = $1 AND id > $2 ORDER BY id LIMIT $3`,
  scanDirents: "SELECT parent, name, child, cookie, folded FROM dittofs_dirent WHERE share = $1 AND (parent, cookie) > ($2, $3) ORDER BY parent, cookie LIMIT $4",
  scanExtents: "SELECT file, start, length, pack, pack_start FROM dittofs_extent WHERE share = $1 AND (file, start) > ($2, $3) ORDER BY file, start LIMIT $4",
  lastContentSequence: "SELECT coalesce(max(greatest(content_sequence, mtime_sequence)), 0) FROM dittofs_inode WHERE share = $1",
} as const;
