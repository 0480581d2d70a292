import type { Extent, Pack } from "#model/change-set.ts";
import { foldColumn } from "#model/fold-key.ts";
import type { FileId } from "#model/ids.ts";
import type { Dirent, Inode, Xattr } from "#model/inode.ts";
import type { FileExtent } from "#model/metadata-store.ts";
import { applyArrays, changingColumns, inodeColumns } from "./schema.ts";
import { extentAt, type Writes } from "./writes.ts";

const nothing = new Uint8Array(0);

/** Arrays as PostgreSQL reads them from text ("Array Input and Output Syntax"). */

const integers = (values: readonly number[]): string => `{${values.join(",")}}`;

function hex(bytes: Uint8Array): string {
  return `"\\\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}"`;
}

function bytes(values: readonly (Uint8Array | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : hex(value))).join(",")}}`;
}

export function names(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : `"\\\\x${Buffer.from(value, "utf8").toString("hex")}"`)).join(",")}}`;
}

function texts(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

/** What a column of dittofs_inode holds of an inode. */
const columnValues: Readonly<Record<(typeof inodeColumns)[number][0], (i: Inode) => number | Uint8Array | null>> = {
  id: (i) => i.id,
  size: (i) => i.size,
  used: (i) => i.used,
  uid: (i) => i.uid,
  gid: (i) => i.gid,
  atime_sec: (i) => i.atime.sec,
  mtime_sec: (i) => i.mtime.sec,
  ctime_sec: (i) => i.ctime.sec,
  birth_sec: (i) => i.birth.sec,
  change: (i) => i.change,
  attribute_version: (i) => i.attributeVersion,
  content_sequence: (i) => i.contentSequence,
  mtime_sequence: (i) => i.mtimeSequence,
  parent: (i) => i.parent,
  generation: (i) => i.generation,
  device_major: (i) => i.deviceMajor,
  device_minor: (i) => i.deviceMinor,
  links: (i) => i.links,
  mode: (i) => i.mode,
  atime_nsec: (i) => i.atime.nsec,
  mtime_nsec: (i) => i.mtime.nsec,
  ctime_nsec: (i) => i.ctime.nsec,
  birth_nsec: (i) => i.birth.nsec,
  type: (i) => i.type,
  create_verifier: (i) => i.createVerifier,
  target: (i) => i.target,
  flags: (i) => i.flags,
};

function inodeColumn(column: (typeof inodeColumns)[number][0], inodes: readonly Inode[]): string {
  if (inodes.length === 0) return "{}";
  const value = columnValues[column];
  if (column === "create_verifier" || column === "target") return bytes(inodes.map((i) => value(i) as Uint8Array | null));
  let text = `{${value(inodes[0] as Inode)}`;
  for (let i = 1; i < inodes.length; i++) text += `,${value(inodes[i] as Inode)}`;
  return `${text}}`;
}

/** The arrays of dittofs_apply, in the order of `applyArrays`. */
export function encode(writes: Writes): string[] {
  const { newInodes, changedInodes } = writes;
  const arrays = inodeColumns.map(([name]) => inodeColumn(name, newInodes));
  arrays.push(inodeColumn("id", changedInodes));
  for (const name of changingColumns) arrays.push(inodeColumn(name, changedInodes));
  arrays.push(integers(writes.goneInodes));
  pushNames(arrays, writes);
  pushExtents(arrays, writes);
  const orphans = [...writes.orphans];
  for (const wanted of [true, false]) arrays.push(integers(orphans.filter(([, listed]) => listed === wanted).map(([id]) => id)));
  pushPacks(arrays, writes);
  pushXattrs(arrays, writes);
  return arrays;
}

/** Rows as they are, to be written into a share that has none of them. */
export interface CopiedRows {
  readonly inodes?: readonly Inode[];
  readonly dirents?: readonly Dirent[];
  readonly extents?: readonly FileExtent[];
  readonly xattrs?: readonly Xattr[];
  readonly packs?: readonly Pack[];
  readonly orphans?: readonly FileId[];
}

/** The arrays of dittofs_apply that write such rows, in the order of `applyArrays`. */
export function encodeCopied({ inodes = [], dirents = [], extents = [], xattrs = [], packs = [], orphans = [] }: CopiedRows): string[] {
  const filled = new Map<string, string>();
  for (const [name] of inodeColumns) filled.set(`new_${name}`, inodeColumn(name, inodes));
  filled.set("linked_parent", integers(dirents.map((d) => d.parent))).set("linked_name", names(dirents.map((d) => d.name)));
  filled.set("linked_child", integers(dirents.map((d) => d.child))).set("linked_cookie", integers(dirents.map((d) => d.cookie)));
  filled.set("linked_folded", names(dirents.map((d) => foldColumn(d.name))));
  filled.set("laid_file", integers(extents.map((e) => e.file))).set("laid_start", integers(extents.map((e) => e.extent.offset)));
  filled.set("laid_length", integers(extents.map((e) => e.extent.length))).set("laid_pack", integers(extents.map((e) => e.extent.pack)));
  filled.set("laid_pack_start", integers(extents.map((e) => e.extent.packOffset)));
  filled.set("put_xattr_id", integers(xattrs.map((x) => x.id))).set("put_xattr_name", texts(xattrs.map((x) => x.name)));
  filled.set("put_xattr_value", bytes(xattrs.map((x) => x.value)));
  filled.set("new_orphan", integers(orphans));
  const put: string[] = [];
  pushPutPacks(put, packs);
  putPackArrays.forEach((name, i) => filled.set(name, put[i] as string));
  return applyArrays.map(([name]) => filled.get(name) ?? "{}");
}

const putPackArrays = ["put_pack", "put_size", "put_live", "put_since_sec", "put_since_nsec", "put_state", "put_key", "put_frames"] as const;

function pushXattrs(arrays: string[], { bareInodes, xattrs }: Writes): void {
  const gone: Xattr[] = [];
  const put: Xattr[] = [];
  for (const [id, values] of xattrs) for (const [name, value] of values) (value === null ? gone : put).push({ id, name, value: value ?? nothing });
  arrays.push(integers(bareInodes), integers(gone.map((x) => x.id)), texts(gone.map((x) => x.name)));
  arrays.push(integers(put.map((x) => x.id)), texts(put.map((x) => x.name)), bytes(put.map((x) => x.value)));
}

function pushNames(arrays: string[], { names: touched }: Writes): void {
  const gone: { parent: number[]; name: string[] } = { parent: [], name: [] };
  const come: { parent: number[]; name: string[]; child: number[]; cookie: number[]; folded: (string | null)[] } = { parent: [], name: [], child: [], cookie: [], folded: [] };
  for (const [{ name, directory, row }, before] of touched) {
    if (row === before) continue;
    if (before !== null) {
      gone.parent.push(directory.id);
      gone.name.push(name);
    }
    if (row !== null) {
      come.parent.push(directory.id);
      come.name.push(name);
      come.child.push(row.child);
      come.cookie.push(row.cookie);
      come.folded.push(foldColumn(name));
    }
  }
  arrays.push(integers(gone.parent), names(gone.name), integers(come.parent), names(come.name), integers(come.child), integers(come.cookie), names(come.folded));
}

function pushExtents(arrays: string[], { files }: Writes): void {
  const cut: [number[], number[], number[]] = [[], [], []];
  const laid: [number[], number[], number[], number[], number[]] = [[], [], [], [], []];
  for (const [view, writes] of files) {
    for (const [from, to] of writes.deleted) {
      cut[0].push(view.id);
      cut[1].push(from);
      cut[2].push(to);
    }
    for (const offset of writes.laid) {
      const e = extentAt(view, offset) as Extent;
      laid[0].push(view.id);
      laid[1].push(e.offset);
      laid[2].push(e.length);
      laid[3].push(e.pack);
      laid[4].push(e.packOffset);
    }
  }
  arrays.push(...cut.map(integers), ...laid.map(integers));
}

function pushPacks(arrays: string[], { putPacks, live, gonePacks }: Writes): void {
  pushPutPacks(arrays, putPacks);
  arrays.push(integers(live.map((l) => l.id)), integers(live.map((l) => l.delta)), integers(gonePacks));
}

function pushPutPacks(arrays: string[], packs: readonly Pack[]): void {
  arrays.push(
    integers(packs.map((p) => p.id)),
    integers(packs.map((p) => p.size)),
    integers(packs.map((p) => p.live)),
    integers(packs.map((p) => p.since.sec)),
    integers(packs.map((p) => p.since.nsec)),
    integers(packs.map((p) => p.state)),
    texts(packs.map((p) => p.key)),
    bytes(packs.map((p) => p.frames)),
  );
}
