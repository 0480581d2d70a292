import { createCipheriv, type KeyObject } from "node:crypto";

const blockBytes = 16;
const zeroVector = new Uint8Array(blockBytes);

/** Doubles a block in GF(2^128) (RFC 4493 §2.3). */
function doubled(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(blockBytes);
  for (let i = 0; i < blockBytes; i++) out[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >> 7);
  if ((block[0]! & 0x80) !== 0) out[15]! ^= 0x87;
  return out;
}

/**
 * AES-128-CMAC (RFC 4493) of messages given in pieces. Node has no CMAC; but CMAC is CBC's last block once the message's last block
 * is masked by a subkey.
 */
export class Cmac {
  private readonly key: KeyObject;
  private readonly whole: Uint8Array;
  private readonly partial: Uint8Array;

  constructor(key: KeyObject) {
    this.key = key;
    const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
    this.whole = doubled(cipher.update(zeroVector));
    this.partial = doubled(this.whole);
  }

  /** The 16 bytes of the code over `pieces`, one behind the other. */
  of(pieces: readonly Uint8Array[]): Uint8Array {
    const cipher = createCipheriv("aes-128-cbc", this.key, zeroVector).setAutoPadding(false);
    let length = 0;
    for (let i = 0; i < pieces.length; i++) length += pieces[i]!.length;
    // All but the last block, which may be begun in one piece and end in a later one, goes through as it is.
    const body = length === 0 ? 0 : (Math.ceil(length / blockBytes) - 1) * blockBytes;
    const last = new Uint8Array(blockBytes);
    let at = 0;
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i]!;
      const through = Math.min(piece.length, Math.max(0, body - at));
      if (through > 0) cipher.update(through === piece.length ? piece : piece.subarray(0, through));
      if (through < piece.length) last.set(piece.subarray(through), at + through - body);
      at += piece.length;
    }
    const used = length - body;
    if (used < blockBytes) last[used] = 0x80;
    const mask = used === blockBytes ? this.whole : this.partial;
    for (let i = 0; i < blockBytes; i++) last[i]! ^= mask[i]!;
    return cipher.update(last);
  }
}
