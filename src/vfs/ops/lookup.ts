import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { Permission, permissions } from "../access/permissions.ts";
import { type Entry, type Node, nobody } from "../cache/node.ts";
import { denied, noEntry, notDirectory, stale } from "../errors.ts";
import type { LookedUp } from "../file-system.ts";
import { after } from "../maybe.ts";
import { judgeName } from "../names.ts";
import type { Share } from "../share.ts";

/** LOOKUP (RFC 1813 §3.3.3): takes permission to search the directory. Synchronous and one allocation where everything is cached. */
export function lookup(share: Share, who: Credentials, directory: FileId, name: string): Maybe<LookedUp | FsError> {
  const node = share.inodes.node(directory);
  if (node === undefined || node.inode === null || node.names === null) return lookupUncached(share, who, directory, name);
  const entry = node.names.byName.get(name);
  if (entry === undefined) return lookupUncached(share, who, directory, name);
  entry.used = true;
  if ((permissions(node.inode, who) & Permission.execute) === 0) return denied;
  if (entry.id === nobody) return noEntry;
  const child = entry.node === null ? null : entry.node.inode;
  if (child === null) return lookupUncached(share, who, directory, name);
  (entry.node as Node).used = true;
  return { inode: child, directory: node.inode };
}

function lookupUncached(share: Share, who: Credentials, directory: FileId, name: string): Maybe<LookedUp | FsError> {
  return after(share.inodes.loadNode(directory), (node) => lookupIn(share, who, node, name));
}

function lookupIn(share: Share, who: Credentials, node: Node | null, name: string): Maybe<LookedUp | FsError> {
  const inode = node === null ? null : node.inode;
  if (node === null || inode === null) return stale;
  const refused = maySearch(inode, who) ?? judgeName(name);
  if (refused !== null) return refused;
  if (name === ".") return { inode, directory: inode };
  if (name === "..") {
    return after(share.inodes.load(inode.parent as FileId), (parent) => (parent === null ? stale : { inode: parent, directory: inode }));
  }
  return after(share.names.load(node, name), (entry) => childOf(share, node, entry));
}

function childOf(share: Share, directory: Node, entry: Entry): Maybe<LookedUp | FsError> {
  if (entry.id === nobody) return noEntry;
  return after(loadEntry(share, entry), (child) => {
    if (directory.inode === null) return stale;
    // Unlinked between the two reads of a store that has to be waited for.
    return child === null ? noEntry : { inode: child, directory: directory.inode };
  });
}

/** The object an entry refers to. */
export function loadEntry(share: Share, entry: Entry): Maybe<Inode | null> {
  const held = entry.inode;
  if (held !== null) return held;
  return after(share.inodes.loadNode(entry.id), (node) => {
    entry.node = node;
    if (node !== null) {
      node.name = entry.name;
      node.under = entry.owner.key;
    }
    return node === null ? null : node.inode;
  });
}

/** Why names in this object can't be looked up, or null. */
export function maySearch(directory: Inode, who: Credentials): FsError | null {
  if (directory.type !== FileType.directory) return notDirectory;
  return (permissions(directory, who) & Permission.execute) === 0 ? denied : null;
}
