import type { Extent, Pack } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { Dirent, Inode } from "#model/inode.ts";
import { extentEnd } from "../../overlay.ts";
import type { Need } from "../rows.ts";
import { Ring } from "./ring.ts";
import { DirectoryView, FileView, type Held, InodeSlot, NameSlot, OrphanSlot, PackSlot, type Slot } from "./slots.ts";

/** Most that is held of each kind besides what batches on their way pin. */
export interface ViewLimits {
  readonly inodes: number;
  readonly names: number;
  readonly directories: number;
  readonly files: number;
  readonly extents: number;
  readonly packs: number;
}

/** What the database counted when nothing was on its way there. */
export interface Counts {
  readonly referred: Map<PackId, number>;
  usage: { readonly inodes: number; readonly bytes: number } | null;
}

/** A query on its way: what it brings is older than every batch above `acked`. */
export interface Fetching {
  readonly acked: number;
}

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

  /** Numbers that were drawn lately and that no inode was made of since: nobody has them. */
  private readonly drawn = new Set<number>();
  private readonly limits: ViewLimits;
  private readonly inodeRing: Ring<InodeSlot>;
  private readonly nameRing: Ring<NameSlot>;
  private readonly directoryRing: Ring<DirectoryView>;
  private readonly fileRing: Ring<FileView>;
  private readonly packRing: Ring<PackSlot>;
  private extentsHeld = 0;

  private acked = 0;
  private counts: Counts | null = null;
  private readonly fetching = new Set<Fetching>();
  private unreleased: { readonly batch: number; readonly slots: readonly Slot[] }[] = [];
  private released: (() => void)[] = [];

  constructor(limits: ViewLimits) {
    this.limits = limits;
    this.inodeRing = new Ring(limits.inodes, ({ id }) => this.inodes.delete(id));
    this.nameRing = new Ring(limits.names, (slot) => this.dropName(slot));
    this.directoryRing = new Ring(limits.directories, (directory) => {
      directory.complete = false;
      this.tidy(directory);
    });
    this.fileRing = new Ring(limits.files, (view) => this.dropFile(view));
    this.packRing = new Ring(limits.packs, ({ id }) => this.packs.delete(id));
  }

  /** A number was drawn. */
  drew(id: number): void {
    this.drawn.add(id);
    if (this.drawn.size > this.limits.inodes) this.drawn.delete(this.drawn.values().next().value as number);
  }

  /** An inode was made of it. */
  made(id: number): void {
    this.drawn.delete(id);
  }

  /** Whether it is known if there is such an inode. */
  knows(id: FileId): boolean {
    return this.drawn.has(id) || this.inodes.has(id);
  }

  /** undefined: not known. */
  inode(id: FileId): Inode | null | undefined {
    const slot = this.inodes.get(id);
    if (slot === undefined) return undefined;
    slot.used = true;
    return slot.row;
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
    const slot = this.packs.get(id);
    if (slot === undefined) return undefined;
    slot.used = true;
    return slot.row;
  }

  /** Nothing is on its way. */
  get quiet(): boolean {
    return this.unreleased.length === 0;
  }

  /** What was counted, as long as it holds. */
  counted(): Counts | null {
    return this.counts;
  }

  /** To write down what is counted now; what is evaluated meanwhile makes it worthless. */
  count(): Counts {
    return (this.counts ??= { referred: new Map(), usage: null });
  }

  fetchBegins(): Fetching {
    const fetching = { acked: this.acked };
    this.fetching.add(fetching);
    return fetching;
  }

  fetchEnds(fetching: Fetching): void {
    this.fetching.delete(fetching);
    this.release();
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

  /** A batch wrote these; they stay until it is committed and no query is older. */
  pin(batch: number, slots: readonly Slot[]): void {
    this.counts = null;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as Slot;
      if (slot.pins++ === 0) this.takeFromRing(slot);
    }
    this.unreleased.push({ batch, slots });
  }

  /** Batches up to this one are committed. */
  committed(batch: number): void {
    this.acked = batch;
    this.release();
  }

  /** Keeps what a set that waits asked for, as far as it is still there; `drop` ends it. */
  hold(need: Need, into: Held[]): void {
    switch (need.what) {
      case "inode":
        return this.keep(this.inodes.get(need.id), into);
      case "pack":
        return this.keep(this.packs.get(need.id), into);
      case "extents":
      case "sum":
        return this.keep(this.files.get(need.file), into);
      case "referred":
      case "usage":
        return;
      case "name":
      case "entries": {
        const directory = this.directories.get(need.what === "name" ? need.parent : need.id);
        if (directory === undefined) return;
        const one = need.what === "name" ? directory.names.get(need.name) : directory.names.values().find(({ row }) => row !== null);
        return this.keep(one ?? directory, into);
      }
    }
  }

  private keep(held: Held | undefined, into: Held[]): void {
    if (held === undefined) return;
    if (held.holds++ === 0) {
      if (held.kind === "directory") this.directoryRing.remove(held as DirectoryView);
      else if ((held as Slot).pins === 0) this.ringOf(held)?.remove(held as never);
    }
    into.push(held);
  }

  drop(held: readonly Held[]): void {
    for (const one of held) {
      if (--one.holds > 0) continue;
      if (one.kind === "directory") this.directoryView((one as DirectoryView).id);
      else if ((one as Slot).pins === 0) this.settle(one as Slot);
    }
  }

  private ringOf({ kind }: Held): Ring<InodeSlot> | Ring<NameSlot> | Ring<FileView> | Ring<PackSlot> | null {
    if (kind === "inode") return this.inodeRing;
    if (kind === "name") return this.nameRing;
    if (kind === "file") return this.fileRing;
    return kind === "pack" ? this.packRing : null;
  }

  /** Resolves when some batch let go of its rows. */
  nextRelease(): Promise<void> {
    return new Promise((resolve) => this.released.push(resolve));
  }

  private release(): void {
    let oldest = this.acked;
    for (const { acked } of this.fetching) if (acked < oldest) oldest = acked;
    let count = 0;
    while (count < this.unreleased.length && (this.unreleased[count]?.batch as number) <= oldest) {
      const { slots } = this.unreleased[count++] as { slots: readonly Slot[] };
      for (let i = 0; i < slots.length; i++) this.unpin(slots[i] as Slot);
    }
    if (count === 0) return;
    this.unreleased = this.unreleased.slice(count);
    const waiting = this.released;
    this.released = [];
    for (const go of waiting) go();
  }

  private takeFromRing(slot: Slot): void {
    if (slot.kind === "name") (slot as NameSlot).directory.pinned.add(slot as NameSlot);
    else if (slot.kind === "pack") this.pinnedPacks.add(slot as PackSlot);
    this.ringOf(slot)?.remove(slot as never);
  }

  private unpin(slot: Slot): void {
    if (--slot.pins > 0) return;
    if (slot.kind === "name") (slot as NameSlot).directory.pinned.delete(slot as NameSlot);
    else if (slot.kind === "pack") this.pinnedPacks.delete(slot as PackSlot);
    if (slot.holds === 0) this.settle(slot);
  }

  /** Nothing keeps it any more: to where it may be dropped. */
  private settle(slot: Slot): void {
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
