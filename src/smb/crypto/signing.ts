import { createCipheriv, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { Command, headerBytes, signatureAt, signatureBytes } from "#wire/smb2/header.ts";
import { SigningAlgorithm } from "#wire/smb2/negotiate.ts";
import { Cmac } from "./cmac.ts";

const zeros = new Uint8Array(signatureBytes);

/**
 * Where a short message is put together for its signature, the signature's own bytes as zeros: one view of it, kept, costs less than
 * three of the message.
 */
const shortBytesMax = 512;
const short = new Uint8Array(shortBytesMax);
const shortViews: (Uint8Array | undefined)[] = new Array<undefined>(shortBytesMax + 1);
const nonce = new Uint8Array(12);

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
    const made = this.signature(b, at, end, tail, true);
    const to = at + signatureAt;
    for (let i = 0; i < signatureBytes; i++) b[to + i] = made[i]!;
  }

  /** Whether a client's message has the right signature; how long that takes says nothing of where it is wrong. */
  verifies(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[]): boolean {
    const made = this.signature(b, at, end, tail, false);
    const from = at + signatureAt;
    let different = 0;
    for (let i = 0; i < signatureBytes; i++) different |= b[from + i]! ^ made[i]!;
    return different === 0;
  }

  private signature(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[], server: boolean): Uint8Array {
    const pieces = piecesOf(b, at, end, tail);
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
    for (let i = 0; i < 8; i++) nonce[i] = b[at + 24 + i]!;
    nonce[8] = (server ? 1 : 0) | (b[at + 12] === Command.CANCEL && b[at + 13] === 0 ? 2 : 0);
    const cipher = createCipheriv("aes-128-gcm", this.key, nonce);
    for (let i = 0; i < pieces.length; i++) cipher.setAAD(pieces[i]!);
    cipher.final();
    return cipher.getAuthTag();
  }
}

const onePiece: Uint8Array[] = [zeros];

/** The message as it is signed. It is never changed for that: it may be a client's that is still being read. */
function piecesOf(b: Uint8Array, at: number, end: number, tail: readonly Uint8Array[]): readonly Uint8Array[] {
  const length = end - at;
  if (length <= shortBytesMax && tail.length === 0) {
    for (let i = 0; i < signatureAt; i++) short[i] = b[at + i]!;
    for (let i = signatureAt; i < headerBytes; i++) short[i] = 0;
    for (let i = headerBytes; i < length; i++) short[i] = b[at + i]!;
    onePiece[0] = shortViews[length] ??= short.subarray(0, length);
    return onePiece;
  }
  return [b.subarray(at, at + signatureAt), zeros, b.subarray(at + headerBytes, end), ...tail];
}
