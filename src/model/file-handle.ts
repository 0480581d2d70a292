import { type Cipheriv, createCipheriv } from "node:crypto";
import { type FileId, fileId } from "./ids.ts";

/**
 * File handles, the same for every protocol. Layout (big-endian, 44 bytes):
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 1 | version, 1 |
 * | 1 | 3 | zero |
 * | 4 | 8 | share instance |
 * | 12 | 4 | snapshot epoch, 0 = live |
 * | 16 | 8 | file id |
 * | 24 | 4 | generation |
 * | 28 | 16 | AES-128 CBC-MAC of bytes 0..27 and four zeros, under the first half of the share's handle key |
 *
 * A CBC-MAC is sound for messages of one fixed length, and half the price of an HMAC, which a large listing pays per entry.
 */
export const fileHandleBytes = 44;
const macOffset = 28;
const version = 1;

export interface HandleParts {
  readonly epoch: number;
  readonly id: FileId;
  readonly generation: number;
}

/** One cipher a key, kept: each block goes through it on its own. */
const ciphers = new WeakMap<Uint8Array, Cipheriv>();
const block = new Uint8Array(16);

function cipherOf(key: Uint8Array): Cipheriv {
  let cipher = ciphers.get(key);
  if (cipher === undefined) {
    cipher = createCipheriv("aes-128-ecb", key.subarray(0, 16), null).setAutoPadding(false);
    ciphers.set(key, cipher);
  }
  return cipher;
}

function mac(key: Uint8Array, handle: Uint8Array): Uint8Array {
  const cipher = cipherOf(key);
  for (let i = 0; i < 16; i++) block[i] = handle[i] as number;
  const first = cipher.update(block);
  for (let i = 0; i < 16; i++) block[i] = (first[i] as number) ^ (16 + i < macOffset ? (handle[16 + i] as number) : 0);
  return cipher.update(block);
}

/** Makes the handle of a file. `instance`: 8 bytes, `key`: 32 bytes. */
export function encodeFileHandle(instance: Uint8Array, key: Uint8Array, parts: HandleParts): Uint8Array {
  const bytes = new Uint8Array(fileHandleBytes);
  const view = new DataView(bytes.buffer);
  bytes[0] = version;
  bytes.set(instance, 4);
  view.setUint32(12, parts.epoch);
  view.setUint32(16, Math.floor(parts.id / 2 ** 32));
  view.setUint32(20, parts.id % 2 ** 32);
  view.setUint32(24, parts.generation);
  bytes.set(mac(key, bytes), macOffset);
  return bytes;
}

/** The parts of a handle this key made for this instance; null for anything else (forged, cut, of another share). */
export function decodeFileHandle(instance: Uint8Array, key: Uint8Array, bytes: Uint8Array): HandleParts | null {
  if (bytes.length !== fileHandleBytes || bytes[0] !== version) return null;
  for (let i = 0; i < 8; i++) if (bytes[4 + i] !== instance[i]) return null;
  const expected = mac(key, bytes);
  let difference = 0;
  for (let i = 0; i < expected.length; i++) difference |= (expected[i] ?? 0) ^ (bytes[macOffset + i] ?? 0);
  if (difference !== 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const high = view.getUint32(16);
  if (high >= 2 ** 21) return null;
  const id = high * 2 ** 32 + view.getUint32(20);
  if (id === 0) return null;
  return { epoch: view.getUint32(12), id: fileId(id), generation: view.getUint32(24) };
}
