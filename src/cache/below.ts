import type { Maybe } from "#base/brand.ts";
import type { Extent } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { FileState } from "./file-state.ts";

/** Extents asked of the store at a time. */
const extentsPage = 1024;

/** Where bytes of a file lie below the pages; pack 0: a hole. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  readonly pack: PackId | 0;
  readonly packOffset: number;
}

/** What lies below the pages of files: pending extents, then stored ones, then zeros. */
export class Below {
  private readonly store: MetadataStore;

  constructor(store: MetadataStore) {
    this.store = store;
  }

  /** The pieces of `start`..`end`, in order and without gaps. */
  pieces(file: FileState, start: number, end: number): Maybe<Piece[]> {
    const storedEnd = Math.min(end, file.storedEnd);
    if (start >= storedEnd) return this.merge(file, start, end, storedEnd, []);
    const extents = this.store.extents(file.id, start, storedEnd, extentsPage);
    if (extents instanceof Promise) return extents.then((list) => this.all(file, start, end, list));
    if (extents.length === extentsPage) return this.all(file, start, end, extents);
    return this.merge(file, start, end, storedEnd, extents);
  }

  private async all(file: FileState, start: number, end: number, begun: readonly Extent[]): Promise<Piece[]> {
    let page = begun;
    const extents = [...begun];
    while (page.length === extentsPage) {
      const last = page[page.length - 1] as Extent;
      page = await this.store.extents(file.id, last.offset + last.length, end, extentsPage);
      extents.push(...page);
    }
    return this.merge(file, start, end, Math.min(end, file.storedEnd), extents);
  }

  private merge(file: FileState, start: number, end: number, storedEnd: number, stored: readonly Extent[]): Piece[] {
    const pieces: Piece[] = [];
    const pending = file.pending.list;
    let p = file.pending.find(start);
    let s = 0;
    for (let position = start; position < end; ) {
      const extent = pending[p];
      const pendingStart = extent === undefined ? end : extent.offset;
      if (extent !== undefined && pendingStart <= position) {
        const stop = Math.min(end, extent.offset + extent.length);
        pieces.push({ start: position, end: stop, pack: extent.pack?.id ?? 0, packOffset: extent.pack === null ? 0 : extent.packOffset + (position - extent.offset) });
        position = stop;
        p++;
        continue;
      }
      const until = Math.min(end, pendingStart);
      while (s < stored.length && (stored[s] as Extent).offset + (stored[s] as Extent).length <= position) s++;
      const below = stored[s];
      if (below === undefined || below.offset >= until || position >= storedEnd) {
        pieces.push({ start: position, end: until, pack: 0, packOffset: 0 });
        position = until;
      } else if (below.offset > position) {
        pieces.push({ start: position, end: below.offset, pack: 0, packOffset: 0 });
        position = below.offset;
      } else {
        const stop = Math.min(until, below.offset + below.length, storedEnd);
        pieces.push({ start: position, end: stop, pack: below.pack, packOffset: below.packOffset + (position - below.offset) });
        position = stop;
      }
    }
    return pieces;
  }
}
