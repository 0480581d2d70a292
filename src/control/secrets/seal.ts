import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import type { Random } from "#base/random.ts";

/**
 * Sealed text: `v1.` and, in base64url without padding, 12 bytes of nonce, the ciphertext, 16 bytes of tag (AES-256-GCM,
 * NIST SP 800-38D). The additional data are the format's name and what the value belongs to, so that a sealed value copied to
 * another place does not open there. Nonces are random: one key is good for far more values than a control plane ever writes
 * (2^32, SP 800-38D §8.3).
 */
const formatName = "dittofs sealed v1\n";
const prefix = "v1.";
const nonceBytes = 12;
const tagBytes = 16;
export const keyBytes = 32;

export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/** Null for what is no base64url, or not the one way to write these bytes. */
export function fromText(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : null;
}

export function seal(key: Uint8Array, plain: string, context: string, random: Random): string {
  const nonce = random.bytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(formatName + context));
  const sealed = Buffer.concat([nonce, cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return prefix + toText(sealed);
}

/** Null where key or context are not those it was sealed with, or where it was tampered with: these can't be told apart. */
export function open(key: Uint8Array, sealed: string, context: string): string | null {
  const bytes = sealed.startsWith(prefix) ? fromText(sealed.slice(prefix.length)) : null;
  if (bytes === null || bytes.length < nonceBytes + tagBytes) return null;
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(formatName + context));
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes)), decipher.final()]).toString("utf8");
  } catch {
    return null;
  }
}

/** A key for one purpose (HKDF-SHA256, RFC 5869). */
export function derive(secret: string | Uint8Array, salt: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, salt, purpose, keyBytes));
}
