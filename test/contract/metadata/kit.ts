import { expect } from "bun:test";
import { Time } from "#base/time.ts";
import type { ApplyResult, Change, ChangeSet, Condition, Extent, Pack, Touched } from "#model/change-set.ts";
import { PackState } from "#model/change-set.ts";
import { type FileId, type PackId, rootId } from "#model/ids.ts";
import { FileType, type Inode, type InodeFields, newObject } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";

/** A store under test. */
export interface Subject {
  store: MetadataStore;
  /** Closes the store and opens it again over what it left; only where the store is persistent. */
  reopen?(): Promise<void>;
  /** Opens the store again over a copy of its files taken now, without closing it: a crash. Only where it is persistent. */
  crash?(): Promise<void>;
  dispose(): Promise<void>;
}
export type Factory = () => Promise<Subject>;

export const at = new Time(1_000, 5);
export const later = (sec: number, nsec = 0): Time => new Time(1_000 + sec, nsec);

export function newFile(id: number, over: Partial<InodeFields> = {}): Inode {
  return newObject(at, { id: id as FileId, type: FileType.regular, mode: 0o644, uid: 1000, gid: 1001, ...over });
}

export function newDirectory(id: number, parent: number, over: Partial<InodeFields> = {}): Inode {
  return newFile(id, { type: FileType.directory, mode: 0o755, links: 2, size: 4096, parent, ...over });
}

export function set(conditions: readonly Condition[], changes: readonly Change[]): ChangeSet {
  return { conditions, changes };
}

export function apply(store: MetadataStore, conditions: readonly Condition[], changes: readonly Change[]): Promise<ApplyResult> {
  return store.apply(set(conditions, changes));
}

/** Applies a set that must not be refused. */
export async function must(store: MetadataStore, ...changes: Change[]): Promise<readonly Touched[]> {
  const result = await apply(store, [], changes);
  if (!result.applied) throw new Error(`refused: ${JSON.stringify(result.failed)}`);
  return result.touched;
}

export async function makeRoot(store: MetadataStore): Promise<void> {
  await must(store, { do: "insertInode", inode: newDirectory(rootId, rootId) });
}

export function createChanges(parent: number, name: string, inode: Inode, when = at): Change[] {
  return [
    { do: "insertInode", inode },
    { do: "insertDirent", parent: parent as FileId, name, child: inode.id },
    { do: "touchDirectory", id: parent as FileId, at: when, linksDelta: inode.type === FileType.directory ? 1 : 0 },
  ];
}

/** Creates a file in the root and gives its id. */
export async function create(store: MetadataStore, name: string, over: Partial<InodeFields> = {}): Promise<FileId> {
  const inode = newFile(store.draw(), over);
  await must(store, ...createChanges(rootId, name, inode));
  return inode.id;
}

export async function mkdir(store: MetadataStore, name: string, parent: FileId = rootId): Promise<FileId> {
  const inode = newDirectory(store.draw(), parent);
  await must(store, ...createChanges(parent, name, inode));
  return inode.id;
}

export function pack(id: number, over: Partial<Pack> = {}): Pack {
  return {
    id: id as PackId,
    key: `k/${id}`,
    state: PackState.live,
    size: 1 << 20,
    live: 0,
    frames: new Uint8Array([1, 2, 3, 4]),
    since: at,
    ...over,
  };
}

export async function putPack(store: MetadataStore, over: Partial<Pack> = {}): Promise<PackId> {
  const id = store.draw();
  await must(store, { do: "putPack", pack: pack(id, over) });
  return id as PackId;
}

export function extent(offset: number, length: number, packId: number, packOffset = offset): Extent {
  return { offset, length, pack: packId as PackId, packOffset };
}

export function content(
  id: FileId,
  sequence: number,
  size: number,
  extents: readonly Extent[],
  over: Partial<Extract<Change, { do: "storeContent" }>> = {},
): Change {
  return { do: "storeContent", id, sequence, size, mtime: later(sequence), ctime: later(sequence), cutTo: -1, extents, ...over };
}

export async function inodeOf(store: MetadataStore, id: number): Promise<Inode> {
  const inode = await store.inode(id as FileId);
  if (inode === null) throw new Error(`no inode ${id}`);
  return inode;
}

export async function names(store: MetadataStore, directory: FileId): Promise<string[]> {
  return (await store.directory(directory, 0, 1_000_000)).map((d) => d.name);
}

/** Everything a store lets be read, of the given inodes and directories; for "nothing changed". */
export async function everything(store: MetadataStore, ids: readonly number[]): Promise<unknown> {
  const seen: unknown[] = [await store.usage(), await store.treeVersion(), await store.orphans(0, 1000), await store.packs(0, 1000)];
  for (const id of ids as FileId[]) {
    seen.push(await store.inode(id), await store.directory(id, 0, 1000), await store.extents(id, 0, Number.MAX_SAFE_INTEGER, 1000));
  }
  return structuredClone(seen);
}

/** Counts again what the store keeps by deltas, from the rows below the given inodes, and compares. */
export async function checkCounters(store: MetadataStore, ids: readonly number[]): Promise<void> {
  const live = new Map<number, number>();
  let inodes = 0;
  let bytes = 0;
  const orphans: number[] = [];
  for (const id of [...new Set(ids)].sort((a, b) => a - b) as FileId[]) {
    const inode = await store.inode(id);
    const extents = await store.extents(id, 0, Number.MAX_SAFE_INTEGER, 1_000_000);
    let used = 0;
    let end = 0;
    for (const e of extents) {
      expect(e.offset).toBeGreaterThanOrEqual(end);
      expect(e.length).toBeGreaterThan(0);
      end = e.offset + e.length;
      used += e.length;
      live.set(e.pack, (live.get(e.pack) ?? 0) + e.length);
    }
    if (inode === null) {
      expect(extents).toEqual([]);
      continue;
    }
    if (inode.type === FileType.regular) expect(inode.used).toBe(used);
    if (inode.links === 0) orphans.push(id);
    else {
      inodes++;
      bytes += used;
    }
  }
  expect(await store.usage()).toMatchObject({ inodes, bytes });
  expect(await store.orphans(0, 1_000_000)).toEqual(orphans as FileId[]);
  for (const p of await store.packs(0, 1_000_000)) expect([p.id, p.live]).toEqual([p.id, live.get(p.id) ?? 0]);
}
