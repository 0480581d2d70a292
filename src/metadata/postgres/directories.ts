import { foldKey } from "#model/fold-key.ts";
import type { FileId } from "#model/ids.ts";
import type { Dirent, Inode } from "#model/inode.ts";
import { InodeFlag, ownerOfStreams } from "#model/inode-flags.ts";
import { Ring, type ViewLimits } from "./ring.ts";
import { DirectoryView, FoldingSlot, NameSlot } from "./slots.ts";

/** What is known of names: the part of the view that is about directories and the streams of files. */
export class Directories {
  readonly all = new Map<number, DirectoryView>();
  readonly nameRing: Ring<NameSlot>;
  readonly foldingRing: Ring<FoldingSlot>;
  readonly directoryRing: Ring<DirectoryView>;
  /** What is known of an inode. */
  private readonly inode: (id: number) => Inode | null | undefined;

  constructor(limits: ViewLimits, inode: (id: number) => Inode | null | undefined) {
    this.inode = inode;
    this.nameRing = new Ring(limits.names, (slot) => this.dropName(slot));
    this.foldingRing = new Ring(limits.names, ({ directory, key }) => {
      directory.foldings.delete(key);
      this.tidy(directory);
    });
    this.directoryRing = new Ring(limits.directories, (directory) => {
      directory.complete = false;
      this.tidy(directory);
    });
  }

  rings(): readonly { swell(): void; trim(): void }[] {
    return [this.nameRing, this.foldingRing, this.directoryRing];
  }

  dirent(parent: FileId, name: string): Dirent | null | undefined {
    const directory = this.all.get(parent);
    if (directory === undefined) return this.streamless(parent) ? null : undefined;
    directory.used = true;
    const slot = directory.names.get(name);
    if (slot === undefined) return directory.complete || this.streamless(parent) || directory.foldings.get(foldKey(name))?.partly === false ? null : undefined;
    slot.used = true;
    return slot.row;
  }

  /** Whether it is where streams of an inode would have their names, of which none is stored. */
  private streamless(parent: FileId): boolean {
    const owner = ownerOfStreams(parent);
    const row = owner === 0 ? null : this.inode(owner);
    return row !== null && row !== undefined && (row.flags & InodeFlag.hasStreams) === 0;
  }

  /** Entries with a key: all, or `limit` of them. */
  folding(parent: FileId, key: string, limit: number): readonly Dirent[] | undefined {
    const directory = this.all.get(parent);
    if (directory === undefined) return undefined;
    directory.used = true;
    const found = directory.withKey(key);
    const folding = directory.foldings.get(key);
    if (folding !== undefined) folding.used = true;
    for (const slot of found) slot.used = true;
    if (found.length < limit && !directory.complete && folding?.partly !== false) return undefined;
    return found.map(({ row }) => row as Dirent).sort((a, b) => a.cookie - b.cookie).slice(0, limit);
  }

  /** Whether a directory has entries. */
  occupied(id: FileId): boolean | undefined {
    const directory = this.all.get(id);
    if (directory === undefined) return undefined;
    if (directory.present > 0) return true;
    return directory.complete ? false : undefined;
  }

  admitDirent(parent: FileId, name: string, row: Dirent | null): void {
    const directory = this.directoryView(parent);
    if (directory.names.has(name) || directory.complete) return;
    const slot = new NameSlot(directory, name, row);
    directory.names.set(name, slot);
    if (row !== null) directory.count(slot, true);
    this.nameRing.add(slot);
  }

  /** All entries with a key were admitted; `partly`: as many as matter. */
  admitFolding(parent: FileId, key: string, partly: boolean): void {
    const directory = this.directoryView(parent);
    if (directory.foldings.has(key)) return;
    const folding = new FoldingSlot(directory, key, partly);
    directory.foldings.set(key, folding);
    this.foldingRing.add(folding);
  }

  /** A directory in which a query found nothing. */
  admitEmpty(id: FileId): void {
    this.directoryView(id).complete = true;
  }

  directoryView(id: FileId): DirectoryView {
    let directory = this.all.get(id);
    if (directory === undefined) {
      directory = new DirectoryView(id);
      this.all.set(id, directory);
    } else if (directory.slot >= 0 || directory.holds > 0) return directory;
    this.directoryRing.add(directory);
    return directory;
  }

  /** Forgets a directory of which nothing is known any more. */
  private tidy(directory: DirectoryView): void {
    if (directory.names.size > 0 || directory.foldings.size > 0 || directory.complete) return;
    this.directoryRing.remove(directory);
    if (this.all.get(directory.id) === directory) this.all.delete(directory.id);
  }

  /** Forgets a directory that is gone; entries of it may still be pinned. */
  dropDirectory(id: FileId): void {
    const directory = this.all.get(id);
    if (directory === undefined) return;
    directory.complete = false;
    this.tidy(directory);
  }

  nameSlot(parent: FileId, name: string): NameSlot {
    const directory = this.directoryView(parent);
    let slot = directory.names.get(name);
    if (slot !== undefined) return slot;
    slot = new NameSlot(directory, name, null);
    directory.names.set(name, slot);
    return slot;
  }

  /** Sets what a name refers to, as a set that is evaluated has it. */
  setName(slot: NameSlot, row: Dirent | null): void {
    const there = row !== null;
    if ((slot.row !== null) !== there) slot.directory.count(slot, there);
    slot.row = row;
  }

  private dropName(slot: NameSlot): void {
    const { directory, name, row } = slot;
    directory.names.delete(name);
    if (row !== null) {
      directory.count(slot, false);
      directory.complete = false;
      const folding = directory.forgetKey(name);
      if (folding !== null) this.foldingRing.remove(folding);
    }
    this.tidy(directory);
  }

  /** Nothing keeps it any more: to where it may be dropped. */
  settle(slot: NameSlot | DirectoryView | FoldingSlot): void {
    if (slot.kind === "name") {
      const { directory, name, row } = slot;
      if (directory.complete && row === null) directory.names.delete(name);
      else this.nameRing.add(slot);
    } else if (slot.kind === "directory") this.directoryView(slot.id);
    // It may have been forgotten while it was held.
    else if (slot.directory.foldings.get(slot.key) === slot) this.foldingRing.add(slot);
  }
}
