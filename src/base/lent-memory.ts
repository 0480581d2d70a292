/**
 * Memory that large payloads are received into. Whoever is the last to read a payload gives it back. A piece nobody gives back is the
 * garbage collector's.
 */
import { ReusedMemory } from "./reused-memory.ts";

const smallBytes = 256 * 1024;
const largeBytes = 1024 * 1024;
/** Memory of each size kept for the next payloads; what is more is left to the garbage collector. */
const keptBytesMax = 16 * 1024 * 1024;

const small = new ReusedMemory({ pieceBytes: smallBytes, keptMax: keptBytesMax / smallBytes });
const large = new ReusedMemory({ pieceBytes: largeBytes, keptMax: keptBytesMax / largeBytes });
/** What was lent and not given back, by its memory. */
const lent = new WeakMap<ArrayBufferLike, Uint8Array>();

/** A piece to receive `bytes` bytes into, or as many as the largest has room for; what is in it is of no meaning. */
export function lend(bytes: number): Uint8Array {
  const piece = bytes <= smallBytes ? small.take(smallBytes) : large.take(largeBytes);
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
    if (piece.length === smallBytes) small.give(piece);
    else large.give(piece);
  }
}
