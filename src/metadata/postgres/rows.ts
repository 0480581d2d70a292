import { assert } from "#base/assert.ts";
import type { Extent, Pack } from "#model/change-set.ts";
import type { Cookie, FileId, PackId } from "#model/ids.ts";
import { type Dirent, FileType, type Inode } from "#model/inode.ts";
import type { EngineRows, PackBytes, Totals } from "../rows.ts";
import { ExtentRows } from "./extent-rows.ts";
import { Unknown } from "./need.ts";
import { InodeSlot, OrphanSlot, PackSlot, type Slot, XattrSlot } from "./slots.ts";
import { Transaction } from "./transaction.ts";
import type { View } from "./view.ts";
import type { Writes } from "./writes.ts";

/** The view as the engine changes it. What a batch writes is gathered on the way; `rollback` puts everything back. */
export class PostgresRows implements EngineRows {
  private readonly view: View;
  private readonly transaction = new Transaction();
  private readonly extentRows: ExtentRows;

  constructor(view: View) {
    this.view = view;
    this.extentRows = new ExtentRows(view, this.transaction);
  }

  private get writes(): Writes {
    return this.transaction.writes;
  }

  begin(): void {
    this.transaction.begin();
    this.extentRows.begin();
  }

  commit(): void {
    this.transaction.end();
  }

  /** What the batch that was committed writes. */
  take(): Writes {
    return this.transaction.writes;
  }

  rollback(): void {
    this.transaction.rollback();
  }

  inode(id: FileId): Inode | null {
    const row = this.view.inode(id);
    if (row === undefined) throw new Unknown({ what: "inode", id });
    return row;
  }

  dirent(parent: FileId, name: string): Dirent | null {
    const row = this.view.names.dirent(parent, name);
    if (row === undefined) throw new Unknown({ what: "name", parent, name });
    return row;
  }

  direntsFolding(parent: FileId, key: string, limit: number): readonly Dirent[] {
    const rows = this.view.names.folding(parent, key, limit);
    if (rows === undefined) throw new Unknown({ what: "folding", parent, key });
    return rows;
  }

  hasEntries(id: FileId): boolean {
    const occupied = this.view.names.occupied(id);
    if (occupied === undefined) throw new Unknown({ what: "entries", id });
    return occupied;
  }

  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[] {
    return this.extentRows.extents(file, offset, end, limit);
  }

  pack(id: PackId): Pack | null {
    const row = this.view.pack(id);
    if (row === undefined) throw new Unknown({ what: "pack", id });
    return row;
  }

  private setName(parent: FileId, name: string, row: Dirent | null): void {
    const { view, writes } = this;
    const made = view.names.all.get(parent)?.names.has(name) !== true;
    const slot = view.names.nameSlot(parent, name);
    const before = slot.row;
    view.names.setName(slot, row);
    if (!writes.names.has(slot)) writes.names.set(slot, before);
    writes.slots.push(slot);
    this.transaction.note(() => {
      view.names.setName(slot, before);
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

  setXattr(id: FileId, name: string, value: Uint8Array | null): void {
    const { xattrs } = this.writes;
    const written = xattrs.get(id);
    if (written === undefined) xattrs.set(id, new Map([[name, value]]));
    else written.set(name, value);
    const slot = this.xattrSlot(id);
    slot.values = new Map([...slot.values, [name, value]]);
  }

  deleteXattrs(id: FileId): void {
    this.writes.xattrs.delete(id);
    this.writes.bareInodes.push(id);
    const slot = this.xattrSlot(id);
    slot.bare = true;
    slot.values = new Map();
  }

  private xattrSlot(id: FileId): XattrSlot {
    const { xattrs } = this.view;
    const known = xattrs.get(id);
    const slot = known ?? new XattrSlot(id);
    if (known === undefined) xattrs.set(id, slot);
    const { bare, values } = slot;
    this.writes.slots.push(slot);
    this.transaction.note(() => {
      slot.bare = bare;
      slot.values = values;
      if (known === undefined) xattrs.delete(id);
    });
    return slot;
  }

  packBytes(file: FileId, from: number, to: number): readonly PackBytes[] {
    return this.extentRows.packBytes(file, from, to);
  }

  deleteExtents(file: FileId, from: number, to: number): void {
    this.extentRows.deleteExtents(file, from, to);
  }

  insertExtent(file: FileId, extent: Extent): void {
    this.extentRows.insertExtent(file, extent);
  }

  replaceExtent(file: FileId, extent: Extent): void {
    this.extentRows.replaceExtent(file, extent);
  }

  /** The row there was. */
  private setRow<Id extends number, Row, S extends Slot & { row: Row | null }>(slots: Map<number, S>, id: Id, row: Row | null, Made: new (id: Id, row: null) => S): Row | null {
    const known = slots.get(id);
    const slot = known ?? new Made(id, null);
    if (known === undefined) slots.set(id, slot);
    const before = slot.row;
    slot.row = row;
    this.writes.slots.push(slot);
    this.transaction.note(() => {
      slot.row = before;
      if (known === undefined) slots.delete(id);
    });
    return before;
  }

  private setInode(id: FileId, row: Inode | null): void {
    this.setRow(this.view.inodes, id, row, InodeSlot);
  }

  insertInode(row: Inode): void {
    assert((this.view.inode(row.id) ?? null) === null, `a change set inserts inode ${row.id}, which exists`);
    this.setInode(row.id, row);
    this.writes.newInodes.push(row);
    if (row.type !== FileType.directory) return;
    // Whatever is in it came with this batch.
    const directory = this.view.names.directoryView(row.id);
    directory.complete = true;
    this.transaction.note(() => {
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
    if (before?.type === FileType.directory) this.view.names.dropDirectory(id);
  }

  private setOrphan(id: FileId, present: boolean): void {
    const { orphans } = this.view;
    const known = orphans.get(id);
    const slot = known ?? new OrphanSlot(id, !present);
    if (known === undefined) orphans.set(id, slot);
    const before = slot.present;
    slot.present = present;
    this.writes.orphans.set(id, present);
    this.writes.slots.push(slot);
    this.transaction.note(() => {
      slot.present = before;
      if (known === undefined) orphans.delete(id);
    });
  }

  insertOrphan(id: FileId): void {
    this.setOrphan(id, true);
  }

  deleteOrphan(id: FileId): void {
    this.setOrphan(id, false);
  }

  liveBytes(id: PackId): number {
    const bytes = this.view.pins.counted()?.referred.get(id);
    if (bytes === undefined) throw new Unknown({ what: "referred", id });
    return bytes + (this.writes.referred.get(id) ?? 0);
  }

  countUsage(): { readonly inodes: number; readonly bytes: number } {
    const usage = this.view.pins.counted()?.usage;
    if (usage === undefined || usage === null) throw new Unknown({ what: "usage" });
    return usage;
  }

  private setPack(id: PackId, row: Pack | null): Pack | null {
    return this.setRow(this.view.packs, id, row, PackSlot);
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
