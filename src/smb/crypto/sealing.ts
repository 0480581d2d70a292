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

  /** Whether `sealPieces` and `openPieces` are there: AES-CCM has to have a message whole. */
  get inPieces(): boolean {
    return this.suite.gcm;
  }

  /** Puts `message[0..length)` encrypted into `out` from `at` on, transform header first; gives how long that is. */
  sealInto(message: Uint8Array, length: number, sessionId: number, out: Uint8Array, at: number): number {
    const { bits, gcm } = this.suite;
    if (gcm) {
      this.sealPieces(message, length, noSlices, 0, sessionId, out, at);
      return transformHeaderBytes + length;
    }
    const head = this.begin(length, sessionId, out, at);
    const nonce = head.subarray(transformNonceAt, transformNonceAt + ccmNonceBytes);
    const { text, tag } = ccmSeal(bits, this.outKey, nonce, aadOf(head), message.subarray(0, length));
    out.set(text, at + transformHeaderBytes);
    head.set(tag, 4);
    return transformHeaderBytes + length;
  }

  /** As `sealInto` for a message that ends with `slices` of `payloadBytes` bytes, which it gives encrypted, in memory of their own. */
  sealPieces(message: Uint8Array, length: number, slices: readonly Uint8Array[], payloadBytes: number, sessionId: number, out: Uint8Array, at: number): Uint8Array[] {
    const head = this.begin(length + payloadBytes, sessionId, out, at);
    const cipher = createCipheriv(`aes-${this.suite.bits}-gcm`, this.outKey, head.subarray(transformNonceAt, transformNonceAt + gcmNonceBytes));
    cipher.setAAD(aadOf(head));
    out.set(cipher.update(message.subarray(0, length)), at + transformHeaderBytes);
    const sealed: Uint8Array[] = [];
    for (let i = 0; i < slices.length; i++) sealed.push(cipher.update(slices[i] as Uint8Array));
    cipher.final();
    head.set(cipher.getAuthTag(), 4);
    return sealed;
  }

  /** Begins a transform header in `out` (MS-SMB2 2.2.41), its signature left out. */
  private begin(plainBytes: number, sessionId: number, out: Uint8Array, at: number): Uint8Array {
    const head = out.subarray(at, at + transformHeaderBytes);
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    head.fill(0);
    view.setUint32(0, transformMagic, true);
    this.sent++;
    view.setUint32(transformNonceAt, this.sent % 4294967296, true);
    view.setUint32(transformNonceAt + 4, Math.floor(this.sent / 4294967296), true);
    view.setUint32(36, plainBytes, true);
    view.setUint16(42, encryptedFlag, true);
    view.setUint32(44, sessionId, true);
    return head;
  }

  /** The message in `sealed`, which begins with its transform header; null where anything of it was changed. */
  open(sealed: Uint8Array): Uint8Array | null {
    if (this.suite.gcm) return this.openPieces(sealed, noSlices)?.[0] ?? null;
    const tag = sealed.subarray(4, 4 + signatureBytes);
    const nonce = sealed.subarray(transformNonceAt, transformNonceAt + ccmNonceBytes);
    return ccmOpen(this.suite.bits, this.inKey, nonce, aadOf(sealed), sealed.subarray(transformHeaderBytes), tag);
  }

  /** The same of a message that came in pieces, the transform header at the beginning of the first: piece by piece, in memory of its own. */
  openPieces(first: Uint8Array, rest: readonly Uint8Array[]): Uint8Array[] | null {
    const nonce = first.subarray(transformNonceAt, transformNonceAt + gcmNonceBytes);
    const decipher = createDecipheriv(`aes-${this.suite.bits}-gcm`, this.inKey, nonce, { authTagLength: signatureBytes });
    decipher.setAAD(aadOf(first));
    decipher.setAuthTag(first.subarray(4, 4 + signatureBytes));
    const plain: Uint8Array[] = [decipher.update(first.subarray(transformHeaderBytes))];
    for (let i = 0; i < rest.length; i++) plain.push(decipher.update(rest[i] as Uint8Array));
    try {
      decipher.final();
    } catch {
      return null;
    }
    return plain;
  }
}

const noSlices: readonly Uint8Array[] = [];

/** What of a transform header is authenticated with the message. */
function aadOf(head: Uint8Array): Uint8Array {
  return head.subarray(transformNonceAt, transformNonceAt + transformAadBytes);
}
