import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import { ntHashOf, ntlmV2Key } from "#auth/ntlm.ts";

const utf16 = (text: string): Buffer => Buffer.from(text, "utf16le");
const unicode = 0x1;
const sign = 0x10;
const ntlm = 0x200;
const extended = 0x80000;
const targetInfo = 0x800000;
const bits128 = 0x20000000;
const keyExchange = 0x40000000;
export const ntlmFlags = unicode | 4 | sign | ntlm | 0x8000 | extended | targetInfo | bits128 | keyExchange;

/** A client's NEGOTIATE_MESSAGE. */
export function ntlmNegotiate(flags: number = ntlmFlags): Buffer {
  const out = Buffer.alloc(32);
  out.write("NTLMSSP\0", "latin1");
  out.writeUInt32LE(1, 8);
  out.writeUInt32LE(flags >>> 0, 12);
  return out;
}

export interface NtlmOptions {
  readonly flags?: number;
  /** Sends a MIC; true unless told. */
  readonly mic?: boolean;
  /** Changes the finished message. */
  readonly spoil?: (message: Buffer) => void;
  /** In place of an NTLMv2 response. */
  readonly ntResponse?: Uint8Array;
}

/** A client's AUTHENTICATE_MESSAGE by MS-NLMP 3.3.2, and the session key it exports. */
export function ntlmAuthenticate(negotiate: Buffer, challenge: Buffer, user: string, password: string, options: NtlmOptions = {}): { message: Buffer; sessionKey: Buffer } {
  const flags = (options.flags ?? ntlmFlags) >>> 0;
  const infoLength = challenge.readUInt16LE(40);
  const infoAt = challenge.readUInt32LE(44);
  const given = challenge.subarray(infoAt, infoAt + infoLength - 4);
  const mic = options.mic ?? true;
  const pairs = Buffer.concat([given, mic ? Buffer.from([6, 0, 4, 0, 2, 0, 0, 0]) : Buffer.alloc(0), Buffer.alloc(4)]);
  const blob = Buffer.concat([Buffer.from([1, 1, 0, 0, 0, 0, 0, 0]), Buffer.alloc(8), randomBytes(8), Buffer.alloc(4), pairs, Buffer.alloc(4)]);
  const key = ntlmV2Key(ntHashOf(password), user, "");
  const proof = createHmac("md5", key).update(challenge.subarray(24, 32)).update(blob).digest();
  const baseKey = createHmac("md5", key).update(proof).digest();
  const exchanged = (flags & keyExchange) !== 0;
  const sessionKey = exchanged ? randomBytes(16) : baseKey;
  const encrypted = exchanged ? createCipheriv("rc4", baseKey, null).update(sessionKey) : Buffer.alloc(0);
  const parts = [Buffer.alloc(24), options.ntResponse ?? Buffer.concat([proof, blob]), utf16(""), utf16(user), utf16("CLIENT"), encrypted];
  const message = Buffer.alloc(88 + parts.reduce((sum, each) => sum + each.length, 0));
  message.write("NTLMSSP\0", "latin1");
  message.writeUInt32LE(3, 8);
  let at = 88;
  for (const [i, part] of parts.entries()) {
    message.writeUInt16LE(part.length, 12 + i * 8);
    message.writeUInt16LE(part.length, 14 + i * 8);
    message.writeUInt32LE(at, 16 + i * 8);
    message.set(part, at);
    at += part.length;
  }
  message.writeUInt32LE(flags, 60);
  if (mic) createHmac("md5", sessionKey).update(negotiate).update(challenge).update(message).digest().copy(message, 72);
  options.spoil?.(message);
  return { message, sessionKey };
}
