import { assert } from "#base/assert.ts";
import type { Extent, Pack } from "#model/change-set.ts";
import type { Cookie, FileId, PackId } from "#model/ids.ts";
import { type Dirent, FileType, type Inode } from "#model/inode.ts";
import { extentEnd } from "../overlay.ts";
import type { EngineRows, PackBytes, Totals } from "../rows.ts";
import { type FileView, InodeSlot, OrphanSlot, PackSlot } from "./view/slots.ts";
import type { View } from "./view/view.ts";
import { Writes } from "./writes.ts";

/** A row that an evaluation asks for and the view does not know. */
export type Need =
  | { readonly what: "inode"; readonly id: FileId }
  | { readonly what: "name"; readonly parent: FileId; readonly name: string }
  | { readonly what: "entries"; readonly id: FileId }
  | { readonly what: "pack"; readonly id: PackId }
  | { readonly what: "extents"; readonly file: FileId; readonly from: number; readonly to: number }
  | { readonly what: "sum"; readonly file: FileId; readonly from: number; readonly to: number }
  /** Bytes of a pack that extents refer to, counted. */
  | { readonly what: "referred"; readonly id: PackId }
  | { readonly what: "usage" };

/** Thrown by the rows: what is needed has to be fetched before the set can be evaluated. */
export class Unknown extends Error {
  readonly need: Need;

  constructor(need: Need) {
    super("a row is not at hand");
    this.need = need;
  }
}

/** The view as the engine changes it. What a batch writes is gathered on the way; `rollback` puts everything back. */
export class PostgresRows implements EngineRows {
  private readonly view: View;
  private journal: (() => void)[] = [];
  private writes = new Writes();
  /** The last answer that was added up by the database. */
  private summed: { readonly view: FileView; readonly from: number; readonly to: number; readonly bytes: readonly PackBytes[] } | null = null;

  constructor(view: View) {
    this.view = view;
  }

  begin(): void {
    this.journal = [];
    this.summed = null;
    this.writes = new Writes();
  }

  commit(): void {
    this.journal = [];
  }

  /** What the batch that was committed writes. */
  take(): Writes {
    return this.writes;
  }

  rollback(): void {
    for (let i = this.journal.length - 1; i >= 0; i--) this.journal[i]?.();
    this.journal = [];
    this.writes = new Writes();
  }

  inode(id: FileId): Inode | null {
    const row = this.view.inode(id);
    if (row === undefined) throw new Unknown({ what: "inode", id });
    return row;
  }

  dirent(parent: FileId, name: string): Dirent | null {
    const row = this.view.dirent(parent, name);
    if (row === undefined) throw new Unknown({ what: "name", parent, name });
    return row;
  }

  hasEntries(id: FileId): boolean {
    const occupied = this.view.occupied(id);
    if (occupied === undefined) throw new Unknown({ what: "entries", id });
    return occupied;
  }

  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[] {
    const found = this.view.extents(file, offset, end, limit);
    if (typeof found === "number") throw new Unknown({ what: "extents", file, from: found, to: Math.min(end, this.view.files.get(file)?.nextKnown(found) ?? end) });
    return found;
  }

  pack(id: PackId): Pack | null {
    const row = this.view.pack(id);
    if (row === undefined) throw new Unknown({ what: "pack", id });
    return row;
  }

  private setName(parent: FileId, name: string, row: Dirent | null): void {
    const { view, writes } = this;
    const made = view.directories.get(parent)?.names.has(name) !== true;
    const slot = view.nameSlot(parent, name);
    const before = slot.row;
    view.setName(slot, row);
    if (!writes.names.has(slot)) writes.names.set(slot, before);
    writes.slots.push(slot);
    this.journal.push(() => {
      view.setName(slot, before);
      if (made) slot.directory.names.delete(name);
    });
  }

  insertDirent(parent: FileId, name: string, child: FileId, cookie: Cookie): void {
    assert(this.dirent(parent, name) === null, `directory ${parent} has an entry of that name already`);
    this.setName(parent, name, { parent, name, child, cookie });
  }

