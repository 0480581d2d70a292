/**
 * Memory that large payloads are received into, used again and again: fresh memory costs a page fault for every 4 KiB, and is in no
 * CPU's cache. Whoever is the last to read a payload gives it back. A piece nobody gives back is the garbage collector's.
 */

/** Bytes of a piece. */
export const lentPieceBytes = 256 * 1024;
/** Pieces kept for the next payloads; more are left to the garbage collector. */
const keptMax = 64;

const free: Uint8Array[] = [];
/** What was lent and not given back, by its memory. */
const lent = new WeakMap<ArrayBufferLike, Uint8Array>();

/** A piece to receive into; what is in it is of no meaning. The one given back last comes first. */
export function lend(): Uint8Array {
  const piece = free.pop() ?? new Uint8Array(lentPieceBytes);
  lent.set(piece.buffer, piece);
  return piece;
}

/**
 * Takes back the pieces the slices lie in; slices of other memory are passed over. To be called only where nobody reads any slice of
 * them again.
 */
export function giveBack(slices: readonly Uint8Array[]): void {
  for (let i = 0; i < slices.length; i++) {
    const memory = (slices[i] as Uint8Array).buffer;
    const piece = lent.get(memory);
    if (piece === undefined) continue;
    lent.delete(memory);
    if (free.length < keptMax) free.push(piece);
  }
}
