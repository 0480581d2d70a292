import type { PackRef } from "./pack-table.ts";

/** A run of a file's bytes that lies in a pack and that no stored extent refers to yet, or one that stores nothing. Immutable. */
export interface PendingExtent {
  readonly offset: number;
  readonly length: number;
  /** Null: a hole. */
  readonly pack: PackRef | null;
  readonly packOffset: number;
  /** The bytes are a stored pack's, which other files' extents refer to. */
  readonly shared: boolean;
  /** Log sequence of the write. */
  readonly sequence: number;
}

function piece(extent: PendingExtent, start: number, end: number): PendingExtent {
  const { pack, shared, sequence } = extent;
  return { offset: start, length: end - start, pack, packOffset: pack === null ? 0 : extent.packOffset + (start - extent.offset), shared, sequence };
}

/** The pending extents of a file: sorted, disjoint; a newer write cuts what it covers. */
export class PendingExtents {
  list: PendingExtent[] = [];
  /** Of those that are no holes. */
  bytes = 0;
  /** Of those whose pack has to be stored. */
  owned = 0;
  /** Of holes. */
  holes = 0;
  /** There may be some whose bytes nobody has: reads of what was written over them must not depend on them. */
  lost = false;

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
      this.count(extent, Math.max(extent.offset, start) - Math.min(extentEnd, end));
      if (extent.offset < start) kept.push(piece(extent, extent.offset, start));
      if (extentEnd > end) kept.push(piece(extent, end, extentEnd));
    }
    if (last > first) this.list.splice(first, last - first, ...kept);
  }

  insert(extent: PendingExtent): void {
    this.cut(extent.offset, extent.offset + extent.length);
    this.list.splice(this.find(extent.offset), 0, extent);
    this.count(extent, extent.length);
  }

  private count(extent: PendingExtent, bytes: number): void {
    if (extent.pack === null) this.holes += bytes;
    else this.bytes += bytes;
    if (extent.pack !== null && !extent.shared) this.owned += bytes;
  }

  clear(): void {
    this.list = [];
    this.bytes = 0;
    this.owned = 0;
    this.holes = 0;
    this.lost = false;
  }

  /** Forgets what was written up to `sequence`: stored extents have it now. */
  dropUpTo(sequence: number): void {
    const kept = this.list.filter((extent) => extent.sequence > sequence);
    const lost = this.lost && kept.length > 0;
    this.clear();
    this.lost = lost;
    this.list = kept;
    for (const extent of kept) this.count(extent, extent.length);
  }
}
