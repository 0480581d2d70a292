import type { Extent } from "#model/change-set.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { ownerOfStreams } from "#model/inode-flags.ts";
import { wantedFlags } from "./confirm-attributes.ts";
import { adopt, adoptFresh, apply, directoryBytes, moveName, newInode } from "./lost-found.ts";
import { namesOf } from "./paths.ts";
import { entriesOf, extentsOf } from "./reread.ts";
import { extentEnd } from "./scan.ts";
import type { CheckTarget, Watch } from "./target.ts";

/**
 * Makes an inode again of what is left of it: a directory of its entries, a file of its content, which then belong to root alone, with the
 * extended attributes and streams it had. Where no content is left, an empty file takes the rest to lost+found, so that nobody takes it for the
 * one that was there.
 */
export async function rebuild(target: CheckTarget, id: number, watch: Watch): Promise<boolean> {
  const { store } = target;
  if ((await store.inode(id as FileId)) !== null) return false;
  const inside = await entriesOf(target, watch, id);
  const content = await extentsOf(target, watch, id);
  const names = (await namesOf(target, watch, new Set([id]))).get(id) ?? [];
  if (inside === null || content === null) return false;
  // Nobody changes them while there is no inode.
  const flags = await wantedFlags(target, id);
  if (inside.entries > 0 || id === rootId) {
    const parent = id === rootId ? rootId : (names[0]?.parent ?? 0);
    const links = 2 + inside.subdirectories;
    if (!(await insert(target, newInode(target, id, FileType.directory, { links, parent, size: directoryBytes, flags })))) return false;
    const [name] = names;
    // The directory above counted it once, and still does.
    return name !== undefined || id === rootId ? true : adopt(target, id, watch);
  }
  const { extents } = content;
  const size = extents.reduce((end: number, extent: Extent) => Math.max(end, extentEnd(extent)), 0);
  const used = extents.reduce((sum, extent) => sum + extent.length, 0);
  if (!(await insert(target, newInode(target, id, FileType.regular, { links: Math.max(1, names.length), parent: ownerOfStreams(names[0]?.parent ?? 0), size, used, flags })))) return false;
  const [name] = names;
  if (name === undefined) return adoptFresh(target, id);
  return extents.length > 0 || moveName(target, name.parent, name.name, id);
}

async function insert(target: CheckTarget, inode: Inode): Promise<boolean> {
  try {
    return await apply(target, [], [{ do: "insertInode", inode }]);
  } catch {
    // There is one after all.
    return false;
  }
}
