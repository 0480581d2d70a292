const word = 4_294_967_296;

/**
 * A range of a file's bytes with all of its 64 bits: start and end (exclusive) as two halves each. An end of 2^64 has 2^32 as its
 * upper half. An empty range lies between two bytes.
 */
export class LockRange {
  readonly startHigh: number;
  readonly startLow: number;
  readonly endHigh: number;
  readonly endLow: number;

  constructor(startHigh: number, startLow: number, endHigh: number, endLow: number) {
    this.startHigh = startHigh;
    this.startLow = startLow;
    this.endHigh = endHigh;
    this.endLow = endLow;
  }

  equals(other: LockRange): boolean {
    return this.startLow === other.startLow && this.endLow === other.endLow && this.startHigh === other.startHigh && this.endHigh === other.endHigh;
  }

  /**
   * A byte is common to both, or an empty one lies inside the other: between its first and last byte, not at its edge
   * (MS-FSA 2.1.4.10). Two empty ranges never overlap.
   */
  overlaps(other: LockRange): boolean {
    return isBelow(this.startHigh, this.startLow, other.endHigh, other.endLow) && isBelow(other.startHigh, other.startLow, this.endHigh, this.endLow);
  }
}

function isBelow(aHigh: number, aLow: number, bHigh: number, bLow: number): boolean {
  return aHigh < bHigh || (aHigh === bHigh && aLow < bLow);
}

/** The range of `length` bytes from an offset, each as two unsigned halves; null where it reaches past byte 2^64 - 1. */
export function rangeOf(offsetHigh: number, offsetLow: number, lengthHigh: number, lengthLow: number): LockRange | null {
  const low = offsetLow + lengthLow;
  const carry = low >= word ? 1 : 0;
  const endLow = low - carry * word;
  const endHigh = offsetHigh + lengthHigh + carry;
  if (endHigh > word || (endHigh === word && endLow > 0)) return null;
  return new LockRange(offsetHigh, offsetLow, endHigh, endLow);
}

/** The range of `length` bytes from `offset`, both with an end below 2^53. */
export function rangeAt(offset: number, length: number): LockRange {
  const end = offset + length;
  const startHigh = Math.floor(offset / word);
  const endHigh = Math.floor(end / word);
  return new LockRange(startHigh, offset - startHigh * word, endHigh, end - endHigh * word);
}
