import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { FoldedUp } from "../attributed.ts";
import type { Entry, Node } from "../cache/node.ts";
import { noEntry, stale } from "../errors.ts";
import { after } from "../maybe.ts";
import { isDots, judgeName } from "../names.ts";
import type { Share } from "../share.ts";
import { loadEntry, lookup, maySearch } from "./lookup.ts";

/** LOOKUP by a name whose case doesn't count, as SMB clients mean theirs (MS-FSA 2.1.5.1). */
export function lookupFolded(share: Share, who: Credentials, directory: FileId, name: string): Maybe<FoldedUp | FsError> {
  if (isDots(name)) return after(lookup(share, who, directory, name), (found) => ("inode" in found ? { ...found, name } : found));
  const node = share.inodes.node(directory);
  return node === undefined ? after(share.inodes.loadNode(directory), (loaded) => lookupIn(share, who, loaded, name)) : lookupIn(share, who, node, name);
}

function lookupIn(share: Share, who: Credentials, node: Node | null, name: string): Maybe<FoldedUp | FsError> {
  const directory = node === null ? null : node.inode;
  if (node === null || directory === null) return stale;
  const refused = maySearch(directory, who);
  if (refused !== null) return refused;
  const known = share.names.exact(node, name);
  if (known !== null) return childOf(share, node, known);
  const misnamed = judgeName(name);
  if (misnamed !== null) return misnamed;
  const entry = share.names.loadFolded(node, name);
  return entry instanceof Promise ? entry.then((loaded) => childOf(share, node, loaded)) : childOf(share, node, entry);
}

function childOf(share: Share, directory: Node, entry: Entry | null): Maybe<FoldedUp | FsError> {
  if (entry === null) return noEntry;
  const child = loadEntry(share, entry);
  if (child instanceof Promise || child === null) return after(child, (loaded) => (loaded === null ? noEntry : foldedUp(directory, entry, loaded)));
  return foldedUp(directory, entry, child);
}

function foldedUp(directory: Node, { name }: Entry, inode: FoldedUp["inode"]): FoldedUp | FsError {
  return directory.inode === null ? stale : { inode, name, directory: directory.inode };
}
