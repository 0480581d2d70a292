import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { Cipher } from "#wire/smb2/negotiate.ts";
import { signatureBytes, transformAadBytes, transformHeaderBytes, transformMagic, transformNonceAt } from "#wire/smb2/header.ts";
import { ccmNonceBytes, ccmOpen, ccmSeal } from "./ccm.ts";

const gcmNonceBytes = 12;
const encryptedFlag = 1;

interface Suite {
  readonly bits: 128 | 256;
  readonly gcm: boolean;
}

const suites: Readonly<Record<Cipher, Suite>> = {
  [Cipher.AES_128_CCM]: { bits: 128, gcm: false },
  [Cipher.AES_128_GCM]: { bits: 128, gcm: true },
  [Cipher.AES_256_CCM]: { bits: 256, gcm: false },
  [Cipher.AES_256_GCM]: { bits: 256, gcm: true },
};

/** Bytes of a cipher's keys. */
export function cipherKeyBytes(cipher: Cipher): 16 | 32 {
  return suites[cipher].bits === 256 ? 32 : 16;
}

/** Encrypts what the server sends in a session, and opens what its client sent (MS-SMB2 3.1.4.3, 3.3.5.2.1.1). */
export class Sealer {
  private readonly suite: Suite;
  private readonly outKey: KeyObject;
  private readonly inKey: KeyObject;
  /** Counts nonces: none is ever used twice with a key, as long as the session's key is its own. */
  private sent = 0;

  constructor(cipher: Cipher, serverOut: Uint8Array, serverIn: Uint8Array) {
    this.suite = suites[cipher];
    this.outKey = createSecretKey(serverOut);
    this.inKey = createSecretKey(serverIn);
  }

  /** The encrypted message, transform header first. */
  seal(message: Uint8Array, sessionId: number): Uint8Array {
    const out = new Uint8Array(transformHeaderBytes + message.length);
    this.sealInto(message, message.length, sessionId, out, 0);
    return out;
  }

  /** Puts `message[0..length)` encrypted into `out` from `at` on, transform header first; gives how long that is. */
  sealInto(message: Uint8Array, length: number, sessionId: number, out: Uint8Array, at: number): number {
    const { bits, gcm } = this.suite;
    const head = out.subarray(at, at + transformHeaderBytes);
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    head.fill(0);
    view.setUint32(0, transformMagic, true);
    this.sent++;
    view.setUint32(transformNonceAt, this.sent % 4294967296, true);
    view.setUint32(transformNonceAt + 4, Math.floor(this.sent / 4294967296), true);
    view.setUint32(36, length, true);
    view.setUint16(42, encryptedFlag, true);
    view.setUint32(44, sessionId, true);
    const aad = head.subarray(transformNonceAt, transformNonceAt + transformAadBytes);
    const nonce = head.subarray(transformNonceAt, transformNonceAt + (gcm ? gcmNonceBytes : ccmNonceBytes));
    const plain = message.subarray(0, length);
    if (gcm) {
      const cipher = createCipheriv(`aes-${bits}-gcm`, this.outKey, nonce);
      cipher.setAAD(aad);
      out.set(cipher.update(plain), at + transformHeaderBytes);
      cipher.final();
      head.set(cipher.getAuthTag(), 4);
    } else {
      const { text, tag } = ccmSeal(bits, this.outKey, nonce, aad, plain);
      out.set(text, at + transformHeaderBytes);
      head.set(tag, 4);
    }
    return transformHeaderBytes + length;
  }

  /** The message in `sealed`, which begins with its transform header; null where anything of it was changed. */
  open(sealed: Uint8Array): Uint8Array | null {
    const { bits, gcm } = this.suite;
    const tag = sealed.subarray(4, 4 + signatureBytes);
    const aad = sealed.subarray(transformNonceAt, transformNonceAt + transformAadBytes);
    const text = sealed.subarray(transformHeaderBytes);
    const nonce = sealed.subarray(transformNonceAt, transformNonceAt + (gcm ? gcmNonceBytes : ccmNonceBytes));
    if (!gcm) return ccmOpen(bits, this.inKey, nonce, aad, text, tag);
    const decipher = createDecipheriv(`aes-${bits}-gcm`, this.inKey, nonce, { authTagLength: signatureBytes });
    decipher.setAAD(aad);
    decipher.setAuthTag(tag);
    const plain = decipher.update(text);
    try {
      decipher.final();
    } catch {
      return null;
    }
    return plain;
  }
}
