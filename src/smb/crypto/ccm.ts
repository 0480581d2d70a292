import { createCipheriv, type KeyObject, timingSafeEqual } from "node:crypto";

/*
 * AES-CCM (NIST SP 800-38C, RFC 3610) as SMB 3 uses it: nonces of 11 bytes, tags of 16. OpenSSL has it, Bun's node:crypto does not;
 * it is CBC-MAC over the plain text and CTR over it.
 */
const blockBytes = 16;
export const ccmNonceBytes = 11;
const ccmTagBytes = 16;
/** Bytes of the length field: 15 less the nonce (RFC 3610 §2). */
const lengthBytes = 15 - ccmNonceBytes;
const zeroVector = new Uint8Array(blockBytes);

type Bits = 128 | 256;

/** A_i: the counter block with counter 0; the tag is encrypted under it, the payload under those that follow. */
function counterBlock(nonce: Uint8Array): Uint8Array {
  const block = new Uint8Array(blockBytes);
  block[0] = lengthBytes - 1;
  block.set(nonce, 1);
  return block;
}

/** B_0 and the additional data, padded to whole blocks (RFC 3610 §2.2). `aad` is shorter than 0xff00 bytes. */
function prefix(nonce: Uint8Array, aad: Uint8Array, length: number): Uint8Array {
  const aadBlocks = aad.length === 0 ? 0 : Math.ceil((2 + aad.length) / blockBytes);
  const out = new Uint8Array(blockBytes * (1 + aadBlocks));
  out[0] = (aad.length > 0 ? 0x40 : 0) | (((ccmTagBytes - 2) / 2) << 3) | (lengthBytes - 1);
  out.set(nonce, 1);
  new DataView(out.buffer).setUint32(12, length);
  if (aad.length > 0) {
    out[blockBytes] = aad.length >> 8;
    out[blockBytes + 1] = aad.length;
    out.set(aad, blockBytes + 2);
  }
  return out;
}

function mac(bits: Bits, key: KeyObject, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${bits}-cbc`, key, zeroVector).setAutoPadding(false);
  const head = cipher.update(prefix(nonce, aad, plain.length));
  const whole = plain.length - (plain.length % blockBytes);
  let out = whole === 0 ? head : cipher.update(plain.subarray(0, whole));
  if (whole < plain.length) {
    const last = new Uint8Array(blockBytes);
    last.set(plain.subarray(whole));
    out = cipher.update(last);
  }
  return out.subarray(out.length - blockBytes);
}

/** `payload` encrypted (or, as CTR is its own inverse, decrypted), and the key stream block the tag is masked with. */
function counter(bits: Bits, key: KeyObject, nonce: Uint8Array, payload: Uint8Array): { text: Uint8Array; mask: Uint8Array } {
  const cipher = createCipheriv(`aes-${bits}-ctr`, key, counterBlock(nonce));
  const mask = cipher.update(zeroVector);
  return { mask, text: payload.length === 0 ? payload : cipher.update(payload) };
}

/** The cipher text of `plain`, as long as that, and its tag. */
export function ccmSeal(bits: Bits, key: KeyObject, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): { text: Uint8Array; tag: Uint8Array } {
  const tag = new Uint8Array(mac(bits, key, nonce, aad, plain));
  const { text, mask } = counter(bits, key, nonce, plain);
  for (let i = 0; i < ccmTagBytes; i++) tag[i]! ^= mask[i]!;
  return { text, tag };
}

/** The plain text, or null where tag, additional data or cipher text were changed. */
export function ccmOpen(bits: Bits, key: KeyObject, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array, tag: Uint8Array): Uint8Array | null {
  const { text: plain, mask } = counter(bits, key, nonce, text);
  const expected = new Uint8Array(mac(bits, key, nonce, aad, plain));
  for (let i = 0; i < ccmTagBytes; i++) expected[i]! ^= mask[i]!;
  return tag.length === ccmTagBytes && timingSafeEqual(expected, tag) ? plain : null;
}