  deleteDirent(parent: FileId, name: string): void {
    assert(this.dirent(parent, name) !== null, "a change set deletes a directory entry that does not exist");
    this.setName(parent, name, null);
  }

  packBytes(file: FileId, from: number, to: number): readonly PackBytes[] {
    const view = this.view.files.get(file);
    if (view !== undefined && view.knownTo(from) >= to) {
      const sums = new Map<PackId, number>();
      for (let i = view.firstFrom(from); i < view.extents.length; i++) {
        const e = view.extents[i] as Extent;
        if (e.offset >= to) break;
        sums.set(e.pack, (sums.get(e.pack) ?? 0) + e.length);
      }
      return [...sums].map(([pack, bytes]) => ({ pack, bytes }));
    }
    // The database knows nothing of what this batch has done to the file: then the rows themselves are needed.
    if (view !== undefined && this.writes.files.has(view)) {
      const gap = view.knownTo(from);
      throw new Unknown({ what: "extents", file, from: gap, to: Math.min(to, view.nextKnown(gap)) });
    }
    const sum = view?.sum;
    if (sum === undefined || sum === null || sum.version !== view?.version || sum.from !== from || sum.to !== to) {
      throw new Unknown({ what: "sum", file, from, to });
    }
    this.summed = { view: view as FileView, from, to, bytes: sum.bytes };
    return sum.bytes;
  }

  /** The file's view, to be changed; all of it comes back where the batch comes to nothing. */
  private changing(file: FileId): FileView {
    const { view } = this;
    const changed = view.fileView(file);
    const first = !this.writes.files.has(changed);
    this.writes.fileWrites(changed);
    if (first) {
      const { extents, known, version } = changed;
      // Copied once a batch: the arrays of before are what a rollback puts back.
      changed.extents = extents.slice();
      changed.known = known.map(({ from, to }) => ({ from, to }));
      this.writes.slots.push(changed);
      this.journal.push(() => {
        view.countExtents(extents.length - changed.extents.length);
        changed.extents = extents;
        changed.known = known;
        changed.version = version;
        view.letGo(changed);
      });
    }
    changed.version++;
    return changed;
  }

  deleteExtents(file: FileId, from: number, to: number): void {
    const view = this.changing(file);
    const writes = this.writes.fileWrites(view);
    const first = view.firstFrom(from);
    const removed = view.extents.splice(first, view.firstFrom(to) - first);
    const { summed } = this;
    this.summed = null;
    // More may go than is known: then it was just added up.
    if (summed !== null && summed.view === view && summed.from === from && summed.to === to) for (const { pack, bytes } of summed.bytes) this.writes.refer(pack, -bytes);
    else for (const { pack, length } of removed) this.writes.refer(pack, -length);
    this.view.countExtents(-removed.length);
    writes.deleted.push([from, to]);
    for (const offset of [...writes.laid]) if (offset >= from && offset < to) writes.laid.delete(offset);
    view.learn(from, to);
  }

  insertExtent(file: FileId, extent: Extent): void {
    const view = this.changing(file);
    assert(view.extents[view.firstFrom(extent.offset)]?.offset !== extent.offset, "a file has an extent at that offset already");
    view.insert(extent);
    this.view.countExtents(1);
    this.writes.refer(extent.pack, extent.length);
    this.writes.fileWrites(view).laid.add(extent.offset);
    view.learn(extent.offset, extentEnd(extent));
  }

  replaceExtent(file: FileId, extent: Extent): void {
    const view = this.changing(file);
    const index = view.firstFrom(extent.offset);
    const before = view.extents[index];
    assert(before?.offset === extent.offset, "a file has no extent at that offset");
    this.writes.refer(before.pack, -before.length);
    this.writes.refer(extent.pack, extent.length);
    view.extents[index] = extent;
    this.writes.fileWrites(view).laid.add(extent.offset);
    view.learn(extent.offset, extentEnd(extent));
  }

