import { Database } from "bun:sqlite";
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openFilesystemBlocks } from "#blocks/index.ts";
import { type Content, openContent, type StrayMemory, type Upkeep } from "#cache/index.ts";
import { packKey } from "#cache/packs/index.ts";
import type { CheckTarget, Finding, Watch } from "#check/index.ts";
import { openSqliteStore } from "#metadata/index.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, type PackId, rootId } from "#model/ids.ts";
import { FileType, newObject, type Inode } from "#model/inode.ts";
import { InodeFlag, streamsOf } from "#model/inode-flags.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";

/** A share on SQLite and a directory of objects, which can be filled, damaged while it is closed, and checked. */

export interface Opened {
  readonly store: MetadataStore;
  readonly content: Content;
  readonly target: CheckTarget;
  readonly upkeep: Upkeep;
  close(): Promise<void>;
}

export async function openCheckable(directory: string, places: { readonly database?: string; readonly blocks?: string; readonly graceMs?: number; readonly strays?: StrayMemory; readonly wrap?: (blocks: BlockStore) => BlockStore } = {}): Promise<Opened> {
  const fatal = (error: Error): void => {
    throw error;
  };
  const surroundings = { clock: systemClock, random: systemRandom, logger: silentLogger, fatal };
  mkdirSync(directory, { recursive: true });
  const store = openSqliteStore({ path: places.database ?? join(directory, "metadata.db"), ...surroundings });
  const bare = await openFilesystemBlocks({ directory: places.blocks ?? join(directory, "blocks") });
  const blocks = places.wrap?.(bare) ?? bare;
  const { content, upkeep } = await openContent({
    store,
    blocks,
    directory,
    durability: "local",
    ephemeral: false,
    cacheBytes: 2 ** 25,
    segmentBytes: 2 ** 21,
    limits: { dirtyBytesMax: 2 ** 23, unstoredBytesMax: 2 ** 25, flushAgeMs: 60_000, flushBytes: 2 ** 24 },
    garbage: { graceMs: places.graceMs ?? 60_000, intervalMs: 2 ** 30, ...(places.strays === undefined ? {} : { strays: places.strays }) },
    ...surroundings,
  });
  return {
    store,
    content,
    upkeep,
    target: { store, blocks, content: upkeep, clock: systemClock },
    async close() {
      await content.close();
      await blocks.close();
      await store.close();
    },
  };
}

/** Somebody who follows a check and remembers what it found. */
export class Listener implements Watch {
  cancelled = false;
  readonly findings: Finding[] = [];
  readonly steps: string[] = [];

  step(name: string): void {
    this.steps.push(name);
  }
  advance(): void {}
  found(finding: Finding): void {
    this.findings.push(finding);
  }
}

function newInode(id: number, type: FileType, parent: number): Inode {
  const target = type === FileType.symlink ? new TextEncoder().encode("elsewhere") : null;
  const more = type === FileType.directory ? { links: 2, size: 4096, parent } : { size: target?.length ?? 0, target };
  return newObject(systemClock.now(), { id: id as FileId, type, mode: 0o755, uid: 1000, gid: 1000, generation: 1, ...more });
}

export async function makeRoot({ store }: Opened): Promise<void> {
  if ((await store.inode(rootId)) === null) await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: newInode(rootId, FileType.directory, rootId) }] });
}

export async function make({ store }: Opened, parent: number, name: string, type: FileType): Promise<FileId> {
  const inode = newInode(store.draw(), type, parent);
  const made = await store.apply({
    conditions: [],
    changes: [
      { do: "insertInode", inode },
      { do: "insertDirent", parent: parent as FileId, name, child: inode.id },
      { do: "touchDirectory", id: parent as FileId, at: inode.ctime, linksDelta: type === FileType.directory ? 1 : 0 },
    ],
  });
  if (!made.applied) throw new Error("refused");
  return inode.id;
}

