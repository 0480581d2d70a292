import type { Extent, Pack } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { extentEnd } from "../overlay.ts";
import { Directories } from "./directories.ts";
import { Drawn } from "./drawn.ts";
import { Pins } from "./pins.ts";
import { Ring, type ViewLimits } from "./ring.ts";
import { type DirectoryView, FileView, type FoldingSlot, type Held, InodeSlot, type NameSlot, OrphanSlot, PackSlot, type Slot, type XattrSlot } from "./slots.ts";

/**
 * The rows of a share as of the last change set that was evaluated: an exact cache of the database under an overlay of what is on
 * its way there. A row that a batch wrote is pinned until the batch is committed and every query that may have been answered from
 * before that is over; so what a query brings is good for whatever is not known when it arrives.
 */
export class View {
  readonly inodes = new Map<number, InodeSlot>();
  readonly names: Directories;
  readonly files = new Map<number, FileView>();
  readonly packs = new Map<number, PackSlot>();
  /** Of batches on their way alone. */
  readonly orphans = new Map<number, OrphanSlot>();
  readonly xattrs = new Map<number, XattrSlot>();
  readonly pinnedPacks = new Set<PackSlot>();

  readonly drawn: Drawn;
  private readonly limits: ViewLimits;
  private readonly inodeRing: Ring<InodeSlot>;
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
    this.names = new Directories(limits, (owner) => this.inodes.get(owner)?.row);
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

  private ringOf({ kind }: Held): Ring<InodeSlot> | Ring<NameSlot> | Ring<FileView> | Ring<PackSlot> | Ring<DirectoryView> | Ring<FoldingSlot> | null {
    if (kind === "inode") return this.inodeRing;
    if (kind === "name") return this.names.nameRing;
    if (kind === "file") return this.fileRing;
    if (kind === "directory") return this.names.directoryRing;
    if (kind === "folding") return this.names.foldingRing;
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
      case "name":
      case "directory":
      case "folding":
        return this.names.settle(slot as NameSlot | DirectoryView | FoldingSlot);
      case "file":
        return this.unpinFile(slot as FileView);
      case "pack":
        return this.packRing.add(slot as PackSlot);
      case "orphan":
        this.orphans.delete((slot as OrphanSlot).id);
        return;
      case "xattrs":
        this.xattrs.delete((slot as XattrSlot).id);
        return;
    }
  }

  private unpinFile(view: FileView): void {
    // Nothing is worth remembering of a file that is gone.
    if (this.inodes.get(view.id)?.row === null) return this.dropFile(view);
    this.fileRing.add(view);
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
    return [this.inodeRing, ...this.names.rings(), this.fileRing, this.packRing];
  }
}

function touched<T>(slot: { row: T; used: boolean } | undefined): T | undefined {
  if (slot === undefined) return undefined;
  slot.used = true;
  return slot.row;
}
