import { createCipheriv, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { Command, commandAt, messageIdAt, signatureAt, signatureBytes } from "#wire/smb2/header.ts";
import { SigningAlgorithm } from "#wire/smb2/negotiate.ts";
import { Cmac } from "./cmac.ts";
import { ShortGmac, shortBytesMax } from "./gmac.ts";

/** What a client's message says its signature is. */
const claimed = new Uint8Array(signatureBytes);
const onePiece: Uint8Array[] = [claimed];
const nonce = new Uint8Array(12);

/** Signs and checks messages with one key (MS-SMB2 3.1.4.1). */
export class Signer {
  /** Two messages of one direction signed under one message id, GMAC's nonce, give the key of its hash away (NIST SP 800-38D, appendix A). */
  readonly signsIdOnce: boolean;
  private readonly algorithm: SigningAlgorithm;
  private readonly key: KeyObject;
  private readonly cmac: Cmac | null;
  /** Null: another algorithm, or all is left to node:crypto. */
  private readonly short: ShortGmac | null;

  constructor(algorithm: SigningAlgorithm, key: Uint8Array) {
    this.algorithm = algorithm;
    this.signsIdOnce = algorithm === SigningAlgorithm.AES_GMAC;
    this.key = createSecretKey(key);
    this.cmac = algorithm === SigningAlgorithm.AES_CMAC ? new Cmac(this.key) : null;
    this.short = algorithm === SigningAlgorithm.AES_GMAC ? ShortGmac.make(this.key) : null;
  }

  /** Puts the signature of `b[at..end)` and `tail`, a whole message padding included, into its header. */
  sign(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[]): void {
    const to = at + signatureAt;
    const { short } = this;
    let made: Uint8Array;
    if (short !== null && isShort(b, at, end, tail)) made = short.of(b, at, end, true);
    else {
      for (let i = 0; i < signatureBytes; i++) b[to + i] = 0;
      made = this.signature(b, at, end, tail, true);
    }
    for (let i = 0; i < signatureBytes; i++) b[to + i] = made[i]!;
  }

  /** Whether a client's message has the right signature; how long that takes says nothing of where it is wrong. */
  verifies(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[]): boolean {
    const from = at + signatureAt;
    let different = 0;
    const { short } = this;
    if (short !== null && isShort(b, at, end, tail)) {
      const made = short.of(b, at, end, false);
      for (let i = 0; i < signatureBytes; i++) different |= b[from + i]! ^ made[i]!;
      return different === 0;
    }
    // In its place, for a moment: to put the message together anew costs more than its signature.
    for (let i = 0; i < signatureBytes; i++) {
      claimed[i] = b[from + i]!;
      b[from + i] = 0;
    }
    const made = this.signature(b, at, end, tail, false);
    for (let i = 0; i < signatureBytes; i++) {
      b[from + i] = claimed[i]!;
      different |= claimed[i]! ^ made[i]!;
    }
    return different === 0;
  }

  /** Of a message whose signature is zeros, as it is while it is signed. */
  private signature(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[], server: boolean): Uint8Array {
    onePiece[0] = at === 0 && end === b.length ? b : b.subarray(at, end);
    const pieces = tail.length === 0 ? onePiece : [onePiece[0], ...tail];
    switch (this.algorithm) {
      case SigningAlgorithm.HMAC_SHA256: {
        const hmac = createHmac("sha256", this.key);
        for (let i = 0; i < pieces.length; i++) hmac.update(pieces[i]!);
        return hmac.digest();
      }
      case SigningAlgorithm.AES_CMAC:
        return this.cmac!.of(pieces);
      case SigningAlgorithm.AES_GMAC:
        return this.gmac(pieces, b, at, server);
    }
  }

  /** The nonce is message id and direction, a CANCEL apart, which repeats its request's id (MS-SMB2 3.1.4.1). */
  private gmac(pieces: readonly Uint8Array[], b: Uint8Array, at: number, server: boolean): Uint8Array {
    for (let i = 0; i < 8; i++) nonce[i] = b[at + messageIdAt + i]!;
    nonce[8] = (server ? 1 : 0) | (isCancel(b, at) ? 2 : 0);
    const cipher = createCipheriv("aes-128-gcm", this.key, nonce);
    for (let i = 0; i < pieces.length; i++) cipher.setAAD(pieces[i]!);
    cipher.final();
    return cipher.getAuthTag();
  }
}

function isShort(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[]): boolean {
  return end - at <= shortBytesMax && tail.length === 0 && !isCancel(b, at);
}

function isCancel(b: Uint8Array, at: number): boolean {
  return b[at + commandAt] === Command.CANCEL && b[at + commandAt + 1] === 0;
}
