import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode, isStream } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { InodeCache } from "../cache/inode-cache.ts";
import { pageEntries } from "../cache/pages.ts";

/** An entry: a name in a directory. */
export interface Place {
  readonly directory: FileId;
  readonly name: string;
}

/** A directory, the one it lies in, and its name there. */
export interface Above {
  readonly inode: Inode;
  readonly parent: FileId;
  readonly name: string;
}

/** Separates a stream's name from its owner's: no name has it. */
export const streamMark = "\0";

/**
 * Where objects are. A directory has one place, and its node knows the name from the moment it was looked up, made or moved; of a
 * file the node knows the place it was last looked up at. Only the name of a directory that somebody reached by its handle alone has
 * to be found among its parent's entries.
 */
export class Places {
  private readonly store: MetadataStore;
  private readonly inodes: InodeCache;
  /** Files of which is was said that nobody knows their place. */
  private readonly unknown = new WeakSet<object>();

  constructor(store: MetadataStore, inodes: InodeCache) {
    this.store = store;
    this.inodes = inodes;
  }

  /** The place of an object; null where memory does not know it. */
  of(id: FileId): Place | null {
    const node = this.inodes.peek(id);
    if (node === undefined || node.inode === null || node.name === null) return null;
    const { inode, name } = node;
    if (inode.type === FileType.directory) return { directory: inode.parent as FileId, name };
    if (!isStream(inode)) return { directory: node.under as FileId, name };
    const owner = this.of(inode.parent as FileId);
    return owner === null ? null : { directory: owner.directory, name: `${owner.name}${streamMark}${name}` };
  }

  /** The place of a directory; null where memory does not know it. */
  ofDirectory(id: FileId): Above | null {
    const node = this.inodes.peek(id);
    if (node === undefined || node.inode === null || node.name === null) return null;
    return { inode: node.inode, parent: node.inode.parent as FileId, name: node.name };
  }

  /** An object as it is now; null where memory does not have it. */
  inode(id: FileId): Inode | null {
    return this.inodes.peek(id)?.inode ?? null;
  }

  /** Whether the object's place is not known, for the first time that it is asked. */
  isUnknown(id: FileId): boolean {
    const node = this.inodes.peek(id);
    if (node === undefined || this.unknown.has(node)) return false;
    this.unknown.add(node);
    return true;
  }

  /** The places of a directory and of all above it, the root's with no name; null where it is gone. */
  async find(directory: FileId): Promise<ReadonlyMap<number, Above> | null> {
    const places = new Map<number, Above>();
    for (let at = directory; ; ) {
      const inode = await this.inodes.load(at);
      if (inode === null || inode.type !== FileType.directory || places.has(at)) return null;
      const parent = inode.parent as FileId;
      if (at === rootId) return places.set(at, { inode, parent, name: "" });
      const name = this.inodes.peek(at)?.name ?? (await this.nameOf(at, parent));
      if (name === null) return null;
      places.set(at, { inode, parent, name });
      at = parent;
    }
  }

  /** The name `child` has in `parent`, by its entries. */
  private async nameOf(child: FileId, parent: FileId): Promise<string | null> {
    for (let cookie = 0; ; ) {
      const rows = await this.store.directory(parent, cookie as never, pageEntries);
      const row = rows.find((each) => each.child === child);
      const last = rows[rows.length - 1];
      if (row !== undefined) {
        const node = this.inodes.peek(child);
        if (node?.inode?.parent === parent) node.name ??= row.name;
        return node?.name ?? row.name;
      }
      if (last === undefined || rows.length < pageEntries) return null;
      cookie = last.cookie;
    }
  }
}
