import type { Extent, Pack } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { Dirent, Inode } from "#model/inode.ts";
import { extentEnd } from "../overlay.ts";
import { Drawn } from "./drawn.ts";
import { Pins } from "./pins.ts";
import { Ring, type ViewLimits } from "./ring.ts";
import { DirectoryView, FileView, type Held, InodeSlot, NameSlot, OrphanSlot, PackSlot, type Slot } from "./slots.ts";

/**
 * The rows of a share as of the last change set that was evaluated: an exact cache of the database under an overlay of what is on
 * its way there. A row that a batch wrote is pinned until the batch is committed and every query that may have been answered from
 * before that is over; so what a query brings is good for whatever is not known when it arrives.
 */
export class View {
  readonly inodes = new Map<number, InodeSlot>();
  readonly directories = new Map<number, DirectoryView>();
  readonly files = new Map<number, FileView>();
  readonly packs = new Map<number, PackSlot>();
  /** Of batches on their way alone. */
  readonly orphans = new Map<number, OrphanSlot>();
  readonly pinnedPacks = new Set<PackSlot>();

  readonly drawn: Drawn;
  private readonly limits: ViewLimits;
  private readonly inodeRing: Ring<InodeSlot>;
  private readonly nameRing: Ring<NameSlot>;
  private readonly directoryRing: Ring<DirectoryView>;
  private readonly fileRing: Ring<FileView>;
  private readonly packRing: Ring<PackSlot>;
  private extentsHeld = 0;

  /** What must stay. */
  readonly pins: Pins;

  constructor(limits: ViewLimits) {
    this.limits = limits;
    this.drawn = new Drawn(limits.inodes);
    this.pins = new Pins(
      (slot) => this.pinned(slot),
      (slot) => this.letGoOf(slot),
    );
    this.inodeRing = new Ring(limits.inodes, ({ id }) => this.inodes.delete(id));
    this.nameRing = new Ring(limits.names, (slot) => this.dropName(slot));
    this.directoryRing = new Ring(limits.directories, (directory) => {
      directory.complete = false;
      this.tidy(directory);
    });
    this.fileRing = new Ring(limits.files, (view) => this.dropFile(view));
    this.packRing = new Ring(limits.packs, ({ id }) => this.packs.delete(id));
  }

  /** Whether it is known if there is such an inode. */
  knows(id: FileId): boolean {
    return this.drawn.has(id) || this.inodes.has(id);
  }

  /** undefined: not known. */
  inode(id: FileId): Inode | null | undefined {
    return touched(this.inodes.get(id));
  }

  dirent(parent: FileId, name: string): Dirent | null | undefined {
    const directory = this.directories.get(parent);
    if (directory === undefined) return undefined;
    directory.used = true;
    const slot = directory.names.get(name);
    if (slot === undefined) return directory.complete ? null : undefined;
    slot.used = true;
    return slot.row;
  }

  /** Whether a directory has entries. */
  occupied(id: FileId): boolean | undefined {
    const directory = this.directories.get(id);
    if (directory === undefined) return undefined;
    if (directory.present > 0) return true;
    return directory.complete ? false : undefined;
  }

  /** As FileView's; a file that stores nothing has no extents. */
  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[] | number {
    const view = this.files.get(file);
    if (view === undefined) {
      const row = this.inodes.get(file)?.row;
      return row === null || row?.used === 0 ? [] : offset;
    }
    view.used = true;
    return view.overlapping(offset, end, limit);
  }

  pack(id: PackId): Pack | null | undefined {
    return touched(this.packs.get(id));
  }

  /** What queries brought; what is known already is newer. */
  admitInode(id: FileId, row: Inode | null): void {
    if (this.inodes.has(id)) return;
    const slot = new InodeSlot(id, row);
    this.inodes.set(id, slot);
    this.inodeRing.add(slot);
  }

  admitDirent(parent: FileId, name: string, row: Dirent | null): void {
    const directory = this.directoryView(parent);
    if (directory.names.has(name) || directory.complete) return;
    const slot = new NameSlot(directory, name, row);
    directory.names.set(name, slot);
    if (row !== null) directory.present++;
    this.nameRing.add(slot);
  }

  admitPack(id: PackId, row: Pack | null): void {
    if (this.packs.has(id)) return;
    const slot = new PackSlot(id, row);
    this.packs.set(id, slot);
    this.packRing.add(slot);
  }

  /** The extents that overlap a range of a file, all of them. */
  admitExtents(file: FileId, from: number, to: number, extents: readonly Extent[]): void {
    const view = this.fileView(file);
    for (let i = 0; i < extents.length; i++) {
      const e = extents[i] as Extent;
      if (view.knownTo(e.offset) > e.offset || view.nextKnown(e.offset) < extentEnd(e)) continue;
      view.insert(e);
      view.learn(e.offset, extentEnd(e));
      this.extentsHeld++;
    }
    view.learn(from, to);
    this.letGo(view);
  }

