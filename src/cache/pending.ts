import type { PackRef } from "./pack-table.ts";

/** A run of a file's bytes that was written straight into a pack and that no stored extent refers to yet. Immutable. */
export interface PendingExtent {
  readonly offset: number;
  readonly length: number;
  readonly pack: PackRef;
  readonly packOffset: number;
  /** Log sequence of the write. */
  readonly sequence: number;
}

function piece(extent: PendingExtent, start: number, end: number): PendingExtent {
  const { pack, sequence } = extent;
  return { offset: start, length: end - start, pack, packOffset: extent.packOffset + (start - extent.offset), sequence };
}

/** The pending extents of a file: sorted, disjoint; a newer write cuts what it covers. */
export class PendingExtents {
  list: PendingExtent[] = [];
  bytes = 0;

  /** Index of the first extent that ends after `offset`. */
  find(offset: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const extent = this.list[middle] as PendingExtent;
      if (extent.offset + extent.length <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Takes `start`..`end` out. */
  cut(start: number, end: number): void {
    const first = this.find(start);
    let last = first;
    const kept: PendingExtent[] = [];
    for (; last < this.list.length; last++) {
      const extent = this.list[last] as PendingExtent;
      const extentEnd = extent.offset + extent.length;
      if (extent.offset >= end) break;
      this.bytes -= Math.min(extentEnd, end) - Math.max(extent.offset, start);
      if (extent.offset < start) kept.push(piece(extent, extent.offset, start));
      if (extentEnd > end) kept.push(piece(extent, end, extentEnd));
    }
    if (last > first) this.list.splice(first, last - first, ...kept);
  }

  insert(extent: PendingExtent): void {
    this.cut(extent.offset, extent.offset + extent.length);
    this.list.splice(this.find(extent.offset), 0, extent);
    this.bytes += extent.length;
  }

  /** Forgets what was written up to `sequence`: stored extents have it now. */
  dropUpTo(sequence: number): void {
    this.list = this.list.filter((extent) => extent.sequence > sequence);
    this.bytes = this.list.reduce((sum, extent) => sum + extent.length, 0);
  }
}
