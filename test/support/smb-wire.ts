import { createCipheriv, createHmac, createSecretKey } from "node:crypto";
import { Cmac } from "#smb/crypto/cmac.ts";

/** Messages as an SMB2 client makes and reads them, right or wrong as the test wants. */
export interface HeaderFields {
  readonly command: number;
  readonly messageId?: number;
  readonly charge?: number;
  readonly credits?: number;
  readonly flags?: number;
  readonly next?: number;
  readonly sessionId?: bigint;
  readonly treeId?: number;
  readonly asyncId?: number;
  readonly status?: number;
}

export function packet(fields: HeaderFields, body: Uint8Array): Buffer {
  const out = Buffer.alloc(64 + body.length);
  out.writeUInt32LE(0x424d53fe, 0);
  out.writeUInt16LE(64, 4);
  out.writeUInt16LE(fields.charge ?? 1, 6);
  out.writeUInt32LE(fields.status ?? 0, 8);
  out.writeUInt16LE(fields.command, 12);
  out.writeUInt16LE(fields.credits ?? 1, 14);
  out.writeUInt32LE((fields.flags ?? 0) >>> 0, 16);
  out.writeUInt32LE(fields.next ?? 0, 20);
  out.writeBigUInt64LE(BigInt(fields.messageId ?? 0), 24);
  if (fields.asyncId !== undefined) out.writeBigUInt64LE(BigInt(fields.asyncId), 32);
  else out.writeUInt32LE(fields.treeId ?? 0, 36);
  out.writeBigUInt64LE(fields.sessionId ?? 0n, 40);
  out.set(body, 64);
  return out;
}

/** One answer of a message. */
export class Reply {
  readonly bytes: Buffer;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  get status(): number {
    return this.bytes.readUInt32LE(8);
  }
  get command(): number {
    return this.bytes.readUInt16LE(12);
  }
  get credits(): number {
    return this.bytes.readUInt16LE(14);
  }
  get flags(): number {
    return this.bytes.readUInt32LE(16);
  }
  get next(): number {
    return this.bytes.readUInt32LE(20);
  }
  get messageId(): bigint {
    return this.bytes.readBigUInt64LE(24);
  }
  get asyncId(): number {
    return Number(this.bytes.readBigUInt64LE(32));
  }
  get treeId(): number {
    return this.bytes.readUInt32LE(36);
  }
  get sessionId(): bigint {
    return this.bytes.readBigUInt64LE(40);
  }
  get body(): Buffer {
    return this.bytes.subarray(64);
  }
  get signed(): boolean {
    return (this.flags & 8) !== 0;
  }
}

/** The answers one message holds. */
export function repliesOf(message: Buffer): Reply[] {
  const replies: Reply[] = [];
  for (let at = 0; ; ) {
    const next = message.readUInt32LE(at + 20);
    replies.push(new Reply(message.subarray(at, next === 0 ? message.length : at + next)));
    if (next === 0) return replies;
    at += next;
  }
}

/** Requests as one compound; each is padded to 8 bytes. */
export function compound(...packets: readonly Buffer[]): Buffer {
  return Buffer.concat(
    packets.map((each, i) => {
      if (i === packets.length - 1) return each;
      const padded = Buffer.concat([each, Buffer.alloc(each.length < 64 ? 64 - each.length : (8 - (each.length % 8)) % 8)]);
      padded.writeUInt32LE(padded.length, 20);
      return padded;
    }),
  );
}

export type Algorithm = "hmac" | "cmac" | "gmac";

/** The signature of a message whose own counts as zeros. */
export function signatureOf(algorithm: Algorithm, key: Uint8Array, message: Uint8Array, fromServer: boolean): Buffer {
  const blank = Buffer.from(message);
  blank.fill(0, 48, 64);
  if (algorithm === "hmac") return createHmac("sha256", key).update(blank).digest().subarray(0, 16);
  if (algorithm === "cmac") return Buffer.from(new Cmac(createSecretKey(key)).of([blank]));
  const nonce = Buffer.alloc(12);
  blank.copy(nonce, 0, 24, 32);
  nonce[8] = (fromServer ? 1 : 0) | (blank.readUInt16LE(12) === 12 ? 2 : 0);
  const cipher = createCipheriv("aes-128-gcm", key, nonce);
  cipher.setAAD(blank);
  cipher.final();
  return cipher.getAuthTag();
}
