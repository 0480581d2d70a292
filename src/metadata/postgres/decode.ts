import { Time } from "#base/time.ts";
import type { Extent, Pack, PackState } from "#model/change-set.ts";
import type { Cookie, FileId, PackId } from "#model/ids.ts";
import { type Dirent, type FileType, Inode, type Xattr } from "#model/inode.ts";
import type { FileExtent, ScannedDirent } from "#model/metadata-store.ts";
import { inodeColumns } from "./schema.ts";

/** A row as an array of its columns. */
export type Row = readonly unknown[];

/** OIDs of pg_type. */
const int8 = 20;
const bytea = 17;

/** Integers below 2^53 as numbers, bytes as they are. */
export const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  [int8]: Number,
  [bytea]: (text) => Uint8Array.from(Buffer.from(text.slice(2), "hex")),
};

const decoder = new TextDecoder();

export function nameOfBytes(bytes: unknown): string {
  return decoder.decode(bytes as Uint8Array);
}

/** The columns of dittofs_inode in the order `toInode` takes them, of a table by its alias. */
export function inodeSelection(alias: string): string {
  return inodeColumns.map(([name]) => `${alias}.${name}`).join(", ");
}

/** The inode whose columns begin at an index of a row; null where they are those of no row. */
export function toInode(row: Row, at: number): Inode | null {
  const r = row as readonly number[];
  const n = (i: number): number => r[at + i] as number;
  if (row[at] === null) return null;
  return new Inode({
    id: n(0) as FileId,
    size: n(1),
    used: n(2),
    uid: n(3),
    gid: n(4),
    atime: new Time(n(5), n(19)),
    mtime: new Time(n(6), n(20)),
    ctime: new Time(n(7), n(21)),
    birth: new Time(n(8), n(22)),
    change: n(9),
    attributeVersion: n(10),
    contentSequence: n(11),
    mtimeSequence: n(12),
    parent: n(13),
    generation: n(14),
    deviceMajor: n(15),
    deviceMinor: n(16),
    links: n(17),
    mode: n(18),
    type: n(23) as FileType,
    createVerifier: row[at + 24] as Uint8Array | null,
    target: row[at + 25] as Uint8Array | null,
    flags: n(26),
  });
}

/** Of columns child, cookie at an index. */
export function toDirent(parent: FileId, name: string, row: Row, at: number): Dirent {
  return { parent, name, child: row[at] as FileId, cookie: row[at + 1] as Cookie };
}

/** Of columns parent, name, child, cookie, folded. */
export function toScanned(row: Row): ScannedDirent {
  const folded = row[4] === null ? null : nameOfBytes(row[4]);
  return { ...toDirent(row[0] as FileId, nameOfBytes(row[1]), row, 2), folded };
}

/** Of columns start, length, pack, pack_start at an index. */
export function toExtent(row: Row, at: number): Extent {
  return { offset: row[at] as number, length: row[at + 1] as number, pack: row[at + 2] as PackId, packOffset: row[at + 3] as number };
}

/** Of columns file, start, length, pack, pack_start. */
export function toFileExtent(row: Row): FileExtent {
  return { file: row[0] as FileId, extent: toExtent(row, 1) };
}

/** Of columns id, name, value. */
export function toXattr([id, name, value]: Row): Xattr {
  return { id: id as FileId, name: name as string, value: value as Uint8Array };
}

export const packSelection = "p.id, p.key, p.state, p.size, p.live, p.frames, p.since_sec, p.since_nsec";

export function toPack(row: Row): Pack {
  const [id, key, state, size, live, frames, sec, nsec] = row as [PackId, string, PackState, number, number, Uint8Array, number, number];
  return { id, key, state, size, live, frames, since: new Time(sec, nsec) };
}
