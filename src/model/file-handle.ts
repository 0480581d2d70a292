import { createHmac } from "node:crypto";
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
 * | 28 | 16 | HMAC-SHA-256 of bytes 0..27 under the share's handle key, cut to 16 bytes |
 */
export const fileHandleBytes = 44;
const macOffset = 28;
const version = 1;

export interface HandleParts {
  readonly epoch: number;
  readonly id: FileId;
  readonly generation: number;
}

function mac(key: Uint8Array, body: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(body).digest().subarray(0, fileHandleBytes - macOffset);
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
  bytes.set(mac(key, bytes.subarray(0, macOffset)), macOffset);
  return bytes;
}

/** The parts of a handle this key made for this instance; null for anything else (forged, cut, of another share). */
export function decodeFileHandle(instance: Uint8Array, key: Uint8Array, bytes: Uint8Array): HandleParts | null {
  if (bytes.length !== fileHandleBytes || bytes[0] !== version) return null;
  for (let i = 0; i < 8; i++) if (bytes[4 + i] !== instance[i]) return null;
  const expected = mac(key, bytes.subarray(0, macOffset));
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
