import type { Node } from "./cache/node.ts";

/**
 * File handles compared in place, word by word, with one that was verified before (layout: model/file-handle.ts). The words lie
 * in the node itself: no other memory is touched for them.
 */
const versionWord = 1 << 24;
const epochAt = 12;
const generationAt = 24;
const macAt = 28;

function signedWord(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}

/** Four bytes as an unsigned big-endian number. */
export function word(bytes: Uint8Array, at: number): number {
  return signedWord(bytes, at) >>> 0;
}

/** Remembers a handle that was verified. */
export function keepVerified(node: Node, bytes: Uint8Array): void {
  node.generationWord = signedWord(bytes, generationAt);
  node.mac0 = signedWord(bytes, macAt);
  node.mac1 = signedWord(bytes, macAt + 4);
  node.mac2 = signedWord(bytes, macAt + 8);
  node.mac3 = signedWord(bytes, macAt + 12);
}

/**
 * Whether the bytes are the handle that was verified, given that instance and id are the same: they are how the node was found.
 * Takes as long whichever byte differs, so that nobody finds out a MAC byte by byte.
 */
export function isVerified(node: Node, bytes: Uint8Array, offset: number): boolean {
  return (
    ((signedWord(bytes, offset) ^ versionWord) |
      signedWord(bytes, offset + epochAt) |
      (signedWord(bytes, offset + generationAt) ^ node.generationWord) |
      (signedWord(bytes, offset + macAt) ^ node.mac0) |
      (signedWord(bytes, offset + macAt + 4) ^ node.mac1) |
      (signedWord(bytes, offset + macAt + 8) ^ node.mac2) |
      (signedWord(bytes, offset + macAt + 12) ^ node.mac3)) ===
    0
  );
}
