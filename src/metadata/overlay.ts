import type { Extent } from "#model/change-set.ts";

export function extentEnd(e: Extent): number {
  return e.offset + e.length;
}

/** The part of an extent that lies in `from`..`to`. */
export function part(e: Extent, from: number, to: number): Extent {
  return { offset: from, length: to - from, pack: e.pack, packOffset: e.packOffset + (from - e.offset) };
}

/** What laying `over` on `below` does to the stored rows, which an offset names. */
export interface Overlay {
  /** Rows that are covered, in part or whole. */
  readonly taken: readonly Extent[];
  /** What lies there afterwards: the new extents and what is left of the taken ones, in order. */
  readonly laid: readonly Extent[];
}

/** Whether extents are in order and don't overlap. */
export function isOrdered(extents: readonly Extent[]): boolean {
  for (let i = 1; i < extents.length; i++) if ((extents[i] as Extent).offset < extentEnd(extents[i - 1] as Extent)) return false;
  return true;
}

/** Lays `over` on `below`; both in order and without overlaps among themselves. */
export function overlay(below: readonly Extent[], over: readonly Extent[]): Overlay {
  const taken: Extent[] = [];
  const left: Extent[] = [];
  let o = 0;
  for (let b = 0; b < below.length; b++) {
    const e = below[b] as Extent;
    while (o < over.length && extentEnd(over[o] as Extent) <= e.offset) o++;
    let position = e.offset;
    let covered = false;
    for (let i = o; i < over.length && (over[i] as Extent).offset < extentEnd(e); i++) {
      const cover = over[i] as Extent;
      covered = true;
      if (cover.offset > position) left.push(part(e, position, cover.offset));
      position = Math.max(position, extentEnd(cover));
    }
    if (!covered) continue;
    taken.push(e);
    if (position < extentEnd(e)) left.push(part(e, position, extentEnd(e)));
  }
  return { taken, laid: left.length === 0 ? over : [...over, ...left].sort((a, b) => a.offset - b.offset) };
}
