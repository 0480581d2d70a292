/** Smaller arrays may be parts of memory that they share with others. */
const ownBytesMin = 16 * 1024;

/**
 * Gives back the memory of an array that has it to itself, and that nobody reads any more: it is empty afterwards. Left to the garbage
 * collector, pieces that come one after another are each in memory that was never touched, which costs as much again as to fill them.
 */
export function freeNow(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && bytes.byteOffset === 0 && bytes.byteLength >= ownBytesMin) buffer.transfer(0);
}
