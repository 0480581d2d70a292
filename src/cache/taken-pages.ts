import type { Piece } from "./below.ts";
import { frameBytes } from "./packs/index.ts";
import type { PackTable } from "./pack-table.ts";
import { type PageBuffer, pageBytes } from "./pages/index.ts";

/*
 * What was read ahead lies in memory of pages already: where a frame of its pack is a page of the file, the page is made around that
 * memory, and nothing is copied. A frame is as long as a page, and large writes reach a pack a page after the other.
 */

/** Whether a run of the file's bytes, of pages that end at `end` at the latest, is one of whole frames, as far as it matters. */
function isOfFrames({ start, end: stop, pack, packOffset }: Piece, end: number): boolean {
  return pack !== 0 && start % pageBytes === 0 && packOffset % frameBytes === 0 && (stop % pageBytes === 0 || stop === end);
}

/** Resolves when the bytes that were read ahead have come, or won't; null where there is nothing to wait for. */
export function comingOf(packs: PackTable, sources: readonly Piece[], end: number): Promise<unknown> | null {
  let waits: Promise<unknown>[] | null = null;
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i] as Piece;
    if (source.pack === 0 || !isOfFrames(source, end)) return null;
    const coming = packs.coming(source.pack, source.packOffset, source.end - source.start);
    if (coming !== null) (waits ??= []).push(coming);
  }
  return waits === null ? null : Promise.all(waits);
}

/** The buffers for all pages of the sources, which begin with one, verified and counted; null where any of them has to be read. */
export function takenOf(packs: PackTable, sources: readonly Piece[], end: number): PageBuffer[] | null {
  // What is taken in vain counts as read, and goes before it is.
  for (let i = 0; i < sources.length; i++) if (!isOfFrames(sources[i] as Piece, end)) return null;
  const taken: PageBuffer[] = [];
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i] as Piece;
    const pages = source.pack === 0 ? null : packs.take(source.pack, source.packOffset, source.end - source.start);
    if (pages === null) {
      for (let t = 0; t < taken.length; t++) (taken[t] as PageBuffer).release();
      return null;
    }
    for (let p = 0; p < pages.length; p++) taken.push(pages[p] as PageBuffer);
  }
  for (let i = 0; i < taken.length; i++) (taken[i] as PageBuffer).count();
  return taken;
}
