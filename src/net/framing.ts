/**
 * How a stream is cut into messages: each piece of a message is preceded by a 4-byte header, given here as an int32 (big-endian).
 * RPC has records of several fragments; a protocol without fragments answers `isLast` with true.
 */
export interface Framing {
  /** Bytes of the fragment that follows the header; -1 where no header can look so. */
  lengthOf(header: number): number;
  /** Whether the fragment ends the message. */
  isLast(header: number): boolean;
  /** The header of a message of `length` bytes sent in one piece. */
  headerOf(length: number): number;
}

export const headerBytes = 4;

/** RPC record marking (RFC 5531 §11): the top bit marks the last fragment, the rest is its length. */
export const recordMarking: Framing = {
  lengthOf: (header) => header & 0x7fffffff,
  isLast: (header) => header < 0,
  headerOf: (length) => length | 0x80000000,
};

/** SMB over TCP (MS-SMB2 2.1): a zero byte and a length of 24 bits; a message is never in pieces. */
export const directTcp: Framing = {
  lengthOf: (header) => (header < 0 || header > 0xffffff ? -1 : header),
  isLast: () => true,
  headerOf: (length) => length,
};

/** The length of the message whose header stands at `at`, where it lies whole and in one piece in the chunk; -1 otherwise. */
export function wholeMessage(framing: Framing, chunk: Uint8Array, at: number): number {
  const left = chunk.length - at - headerBytes;
  if (left < 0) return -1;
  const header = (chunk[at]! << 24) | (chunk[at + 1]! << 16) | (chunk[at + 2]! << 8) | chunk[at + 3]!;
  if (!framing.isLast(header)) return -1;
  const length = framing.lengthOf(header);
  return length >= 0 && length <= left ? length : -1;
}
