import { createCipheriv, createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import { Command, signatureAt, signatureBytes } from "#wire/smb2/header.ts";
import { SigningAlgorithm } from "#wire/smb2/negotiate.ts";
import { Cmac } from "./cmac.ts";

const zeros = new Uint8Array(signatureBytes);

/** Signs and checks messages with one key (MS-SMB2 3.1.4.1). */
export class Signer {
  private readonly algorithm: SigningAlgorithm;
  private readonly key: KeyObject;
  private readonly cmac: Cmac | null;

  constructor(algorithm: SigningAlgorithm, key: Uint8Array) {
    this.algorithm = algorithm;
    this.key = createSecretKey(key);
    this.cmac = algorithm === SigningAlgorithm.AES_CMAC ? new Cmac(this.key) : null;
  }

  /** Puts the signature of `b[at..end)` and `tail`, a whole message padding included, into its header. */
  sign(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[]): void {
    b.set(this.signature(b, at, end, tail, true), at + signatureAt);
  }

  /** Whether a client's message has the right signature. */
  verifies(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[]): boolean {
    const given = b.subarray(at + signatureAt, at + signatureAt + signatureBytes);
    return timingSafeEqual(this.signature(b, at, end, tail, false), given);
  }

  private signature(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[], server: boolean): Uint8Array {
    // The signature itself counts as zeros; a message is never changed for that: it may be a client's still being read.
    const pieces = [b.subarray(at, at + signatureAt), zeros, b.subarray(at + signatureAt + signatureBytes, end), ...tail];
    switch (this.algorithm) {
      case SigningAlgorithm.HMAC_SHA256: {
        const hmac = createHmac("sha256", this.key);
        for (const piece of pieces) hmac.update(piece);
        return hmac.digest().subarray(0, signatureBytes);
      }
      case SigningAlgorithm.AES_CMAC:
        return this.cmac!.of(pieces);
      case SigningAlgorithm.AES_GMAC:
        return this.gmac(pieces, b, at, server);
    }
  }

  /** The nonce is message id and direction, a CANCEL apart, which repeats its request's id (MS-SMB2 3.1.4.1). */
  private gmac(pieces: readonly Uint8Array[], b: Uint8Array, at: number, server: boolean): Uint8Array {
    const nonce = new Uint8Array(12);
    nonce.set(b.subarray(at + 24, at + 32), 0);
    nonce[8] = (server ? 1 : 0) | (b[at + 12] === Command.CANCEL ? 2 : 0);
    const cipher = createCipheriv("aes-128-gcm", this.key, nonce);
    for (const piece of pieces) cipher.setAAD(piece);
    cipher.final();
    return cipher.getAuthTag();
  }
}
