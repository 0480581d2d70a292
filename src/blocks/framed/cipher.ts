/**
 * AES-256-GCM (NIST SP 800-38D) of one object. Its data key is random and used for nothing else, so the number of a frame is nonce
 * enough. The head's tag covers the object's key, sizes and index, and is bound into every frame: frames can't be moved, left out,
 * exchanged or taken to another object.
 *
 * It runs on the event loop: a frame takes some 10 µs, and handing it to a thread costs the loop more than that.
 */
import { createCipheriv, createDecipheriv, type KeyObject, timingSafeEqual } from "node:crypto";
import { freeNow } from "#base/free-memory.ts";
import { DamagedObjectError } from "#model/block-store.ts";
import { headBeginning, headParts, tagBytes, wrappedKeyBytes } from "./format.ts";

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const dataKeyBytes = 32;
const options = { authTagLength: tagBytes };
/** No object has so many frames: the nonce of its head. */
const headNumber = 0xffff_ffff;
const context = "dittofs framed object v1\n";

function nonceOf(frame: number): Uint8Array {
  const nonce = new Uint8Array(nonceBytes);
  new DataView(nonce.buffer).setUint32(nonceBytes - 4, frame);
  return nonce;
}

/** What an object's key and the kind of object it is bind to its data key. */
function binding(object: string, head: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${context}${object}\n`), headBeginning(head)]);
}

/** The data key as it stands in a head. `nonce`: 12 random bytes. */
export function wrapDataKey(kek: KeyObject, dataKey: Uint8Array, nonce: Uint8Array, object: string, head: Uint8Array): Uint8Array {
  const cipher = createCipheriv(algorithm, kek, nonce, options);
  cipher.setAAD(binding(object, head));
  return Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()], wrappedKeyBytes);
}

/** Throws DamagedObjectError. */
export function unwrapDataKey(kek: KeyObject, wrapped: Uint8Array, object: string, head: Uint8Array): Uint8Array {
  const decipher = createDecipheriv(algorithm, kek, wrapped.subarray(0, nonceBytes), options);
  decipher.setAAD(binding(object, head));
  decipher.setAuthTag(wrapped.subarray(nonceBytes + dataKeyBytes));
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(nonceBytes, nonceBytes + dataKeyBytes)), decipher.final()]);
  } catch {
    throw new DamagedObjectError(`object ${object} is damaged or was changed in the block store: its data key does not open`);
  }
}

/** Puts the tag of a head where its seal has its place. */
export function sealHead(dataKey: KeyObject, object: string, head: Uint8Array): void {
  headParts(head).seal.set(headTag(dataKey, object, head), 0);
}

/** Throws DamagedObjectError. */
export function checkHead(dataKey: KeyObject, object: string, head: Uint8Array): void {
  const tag = headTag(dataKey, object, head);
  if (!timingSafeEqual(tag, headParts(head).seal)) throw new DamagedObjectError(`object ${object} is damaged or was changed in the block store: the tag of its head is wrong`);
}

function headTag(dataKey: KeyObject, object: string, head: Uint8Array): Uint8Array {
  const cipher = createCipheriv(algorithm, dataKey, nonceOf(headNumber), options);
  cipher.setAAD(Buffer.concat([Buffer.from(`${context}${object}\n`), headParts(head).sealed]));
  cipher.final();
  return cipher.getAuthTag();
}

/** Writes a frame and its tag to `target`, which has `tagBytes` more than the frame. */
export function encryptFrame(dataKey: KeyObject, headTag: Uint8Array, frame: number, bytes: Uint8Array, target: Uint8Array): void {
  const cipher = createCipheriv(algorithm, dataKey, nonceOf(frame), options);
  cipher.setAAD(headTag);
  const encrypted = cipher.update(bytes);
  target.set(encrypted, 0);
  freeNow(encrypted);
  cipher.final();
  target.set(cipher.getAuthTag(), bytes.byteLength);
}

/** The bytes of a frame, in memory of their own, of which `stored` is the ciphertext with its tag. Throws DamagedObjectError. */
export function decryptFrame(dataKey: KeyObject, headTag: Uint8Array, frame: number, stored: Uint8Array): Uint8Array {
  const end = stored.byteLength - tagBytes;
  const decipher = createDecipheriv(algorithm, dataKey, nonceOf(frame), options);
  decipher.setAAD(headTag);
  decipher.setAuthTag(stored.subarray(end));
  const bytes = decipher.update(stored.subarray(0, end));
  try {
    decipher.final();
  } catch {
    throw new DamagedObjectError(`frame ${frame} is damaged or was changed in the block store: its tag is wrong`);
  }
  return bytes;
}
