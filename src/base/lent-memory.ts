/**
 * Memory that large payloads are received into, used again and again: fresh memory costs a page fault for every 4 KiB, and is in no
 * CPU's cache. Whoever is the last to read a payload gives it back. A piece nobody gives back is the garbage collector's.
 */

/** Sizes of pieces. */
const pieceBytes = [256 * 1024, 1024 * 1024] as const;
/** Memory of each size kept for the next payloads; what is more is left to the garbage collector. */
const keptBytesMax = 16 * 1024 * 1024;

const free: Uint8Array[][] = pieceBytes.map(() => []);
/** What was lent and not given back, by its memory. */
const lent = new WeakMap<ArrayBufferLike, Uint8Array>();

function sizeFor(bytes: number): 0 | 1 {
  return bytes <= pieceBytes[0] ? 0 : 1;
}

/** A piece to receive `bytes` bytes into, or as many as the largest has room for; what is in it is of no meaning. The one given back last comes first. */
export function lend(bytes: number): Uint8Array {
  const size = sizeFor(bytes);
  const piece = (free[size] as Uint8Array[]).pop() ?? new Uint8Array(pieceBytes[size]);
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
    const kept = free[sizeFor(piece.length)] as Uint8Array[];
    if ((kept.length + 1) * piece.length <= keptBytesMax) kept.push(piece);
  }
}