/** A stream with content, and two extended attributes of the same owner. */
export async function makeStream(opened: Opened, owner: FileId, name: string, seed: number): Promise<FileId> {
  const { store } = opened;
  const inode = newInode(store.draw(), FileType.regular, 0).with({ parent: owner });
  const at = systemClock.now();
  const made = await store.apply({
    conditions: [],
    changes: [
      { do: "insertInode", inode },
      { do: "insertDirent", parent: streamsOf(owner), name, child: inode.id },
      { do: "setAttributes", id: owner, at, flags: { clear: 0, set: InodeFlag.hasStreams } },
      { do: "setXattr", id: owner, name: "security", value: bytesOf(seed, 200), at },
      { do: "setXattr", id: owner, name: "ea", value: bytesOf(seed, 20), at },
    ],
  });
  if (!made.applied) throw new Error("refused");
  await write(opened, inode.id, bytesOf(seed, 1000));
  return inode.id;
}

/** The bytes a file of a test has. */
export function bytesOf(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, x = seed + 1; i < length; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = x >>> 16;
  }
  return bytes;
}

/** A file of its own pack. */
export async function write(opened: Opened, id: FileId, bytes: Uint8Array, offset = 0): Promise<void> {
  const { store, content } = opened;
  const admitted = await content.admit(bytes.length);
  if (admitted !== null) throw new Error(admitted.code);
  const written = content.write(content.overlay((await store.inode(id)) as Inode), offset, [bytes], bytes.length, systemClock.now());
  if (written instanceof FsError) throw new Error(written.code);
  await content.drain();
}

/** What there is, by path. */
export interface Place {
  readonly id: number;
  readonly pack: number;
  readonly key: string;
  readonly packOffset: number;
}

export const fileBytes = 200_000;
const topDirectories = 8;
const filesEach = 6;

/**
 * Directories `/d0`… with a directory `/d0/sub/deep` each, and files `/d0/f0`… each in a pack of its own. `/d6` and its files have streams
 * `:Stream` and attributes.
 */
export async function fill(opened: Opened): Promise<Map<string, Place>> {
  const { store } = opened;
  const places = new Map<string, Place>();
  const note = async (path: string, id: FileId): Promise<void> => {
    const [extent] = await store.extents(id, 0, Number.MAX_SAFE_INTEGER, 1);
    const pack = extent === undefined ? null : await store.pack(extent.pack);
    places.set(path, { id, pack: pack?.id ?? 0, key: pack?.key ?? "", packOffset: extent?.packOffset ?? 0 });
  };
  await makeRoot(opened);
  for (let d = 0; d < topDirectories; d++) {
    const top = await make(opened, rootId, `d${d}`, FileType.directory);
    await note(`/d${d}`, top);
    const sub = await make(opened, top, "sub", FileType.directory);
    await note(`/d${d}/sub`, sub);
    await note(`/d${d}/sub/deep`, await make(opened, sub, "deep", FileType.directory));
    for (let f = 0; f < filesEach; f++) {
      const id = await make(opened, top, `f${f}`, FileType.regular);
      await write(opened, id, bytesOf(d * filesEach + f, fileBytes));
      await note(`/d${d}/f${f}`, id);
    }
    await note(`/d${d}/link`, await make(opened, top, "link", FileType.symlink));
  }
  for (const path of ["/d6", ...Array.from({ length: filesEach }, (_, f) => `/d6/f${f}`)]) {
    await note(`${path}:Stream`, await makeStream(opened, (places.get(path) as Place).id as FileId, "Stream", path.length));
  }
  return places;
}

/** What a planting does its damage with, while the share is closed. */
export interface Ground {
  sql(text: string, ...values: (string | number | Uint8Array | null)[]): void;
  /** The file of an object. */
  object(key: string): string;
  readonly at: (path: string) => Place;
}

export function onGround(database: string, blocks: string, places: ReadonlyMap<string, Place>, work: (ground: Ground) => void): void {
  const db = new Database(database);
  try {
    work({
      sql(text, ...values) {
        const statement = db.prepare(text);
        statement.run(...values);
        statement.finalize();
      },
      object: (key) => join(blocks, "objects", `${key}+`),
      at(path) {
        const place = places.get(path);
        if (place === undefined) throw new Error(`nothing was made at ${path}`);
        return place;
      },
    });
  } finally {
    db.close(true);
  }
}

export function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  writeFileSync(path, bytes);
}

export interface Planting {
  readonly name: string;
  readonly plant: (ground: Ground) => void;
  /** A finding that must be among those made: its kind, and the path it names where it names one. */
  readonly kind: string;
  readonly path?: string;
  readonly repairable: boolean;
  /** Shows only where all content is read. */
  readonly data?: true;
}