  private setInode(id: FileId, row: Inode | null): void {
    const { inodes } = this.view;
    let slot = inodes.get(id);
    const made = slot === undefined;
    if (slot === undefined) {
      slot = new InodeSlot(id, null);
      inodes.set(id, slot);
    }
    const changed = slot;
    const before = slot.row;
    slot.row = row;
    this.writes.slots.push(slot);
    this.journal.push(() => {
      changed.row = before;
      if (made) inodes.delete(id);
    });
  }

  insertInode(row: Inode): void {
    assert((this.view.inode(row.id) ?? null) === null, `a change set inserts inode ${row.id}, which exists`);
    this.setInode(row.id, row);
    this.writes.newInodes.push(row);
    if (row.type !== FileType.directory) return;
    // Whatever is in it came with this batch.
    const directory = this.view.directoryView(row.id);
    directory.complete = true;
    this.journal.push(() => {
      directory.complete = false;
    });
  }

  updateInode(row: Inode): void {
    this.setInode(row.id, row);
    this.writes.changedInodes.push(row);
  }

  deleteInode(id: FileId): void {
    const before = this.view.inode(id) ?? null;
    this.setInode(id, null);
    this.writes.goneInodes.push(id);
    if (before?.type === FileType.directory) this.view.dropDirectory(id);
  }

  private setOrphan(id: FileId, present: boolean): void {
    const { orphans } = this.view;
    let slot = orphans.get(id);
    const made = slot === undefined;
    if (slot === undefined) {
      slot = new OrphanSlot(id, !present);
      orphans.set(id, slot);
    }
    const changed = slot;
    const before = slot.present;
    slot.present = present;
    this.writes.orphans.set(id, present);
    this.writes.slots.push(slot);
    this.journal.push(() => {
      changed.present = before;
      if (made) orphans.delete(id);
    });
  }

  insertOrphan(id: FileId): void {
    this.setOrphan(id, true);
  }

  deleteOrphan(id: FileId): void {
    this.setOrphan(id, false);
  }

  liveBytes(id: PackId): number {
    const bytes = this.view.counted()?.referred.get(id);
    if (bytes === undefined) throw new Unknown({ what: "referred", id });
    return bytes + (this.writes.referred.get(id) ?? 0);
  }

  countUsage(): { readonly inodes: number; readonly bytes: number } {
    const usage = this.view.counted()?.usage;
    if (usage === undefined || usage === null) throw new Unknown({ what: "usage" });
    return usage;
  }

  private setPack(id: PackId, row: Pack | null): Pack | null {
    const { packs } = this.view;
    let slot = packs.get(id);
    const made = slot === undefined;
    if (slot === undefined) {
      slot = new PackSlot(id, null);
      packs.set(id, slot);
    }
    const changed = slot;
    const before = slot.row;
    slot.row = row;
    this.writes.slots.push(slot);
    this.journal.push(() => {
      changed.row = before;
      if (made) packs.delete(id);
    });
    return before;
  }

  insertPack(pack: Pack): void {
    this.setPack(pack.id, pack);
    this.writes.putPacks.push(pack);
  }

  updatePack(pack: Pack): void {
    const before = this.setPack(pack.id, pack);
    this.writes.putPacks.push({ ...pack, live: 0 });
    this.addLive(pack.id, pack.live - (before?.live ?? 0));
  }

  updatePackLive(id: PackId, live: number): void {
    const before = this.view.pack(id);
    assert(before !== null && before !== undefined, "no such pack");
    this.setPack(id, { ...before, live });
    this.addLive(id, live - before.live);
  }

  private addLive(id: PackId, delta: number): void {
    if (delta !== 0) this.writes.live.push({ id, delta });
  }

  deletePack(id: PackId): void {
    this.setPack(id, null);
    this.writes.gonePacks.push(id);
  }

  putTotals(totals: Totals, stored: Totals): void {
    this.writes.treeVersions += totals.treeVersion - stored.treeVersion;
    this.writes.inodes += totals.inodes - stored.inodes;
    this.writes.bytes += totals.bytes - stored.bytes;
  }
}
