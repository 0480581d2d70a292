/*
 * A keyring (docs/formats/keyring.md; all integers big-endian):
 *
 *    0   8  magic "DFSKEYS\n"
 *    8   2  format version
 *   10   1  length m of the master key's id
 *   11   m  the master key's id
 *    …  12  nonce
 *    …  48n the keys, encrypted: id 16, key 32; the last is the one in use
 *    …  16  tag
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { StoreFault, StoreRefusedError } from "#model/block-store.ts";
import type { MasterKeys } from "./master-keys.ts";

/** What the store has of a keyring, or the keys that were given for it, is not what it should be. */
export class KeyringError extends StoreRefusedError {
  constructor(message: string) {
    super(StoreFault.key, message);
  }
}

export interface RingKey {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
}

export const ringBytesMax = 1 << 20;
const algorithm = "aes-256-gcm";
const formatVersion = 1;
const magic = "DFSKEYS\n";
const nonceBytes = 12;
const tagBytes = 16;
const idBytes = 16;
const entryBytes = 48;
const context = "dittofs keyring v1\n";

/** `object`: the key the ring is put under, which is bound to it. `nonce`: 12 random bytes. */
export function encodeRing(keys: readonly RingKey[], masters: MasterKeys, object: string, nonce: Uint8Array): Uint8Array {
  const id = Buffer.from(masters.current);
  const head = Buffer.concat([Buffer.from(magic), Buffer.from([0, formatVersion, id.byteLength]), id]);
  const cipher = createCipheriv(algorithm, masterOf(masters, masters.current, object), nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.concat([Buffer.from(`${context}${object}\n`), head]));
  const plain = Buffer.concat(keys.flatMap((key) => [key.id, key.bytes]));
  return Buffer.concat([head, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws KeyringError where none of the master keys opens it, and for what is no keyring. */
export function decodeRing(bytes: Uint8Array, masters: MasterKeys, object: string): { readonly master: string; readonly keys: readonly RingKey[] } {
  const ring = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (ring.byteLength < 11 || ring.toString("latin1", 0, 8) !== magic) throw new KeyringError(`${object} is no keyring: it is damaged, or something else has its name`);
  const version = ring.readUInt16BE(8);
  if (version > formatVersion) throw new KeyringError(`the keyring ${object} has format ${version}, newer than ${formatVersion}, the newest this program knows: use the program that wrote it`);
  const headLength = 11 + ring.readUInt8(10);
  const sealed = ring.byteLength - headLength - nonceBytes - tagBytes;
  if (sealed < entryBytes || sealed % entryBytes !== 0) throw new KeyringError(`the keyring ${object} is damaged: it is cut or too long`);
  const master = ring.toString("latin1", 11, headLength);
  const decipher = createDecipheriv(algorithm, masterOf(masters, master, object), ring.subarray(headLength, headLength + nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.concat([Buffer.from(`${context}${object}\n`), ring.subarray(0, headLength)]));
  decipher.setAuthTag(ring.subarray(-tagBytes));
  let plain: Buffer;
  try {
    plain = Buffer.concat([decipher.update(ring.subarray(headLength + nonceBytes, -tagBytes)), decipher.final()]);
  } catch {
    throw new KeyringError(`the master key ${master} of ${masters.source} is not the one that ${object} was encrypted with, or the keyring was changed in the block store. Give the right key; nothing was changed`);
  }
  const keys: RingKey[] = [];
  for (let at = 0; at < plain.byteLength; at += entryBytes) keys.push({ id: plain.subarray(at, at + idBytes), bytes: plain.subarray(at + idBytes, at + entryBytes) });
  return { master, keys };
}

function masterOf(masters: MasterKeys, id: string, object: string) {
  const key = masters.byId.get(id);
  if (key !== undefined) return key;
  const known = [...masters.byId.keys()].join(", ");
  throw new KeyringError(`${object} is encrypted with the master key ${JSON.stringify(id)}, which ${masters.source} does not have (it has ${known}). Add that key behind the first; without it what is encrypted can't be read`);
}
