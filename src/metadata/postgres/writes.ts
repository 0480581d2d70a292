import type { Extent, Pack } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { Dirent, Inode } from "#model/inode.ts";
import type { FileView, NameSlot, Slot } from "./slots.ts";

/** What a batch does to the extents of a file: those that begin in the ranges go, then those at the offsets come. */
export interface FileWrites {
  readonly deleted: [number, number][];
  readonly laid: Set<number>;
}

/** What one batch writes, each row once. */
export class Writes {
  readonly newInodes: Inode[] = [];
  readonly changedInodes: Inode[] = [];
  readonly goneInodes: FileId[] = [];
  /** Whether they are listed from now on. */
  readonly orphans = new Map<FileId, boolean>();
  readonly putPacks: Pack[] = [];
  /** Bytes to add to the `live` of packs that exist. */
  readonly live: { readonly id: PackId; readonly delta: number }[] = [];
  readonly gonePacks: PackId[] = [];
  /** Names that were touched, with what they were before the batch. */
  readonly names = new Map<NameSlot, Dirent | null>();
  readonly files = new Map<FileView, FileWrites>();
  /** What was set and taken away (null) of inodes' extended attributes, behind taking away all of `bareInodes`. */
  readonly xattrs = new Map<FileId, Map<string, Uint8Array | null>>();
  readonly bareInodes: FileId[] = [];
  /** By how much the bytes that extents refer to grow, by pack. */
  readonly referred = new Map<PackId, number>();
  /** Every row that was touched, some more than once. */
  readonly slots: Slot[] = [];
  treeVersions = 0;
  inodes = 0;
  bytes = 0;

  get empty(): boolean {
    return this.slots.length === 0 && this.treeVersions === 0;
  }

  refer(pack: PackId, bytes: number): void {
    this.referred.set(pack, (this.referred.get(pack) ?? 0) + bytes);
  }

  fileWrites(view: FileView): FileWrites {
    let writes = this.files.get(view);
    if (writes === undefined) {
      writes = { deleted: [], laid: new Set() };
      this.files.set(view, writes);
    }
    return writes;
  }
}

export function extentAt(view: FileView, offset: number): Extent | undefined {
  const extent = view.extents[view.firstFrom(offset)];
  return extent?.offset === offset ? extent : undefined;
}
