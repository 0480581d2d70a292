import { assert } from "#base/assert.ts";
import type { Extent } from "#model/change-set.ts";

/** The extents of one file, in order of their offsets. */
export class ExtentList {
  private list: Extent[] = [];

  get size(): number {
    return this.list.length;
  }

  all(): readonly Extent[] {
    return this.list;
  }

  /** Index of the first extent that begins at or after `offset`. */
  private firstFrom(offset: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.list[middle] as Extent).offset >= offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  overlapping(offset: number, end: number, limit: number): Extent[] {
    let i = this.firstFrom(offset);
    const before = this.list[i - 1];
    if (before !== undefined && before.offset + before.length > offset) i--;
    const found: Extent[] = [];
    for (; i < this.list.length && found.length < limit; i++) {
      const e = this.list[i] as Extent;
      if (e.offset >= end) break;
      found.push(e);
    }
    return found;
  }

  /** Extents that begin in `from`..`to`. */
  beginningIn(from: number, to: number): Extent[] {
    return this.list.slice(this.firstFrom(from), this.firstFrom(to));
  }

  /** Takes out and gives the extents that begin in `from`..`to`. */
  remove(from: number, to: number): Extent[] {
    const first = this.firstFrom(from);
    return this.list.splice(first, this.firstFrom(to) - first);
  }

  insert(extent: Extent): void {
    const i = this.firstFrom(extent.offset);
    assert(this.list[i]?.offset !== extent.offset, "a file has an extent at that offset already");
    if (i === this.list.length) this.list.push(extent);
    else this.list.splice(i, 0, extent);
  }

  /** Puts back what `remove` took: contiguous in the list. */
  restore(extents: readonly Extent[]): void {
    const first = extents[0];
    if (first === undefined) return;
    const i = this.firstFrom(first.offset);
    this.list = [...this.list.slice(0, i), ...extents, ...this.list.slice(i)];
  }
}
