import { assert } from "#base/assert.ts";
import type { Extent } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { extentEnd } from "../overlay.ts";
import type { PackBytes } from "../rows.ts";
import { Unknown } from "./need.ts";
import type { FileView } from "./slots.ts";
import type { Transaction } from "./transaction.ts";
import type { View } from "./view.ts";

/** Extents as the engine changes them. */
export class ExtentRows {
  private readonly view: View;
  private readonly transaction: Transaction;
  /** The last answer that was added up by the database. */
  private summed: { readonly view: FileView; readonly from: number; readonly to: number; readonly bytes: readonly PackBytes[] } | null = null;

  constructor(view: View, transaction: Transaction) {
    this.view = view;
    this.transaction = transaction;
  }

  begin(): void {
    this.summed = null;
  }

  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[] {
    const found = this.view.extents(file, offset, end, limit);
    if (typeof found === "number") throw new Unknown({ what: "extents", file, from: found, to: Math.min(end, this.view.files.get(file)?.nextKnown(found) ?? end) });
    return found;
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
    if (view !== undefined && this.transaction.writes.files.has(view)) {
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
    const first = !this.transaction.writes.files.has(changed);
    this.transaction.writes.fileWrites(changed);
    if (first) {
      const { extents, known, version } = changed;
      // Copied once a batch: the arrays of before are what a rollback puts back.
      changed.extents = extents.slice();
      changed.known = known.map(({ from, to }) => ({ from, to }));
      this.transaction.writes.slots.push(changed);
      this.transaction.note(() => {
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
    const writes = this.transaction.writes.fileWrites(view);
    const first = view.firstFrom(from);
    const removed = view.extents.splice(first, view.firstFrom(to) - first);
    const { summed } = this;
    this.summed = null;
    // More may go than is known: then it was just added up.
    if (summed !== null && summed.view === view && summed.from === from && summed.to === to) for (const { pack, bytes } of summed.bytes) this.transaction.writes.refer(pack, -bytes);
    else for (const { pack, length } of removed) this.transaction.writes.refer(pack, -length);
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
    this.transaction.writes.refer(extent.pack, extent.length);
    this.transaction.writes.fileWrites(view).laid.add(extent.offset);
    view.learn(extent.offset, extentEnd(extent));
  }

  replaceExtent(file: FileId, extent: Extent): void {
    const view = this.changing(file);
    const index = view.firstFrom(extent.offset);
    const before = view.extents[index];
    assert(before?.offset === extent.offset, "a file has no extent at that offset");
    this.transaction.writes.refer(before.pack, -before.length);
    this.transaction.writes.refer(extent.pack, extent.length);
    view.extents[index] = extent;
    this.transaction.writes.fileWrites(view).laid.add(extent.offset);
    view.learn(extent.offset, extentEnd(extent));
  }
}