  /** A directory in which a query found nothing. */
  admitEmpty(id: FileId): void {
    this.directoryView(id).complete = true;
  }

  directoryView(id: FileId): DirectoryView {
    let directory = this.directories.get(id);
    if (directory === undefined) {
      directory = new DirectoryView(id);
      this.directories.set(id, directory);
    } else if (directory.slot >= 0 || directory.holds > 0) return directory;
    this.directoryRing.add(directory);
    return directory;
  }

  /** Forgets a directory of which nothing is known any more. */
  private tidy(directory: DirectoryView): void {
    if (directory.names.size > 0 || directory.complete) return;
    this.directoryRing.remove(directory);
    if (this.directories.get(directory.id) === directory) this.directories.delete(directory.id);
  }

  /** Forgets a directory that is gone; entries of it may still be pinned. */
  dropDirectory(id: FileId): void {
    const directory = this.directories.get(id);
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
    if ((slot.row === null) !== (row === null)) slot.directory.present += row === null ? -1 : 1;
    slot.row = row;
  }

  /** Not in the ring yet where it is new: what an evaluation under way changes must not be dropped. */
  fileView(id: FileId): FileView {
    let view = this.files.get(id);
    if (view !== undefined) return view;
    view = new FileView(id);
    if (this.inodes.get(id)?.row?.used === 0) view.learn(0, Number.MAX_SAFE_INTEGER);
    this.files.set(id, view);
    return view;
  }

  /** After an evaluation that came to nothing, or a query. */
  letGo(view: FileView): void {
    if (view.pins === 0 && view.holds === 0 && view.slot < 0) this.fileRing.add(view);
  }

  countExtents(delta: number): void {
    this.extentsHeld += delta;
  }

  private ringOf({ kind }: Held): Ring<InodeSlot> | Ring<NameSlot> | Ring<FileView> | Ring<PackSlot> | Ring<DirectoryView> | null {
    if (kind === "inode") return this.inodeRing;
    if (kind === "name") return this.nameRing;
    if (kind === "file") return this.fileRing;
    if (kind === "directory") return this.directoryRing;
    return kind === "pack" ? this.packRing : null;
  }

  private pinned(slot: Slot): void {
    if (slot.kind === "name") (slot as NameSlot).directory.pinned.add(slot as NameSlot);
    else if (slot.kind === "pack") this.pinnedPacks.add(slot as PackSlot);
    this.takeFromRing(slot);
  }

  /** It must not be dropped. */
  takeFromRing(slot: Held): void {
    this.ringOf(slot)?.remove(slot as never);
  }

  private letGoOf(slot: Slot): void {
    if (slot.kind === "name") (slot as NameSlot).directory.pinned.delete(slot as NameSlot);
    else if (slot.kind === "pack") this.pinnedPacks.delete(slot as PackSlot);
    if (slot.holds === 0) this.settle(slot);
  }

  /** Nothing keeps it any more: to where it may be dropped. */
  settle(slot: Held): void {
    switch (slot.kind) {
      case "inode":
        return this.inodeRing.add(slot as InodeSlot);
      case "name": {
        const { directory, name, row } = slot as NameSlot;
        if (directory.complete && row === null) directory.names.delete(name);
        else this.nameRing.add(slot as NameSlot);
        return;
      }
      case "file":
        return this.unpinFile(slot as FileView);
      case "pack":
        return this.packRing.add(slot as PackSlot);
      case "orphan":
        this.orphans.delete((slot as OrphanSlot).id);
        return;
      case "directory":
        this.directoryView((slot as DirectoryView).id);
        return;
    }
  }

  private unpinFile(view: FileView): void {
    // Nothing is worth remembering of a file that is gone.
    if (this.inodes.get(view.id)?.row === null) return this.dropFile(view);
    this.fileRing.add(view);
  }

  private dropName({ directory, name, row }: NameSlot): void {
    directory.names.delete(name);
    if (row !== null) {
      directory.present--;
      directory.complete = false;
    }
    this.tidy(directory);
  }

  private dropFile(view: FileView): void {
    if (this.files.get(view.id) !== view) return;
    this.files.delete(view.id);
    this.extentsHeld -= view.extents.length;
  }

  /** Drops nothing until `trim`: whoever asked for rows is told of them before the next ones take their place. */
  swell(): void {
    for (const ring of this.rings()) ring.swell();
  }

  trim(): void {
    this.bound();
    for (const ring of this.rings()) ring.trim();
  }

  /** Extents are bounded by their number, not by that of their files. */
  bound(): void {
    if (this.extentsHeld > this.limits.extents) this.fileRing.halve();
  }

  private rings(): readonly { swell(): void; trim(): void }[] {
    return [this.inodeRing, this.nameRing, this.directoryRing, this.fileRing, this.packRing];
  }
}

function touched<T>(slot: { row: T; used: boolean } | undefined): T | undefined {
  if (slot === undefined) return undefined;
  slot.used = true;
  return slot.row;
}
