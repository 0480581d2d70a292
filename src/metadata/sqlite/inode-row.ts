import { Time } from "#base/time.ts";
import type { FileId } from "#model/ids.ts";
import { type FileType, Inode } from "#model/inode.ts";

/** A row of `inode` as SQLite gives it. */
export interface InodeRow {
  readonly id: number;
  readonly type: number;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly used: number;
  readonly device_major: number;
  readonly device_minor: number;
  readonly atime_sec: number;
  readonly atime_nsec: number;
  readonly mtime_sec: number;
  readonly mtime_nsec: number;
  readonly ctime_sec: number;
  readonly ctime_nsec: number;
  readonly birth_sec: number;
  readonly birth_nsec: number;
  readonly change: number;
  readonly attribute_version: number;
  readonly content_sequence: number;
  readonly mtime_sequence: number;
  readonly parent: number;
  readonly generation: number;
  readonly create_verifier: Uint8Array | null;
  readonly target: Uint8Array | null;
  readonly flags: number;
}

export const inodeSelect = "SELECT * FROM inode WHERE id = ?";
export const inodeInsert = `INSERT INTO inode VALUES (${new Array(27).fill("?").join(", ")})`;
/** The columns that change often, then the id. */
export const inodeUpdate = `UPDATE inode SET mode = ?, links = ?, uid = ?, gid = ?, size = ?, used = ?,
  atime_sec = ?, atime_nsec = ?, mtime_sec = ?, mtime_nsec = ?, ctime_sec = ?, ctime_nsec = ?, change = ?,
  attribute_version = ?, content_sequence = ?, mtime_sequence = ?, parent = ?, create_verifier = ? WHERE id = ?`;

export function toInode(r: InodeRow): Inode {
  return new Inode({
    id: r.id as FileId,
    type: r.type as FileType,
    mode: r.mode,
    links: r.links,
    uid: r.uid,
    gid: r.gid,
    size: r.size,
    used: r.used,
    deviceMajor: r.device_major,
    deviceMinor: r.device_minor,
    atime: new Time(r.atime_sec, r.atime_nsec),
    mtime: new Time(r.mtime_sec, r.mtime_nsec),
    ctime: new Time(r.ctime_sec, r.ctime_nsec),
    birth: new Time(r.birth_sec, r.birth_nsec),
    change: r.change,
    attributeVersion: r.attribute_version,
    contentSequence: r.content_sequence,
    mtimeSequence: r.mtime_sequence,
    parent: r.parent,
    generation: r.generation,
    createVerifier: r.create_verifier,
    target: r.target,
    flags: r.flags,
  });
}