const absentId = 4_000_000;
const pendingId = 90_010;

/** Damages, each done to something of its own. */
export const plantings: readonly Planting[] = [
  { name: "an inode is gone, its name and content are left", kind: "name_without_file", path: "/d0/f0", repairable: true, plant: ({ sql, at }) => sql("DELETE FROM inode WHERE id = ?", at("/d0/f0").id) },
  { name: "a name refers to nothing", kind: "name_without_file", path: "/d0/ghost", repairable: true, plant: ({ sql, at }) => sql("INSERT INTO dirent (parent, name, child, cookie) VALUES (?, 'ghost', ?, 90001)", at("/d0").id, absentId) },
  { name: "a file lost its name", kind: "lost_file", repairable: true, plant: ({ sql, at }) => sql("DELETE FROM dirent WHERE child = ?", at("/d0/f1").id) },
  { name: "a directory lost its name", kind: "lost_file", repairable: true, plant: ({ sql, at }) => sql("DELETE FROM dirent WHERE child = ?", at("/d1/sub").id) },
  { name: "the inode of a directory is gone, its entries are left", kind: "name_without_directory", repairable: true, plant: ({ sql, at }) => sql("DELETE FROM inode WHERE id = ?", at("/d2/sub").id) },
  { name: "a link count is too high", kind: "wrong_links", path: "/d0/f2", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET links = 7 WHERE id = ?", at("/d0/f2").id) },
  { name: "a link count is 0, and there is a name", kind: "wrong_links", path: "/d0/f3", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET links = 0 WHERE id = ?", at("/d0/f3").id) },
  { name: "the link count of a directory is wrong", kind: "wrong_links", path: "/d3", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET links = 9 WHERE id = ?", at("/d3").id) },
  { name: "a directory has a wrong parent", kind: "wrong_parent", path: "/d3/sub", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET parent = 1 WHERE id = ?", at("/d3/sub").id) },
  { name: "a directory lies within itself", kind: "directory_loop", repairable: true, plant: ({ sql, at }) => sql("UPDATE dirent SET parent = ? WHERE child = ?", at("/d4/sub/deep").id, at("/d4/sub").id) },
  { name: "a directory has two names", kind: "directory_with_many_names", repairable: false, plant: ({ sql, at }) => sql("INSERT INTO dirent (parent, name, child, cookie) VALUES (?, 'second', ?, 90002)", at("/d3").id, at("/d5/sub").id) },
  { name: "a name with a slash", kind: "bad_name", repairable: true, plant: ({ sql, at }) => sql("UPDATE dirent SET name = 'f/4' WHERE child = ?", at("/d0/f4").id) },
  { name: "a name that goes up", kind: "bad_name", repairable: true, plant: ({ sql, at }) => sql("UPDATE dirent SET name = '..' WHERE child = ?", at("/d0/f5").id) },
  { name: "two entries have one place", kind: "bad_cookie", repairable: true, plant: ({ sql, at }) => sql("UPDATE dirent SET cookie = (SELECT cookie FROM dirent WHERE child = ?) WHERE child = ?", at("/d1/f0").id, at("/d1/f1").id) },
  { name: "a type there is not", kind: "bad_inode", path: "/d6/link", repairable: false, plant: ({ sql, at }) => sql("UPDATE inode SET type = 9 WHERE id = ?", at("/d6/link").id) },
  { name: "a mode out of range", kind: "bad_inode", path: "/d1/f2", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET mode = 65535 WHERE id = ?", at("/d1/f2").id) },
  { name: "a symbolic link without a target", kind: "bad_inode", path: "/d7/link", repairable: false, plant: ({ sql, at }) => sql("UPDATE inode SET target = NULL WHERE id = ?", at("/d7/link").id) },
  { name: "a time that can't be", kind: "bad_inode", path: "/d1/f3", repairable: false, plant: ({ sql, at }) => sql("UPDATE inode SET mtime_nsec = 5000000000 WHERE id = ?", at("/d1/f3").id) },
  { name: "the stored bytes of a file are miscounted", kind: "wrong_used", path: "/d1/f4", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET used = used + 1 WHERE id = ?", at("/d1/f4").id) },
  { name: "a live file is listed as an orphan", kind: "wrong_orphan", path: "/d1/f5", repairable: true, plant: ({ sql, at }) => sql("INSERT INTO orphan VALUES (?)", at("/d1/f5").id) },
  { name: "an orphan that is not there", kind: "wrong_orphan", repairable: true, plant: ({ sql }) => sql("INSERT INTO orphan VALUES (?)", absentId + 1) },
  {
    name: "a file without links or names that is no orphan",
    kind: "lost_file",
    repairable: true,
    plant({ sql, at }) {
      sql("DELETE FROM dirent WHERE child = ?", at("/d2/f0").id);
      sql("UPDATE inode SET links = 0 WHERE id = ?", at("/d2/f0").id);
    },
  },
  { name: "two extents lie over each other", kind: "overlapping_extents", path: "/d2/f1", repairable: false, plant: ({ sql, at }) => sql("INSERT INTO extent SELECT file, start + 100, 50, pack, pack_start FROM extent WHERE file = ?", at("/d2/f1").id) },
  { name: "content past the end of a file", kind: "extent_past_end", path: "/d2/f2", repairable: false, plant: ({ sql, at }) => sql("UPDATE inode SET size = 10 WHERE id = ?", at("/d2/f2").id) },
  { name: "an extent outside its pack", kind: "extent_outside_pack", path: "/d2/f3", repairable: false, plant: ({ sql, at }) => sql("UPDATE extent SET pack_start = 5000000 WHERE file = ?", at("/d2/f3").id) },
  { name: "the row of a pack is gone", kind: "pack_row_missing", path: "/d2/f4", repairable: true, plant: ({ sql, at }) => sql("DELETE FROM pack WHERE id = ?", at("/d2/f4").pack) },
  {
    name: "a file is gone with its name, its content is left",
    kind: "extent_without_file",
    repairable: true,
    plant({ sql, at }) {
      sql("DELETE FROM dirent WHERE child = ?", at("/d2/f5").id);
      sql("DELETE FROM inode WHERE id = ?", at("/d2/f5").id);
    },
  },
  { name: "a symbolic link has content", kind: "bad_extent", path: "/d5/link", repairable: false, plant: ({ sql, at }) => sql("INSERT INTO extent VALUES (?, 0, 5, ?, 0)", at("/d5/link").id, at("/d3/f5").pack) },
  { name: "the live bytes of a pack are miscounted", kind: "wrong_live", repairable: true, plant: ({ sql, at }) => sql("UPDATE pack SET live = live - 7 WHERE id = ?", at("/d3/f0").pack) },
  { name: "checksums of a pack are missing", kind: "bad_pack", repairable: true, plant: ({ sql, at }) => sql("UPDATE pack SET frames = ? WHERE id = ?", new Uint8Array(4), at("/d3/f1").pack) },
  { name: "the key of a pack is another", kind: "bad_pack", repairable: true, plant: ({ sql, at }) => sql("UPDATE pack SET key = ? WHERE id = ?", at("/d0/f0").key.replace(/.$/, "x"), at("/d3/f2").pack) },
  { name: "a state there is not", kind: "bad_pack", repairable: true, plant: ({ sql, at }) => sql("UPDATE pack SET state = 8 WHERE id = ?", at("/d3/f3").pack) },
  { name: "a pack in use is on its way out", kind: "bad_pack", repairable: true, plant: ({ sql, at }) => sql("UPDATE pack SET state = 3 WHERE id = ?", at("/d3/f4").pack) },
  { name: "a stream lost its name", kind: "lost_file", repairable: true, plant: ({ sql, at }) => sql("DELETE FROM dirent WHERE child = ?", at("/d6/f0:Stream").id) },
  {
    name: "a stream lost its name, and its owner went",
    kind: "lost_file",
    repairable: true,
    plant({ sql, at }) {
      sql("DELETE FROM dirent WHERE child IN (?, ?)", at("/d6/f0:Stream").id, at("/d6/f0").id);
      sql("DELETE FROM inode WHERE id = ?", at("/d6/f0").id);
      sql("DELETE FROM extent WHERE file = ?", at("/d6/f0").id);
    },
  },
  { name: "a stream's inode is gone", kind: "name_without_file", path: "/d6/f1:Stream", repairable: true, plant: ({ sql, at }) => sql("DELETE FROM inode WHERE id = ?", at("/d6/f1:Stream").id) },
  { name: "a stream takes itself for a file", kind: "wrong_parent", path: "/d6/f2:Stream", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET parent = 0 WHERE id = ?", at("/d6/f2:Stream").id) },
  { name: "a file takes itself for a stream", kind: "wrong_parent", path: "/d6/f3", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET parent = ? WHERE id = ?", at("/d6").id, at("/d6/f3").id) },
  { name: "a stream of a symbolic link", kind: "name_without_directory", repairable: true, plant: ({ sql, at }) => sql("UPDATE dirent SET parent = ? WHERE child = ?", -at("/d6/link").id, at("/d6/f3:Stream").id) },
  { name: "streams that nothing speaks of", kind: "wrong_flags", path: "/d6", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET flags = flags & ~131072 WHERE id = ?", at("/d6").id) },
  { name: "attributes that nothing speaks of", kind: "wrong_flags", path: "/d6/f4", repairable: true, plant: ({ sql, at }) => sql("UPDATE inode SET flags = 131072 WHERE id = ?", at("/d6/f4").id) },
  { name: "an attribute that is spoken of and not there", kind: "wrong_flags", path: "/d6/f5", repairable: true, plant: ({ sql, at }) => sql("DELETE FROM xattr WHERE id = ? AND name = 'ea'", at("/d6/f5").id) },
  { name: "attributes of no file", kind: "attribute_without_file", repairable: true, plant: ({ sql }) => sql("INSERT INTO xattr VALUES (?, 'ea', x'00')", absentId + 2) },
  { name: "a name that is not found by its key", kind: "wrong_fold", path: "/d7/F0", repairable: true, plant: ({ sql, at }) => sql("UPDATE dirent SET name = 'F0' WHERE child = ?", at("/d7/f0").id) },
  { name: "a name that is found by another's key", kind: "wrong_fold", path: "/d7/f1", repairable: true, plant: ({ sql, at }) => sql("UPDATE dirent SET folded = 'f2' WHERE child = ?", at("/d7/f1").id) },
  { name: "the share is miscounted", kind: "wrong_usage", repairable: true, plant: ({ sql }) => sql("UPDATE meta SET value = value + 3 WHERE key = 'inodes'") },
  { name: "a bit of an object flipped", kind: "content_damaged", path: "/d4/f0", repairable: false, data: true, plant: ({ object, at }) => flip(object(at("/d4/f0").key), 70_000) },
  { name: "an object was deleted", kind: "content_damaged", path: "/d4/f1", repairable: false, plant: ({ object, at }) => rmSync(object(at("/d4/f1").key)) },
  { name: "an object was cut", kind: "object_size", repairable: false, plant: ({ object, at }) => truncateSync(object(at("/d4/f2").key), 100_000) },
  {
    name: "two objects were swapped",
    kind: "content_damaged",
    path: "/d4/f3",
    repairable: false,
    data: true,
    plant({ object, at }) {
      const [one, other] = [object(at("/d4/f3").key), object(at("/d4/f4").key)];
      renameSync(one, `${one}.x`);
      renameSync(other, one);
      renameSync(`${one}.x`, other);
    },
  },
  { name: "the footer of an object is damaged", kind: "footer_damaged", repairable: true, data: true, plant: ({ object, at }) => flip(object(at("/d4/f5").key), statSync(object(at("/d4/f5").key)).size - 20) },
  {
    name: "an object nobody knows",
    kind: "object_without_pack",
    repairable: false,
    plant({ object, at }) {
      const stranger = object(`${at("/d5/f0").key.slice(0, 19)}/00000000abcdef`.replace("//", "/"));
      mkdirSync(dirname(stranger), { recursive: true });
      copyFileSync(object(at("/d5/f0").key), stranger);
    },
  },
  {
    name: "a pack that was begun and never put",
    kind: "pending_pack",
    repairable: false,
    plant({ sql, at }) {
      const instance = Buffer.from(at("/d5/f0").key.slice(0, 16), "hex");
      sql("INSERT INTO pack VALUES (?, ?, 1, 0, 0, 0, 0, x'')", pendingId, packKey(instance, pendingId as PackId));
    },
  },
];
