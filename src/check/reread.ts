import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { Extent } from "#model/change-set.ts";
import type { FileExtent } from "#model/metadata-store.ts";
import { type Name, namesOf } from "./paths.ts";
import { tablesOf } from "./scan.ts";
import { type CheckTarget, goOn, turn, type Watch } from "./target.ts";

/** How often something that changes while it is looked at is looked at again, before it is left alone. */
const roundsMax = 5;
const pageRows = 512;
const least = Number.MIN_SAFE_INTEGER;

/** An inode with the names it had while it did not change. */
export interface Named {
  readonly inode: Inode;
  readonly names: readonly Name[];
}

async function inodesOf(target: CheckTarget, watch: Watch, ids: Iterable<number>): Promise<Map<number, Inode>> {
  const found = new Map<number, Inode>();
  let read = 0;
  for (const id of ids) {
    const inode = await target.store.inode(id as FileId);
    if (inode !== null) found.set(id, inode);
    if (++read % pageRows === 0) {
      goOn(watch);
      await turn(target.clock);
    }
  }
  return found;
}

/**
 * The names of inodes. Every name an inode gets or loses gives it a new change number, so what has the same one before and after a
 * walk through all names had these names all the while. What never holds still is left out.
 */
export async function settledNames(target: CheckTarget, watch: Watch, ids: ReadonlySet<number>): Promise<Map<number, Named>> {
  const settled = new Map<number, Named>();
  let open = ids;
  for (let round = 0; round < roundsMax && open.size > 0; round++) {
    const before = await inodesOf(target, watch, open);
    const names = await namesOf(target, watch, new Set(before.keys()));
    const after = await inodesOf(target, watch, before.keys());
    const moved = new Set<number>();
    for (const [id, inode] of before) {
      if (after.get(id)?.change === inode.change) settled.set(id, { inode, names: names.get(id) ?? [] });
      else if (after.has(id)) moved.add(id);
    }
    open = moved;
  }
  return settled;
}

/** Entries of a directory, and how many of them are directories; null where it changes all the while. */
export async function entriesOf(target: CheckTarget, watch: Watch, id: number): Promise<{ readonly entries: number; readonly subdirectories: number } | null> {
  for (let round = 0; round < roundsMax; round++) {
    const before = await target.store.inode(id as FileId);
    let entries = 0;
    let subdirectories = 0;
    for (let after = least; ; ) {
      goOn(watch);
      const page = await tablesOf(target.store).scanDirents(id, after, pageRows);
      let own = 0;
      for (const dirent of page) {
        if (dirent.parent !== id) break;
        own++;
        after = dirent.cookie;
        const child = await target.store.inode(dirent.child);
        if (child?.type === FileType.directory) subdirectories++;
      }
      entries += own;
      if (own < pageRows) break;
      await turn(target.clock);
    }
    const now = await target.store.inode(id as FileId);
    if (now?.change === before?.change) return { entries, subdirectories };
  }
  return null;
}

async function extentRows(target: CheckTarget, watch: Watch, file: number): Promise<Extent[]> {
  const extents: Extent[] = [];
  for (let after: number = least; ; ) {
    goOn(watch);
    const page: readonly FileExtent[] = await tablesOf(target.store).scanExtents(file, after, pageRows);
    for (const of of page) {
      if (of.file !== file) return extents;
      extents.push(of.extent);
      after = of.extent.offset;
    }
    if (page.length < pageRows) return extents;
    await turn(target.clock);
  }
}

/** A file with its extents, read while neither changed; null where they change all the while. `inode` null: there is none. */
export async function extentsOf(target: CheckTarget, watch: Watch, file: number): Promise<{ readonly inode: Inode | null; readonly extents: readonly Extent[] } | null> {
  for (let round = 0; round < roundsMax; round++) {
    const before = await target.store.inode(file as FileId);
    const extents = await extentRows(target, watch, file);
    const now = await target.store.inode(file as FileId);
    if (now?.change === before?.change && now?.used === before?.used) return { inode: now, extents };
  }
  return null;
}
