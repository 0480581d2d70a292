import { createCipheriv, createDecipheriv, createHash, createHmac, timingSafeEqual } from "node:crypto";
import { AvId, avFlagMic, type AvPair, decodeAvPairs, decodeNtlmAuthenticate, encodeAvPairs, encodeNtlmChallenge, type NtlmAuthenticate, NtlmFlag, ntlmMicBytes } from "#wire/ntlm.ts";

/** Shortest NTLMv2 response: the proof and a client challenge without pairs (MS-NLMP 2.2.2.7). An NTLMv1 response has 24 bytes. */
const ntlmV2ResponseBytesMin = 16 + 28;
const proofBytes = 16;
/** Most bytes of target information a client may send back, its own pairs included. */
const clientPairsAt = 28;

const hmacMd5 = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => {
  const hmac = createHmac("md5", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
};

/** NTOWFv1: what the control plane keeps of a password for NTLM (MS-NLMP 3.3.1). */
export function ntHashOf(password: string): Uint8Array {
  return new Uint8Array(createHash("md4").update(Buffer.from(password, "utf16le")).digest());
}

/** NTOWFv2 (MS-NLMP 3.3.2). */
export function ntlmV2Key(ntHash: Uint8Array, user: string, domain: string): Uint8Array {
  return hmacMd5(ntHash, Buffer.from(user.toUpperCase() + domain, "utf16le"));
}

/** What the server always asks for. NTLMv2 with extended session security; a client that can't is refused at AUTHENTICATE. */
const serverFlags =
  NtlmFlag.NEGOTIATE_UNICODE |
  NtlmFlag.REQUEST_TARGET |
  NtlmFlag.NEGOTIATE_NTLM |
  NtlmFlag.NEGOTIATE_ALWAYS_SIGN |
  NtlmFlag.TARGET_TYPE_SERVER |
  NtlmFlag.NEGOTIATE_EXTENDED_SESSIONSECURITY |
  NtlmFlag.NEGOTIATE_TARGET_INFO |
  NtlmFlag.NEGOTIATE_VERSION;
/** Taken over where the client offers them. */
const mirroredFlags =
  NtlmFlag.NEGOTIATE_SIGN | NtlmFlag.NEGOTIATE_SEAL | NtlmFlag.NEGOTIATE_128 | NtlmFlag.NEGOTIATE_KEY_EXCH | NtlmFlag.NEGOTIATE_56;

/** An exchange begun: what its end is checked against. */
export interface NtlmExchange {
  readonly negotiate: Uint8Array;
  readonly challenge: Uint8Array;
  readonly serverChallenge: Uint8Array;
}

/** The server's name as NTLM's target information has it. */
export interface NtlmServerName {
  readonly netbios: string;
  readonly dns: string;
}

/**
 * Answers a NEGOTIATE_MESSAGE. `serverChallenge` is 8 random bytes; `filetime` the time in 100 ns since 1601 as 8 little-endian
 * bytes, which obliges clients to send a MIC.
 */
export function beginNtlm(negotiate: Uint8Array, clientFlags: number, serverChallenge: Uint8Array, name: NtlmServerName, filetime: Uint8Array): NtlmExchange {
  const utf16 = (text: string): Uint8Array => Buffer.from(text, "utf16le");
  const pairs: readonly AvPair[] = [
    { id: AvId.NbDomainName, value: utf16(name.netbios) },
    { id: AvId.NbComputerName, value: utf16(name.netbios) },
    { id: AvId.DnsDomainName, value: utf16("") },
    { id: AvId.DnsComputerName, value: utf16(name.dns) },
    { id: AvId.Timestamp, value: filetime },
  ];
  const flags = (serverFlags | (clientFlags & mirroredFlags)) >>> 0;
  const challenge = encodeNtlmChallenge(flags, serverChallenge, name.netbios, encodeAvPairs(pairs));
  return { negotiate: new Uint8Array(negotiate), challenge, serverChallenge };
}

/** Who an AUTHENTICATE_MESSAGE claims to be. */
export interface NtlmClaim {
  readonly message: Uint8Array;
  readonly fields: NtlmAuthenticate;
  /** No name and no proof: an anonymous log-in (MS-NLMP 3.2.5.1.2). */
  readonly anonymous: boolean;
}

/** Why an AUTHENTICATE_MESSAGE is no claim. */
export const NoClaim = { malformed: "malformed", outdated: "outdated" } as const;
export type NoClaim = (typeof NoClaim)[keyof typeof NoClaim];

/** The claim in an AUTHENTICATE_MESSAGE; NTLMv1 and LM are outdated, and refused. */
export function claimOf(message: Uint8Array): NtlmClaim | NoClaim {
  const fields = decodeNtlmAuthenticate(message);
  if (fields === null) return NoClaim.malformed;
  const { ntResponse } = fields;
  const anonymous = fields.user === "" && ntResponse.length === 0 && fields.lmResponse.length <= 1;
  if (anonymous) return { message, fields, anonymous };
  if (ntResponse.length < ntlmV2ResponseBytesMin) return NoClaim.outdated;
  return decodeAvPairs(ntResponse.subarray(proofBytes + clientPairsAt)) === null ? NoClaim.malformed : { message, fields, anonymous };
}

/** A claim that was proven. */
export interface NtlmProven {
  /** 16 bytes: the exported session key, from which the protocol derives its own. */
  readonly sessionKey: Uint8Array;
  readonly flags: number;
}

/**
 * Checks the proof of a claim that isn't anonymous against the user's NT hash (MS-NLMP 3.2.5.1.2, 3.3.2): NTLMv2 response, then
 * MIC where the client says it sends one. Null: not proven. For an unknown user pass a random hash, so that it costs the same.
 */
export function proveNtlm(exchange: NtlmExchange, claim: NtlmClaim, ntHash: Uint8Array): NtlmProven | null {
  const { fields, message } = claim;
  const response = fields.ntResponse;
  const proof = response.subarray(0, proofBytes);
  const clientChallenge = response.subarray(proofBytes);
  const key = ntlmV2Key(ntHash, fields.user, fields.domain);
  const expected = hmacMd5(key, exchange.serverChallenge, clientChallenge);
  if (!timingSafeEqual(expected, proof)) return null;
  const pairs = decodeAvPairs(clientChallenge.subarray(clientPairsAt));
  if (pairs === null) return null;
  const baseKey = hmacMd5(key, expected);
  const sessionKey = exportedKey(baseKey, fields);
  if (sessionKey === null) return null;
  const flags = pairs.find(({ id }) => id === AvId.Flags)?.value;
  const sendsMic = flags !== undefined && flags.length === 4 && (flags[0]! & avFlagMic) !== 0;
  if (sendsMic && !micMatches(exchange, message, fields.micAt, sessionKey)) return null;
  return { sessionKey, flags: fields.flags };
}

function exportedKey(baseKey: Uint8Array, fields: NtlmAuthenticate): Uint8Array | null {
  if ((fields.flags & NtlmFlag.NEGOTIATE_KEY_EXCH) === 0 || (fields.flags & (NtlmFlag.NEGOTIATE_SIGN | NtlmFlag.NEGOTIATE_SEAL)) === 0) return new Uint8Array(baseKey);
  if (fields.encryptedSessionKey.length !== 16) return null;
  return new Uint8Array(createDecipheriv("rc4", baseKey, null).update(fields.encryptedSessionKey));
}

/** The MIC covers all three messages, its own field as zeros (MS-NLMP 3.1.5.1.2). */
function micMatches(exchange: NtlmExchange, message: Uint8Array, at: number, sessionKey: Uint8Array): boolean {
  if (message.length < at + ntlmMicBytes) return false;
  const mic = message.slice(at, at + ntlmMicBytes);
  const blank = new Uint8Array(message);
  blank.fill(0, at, at + ntlmMicBytes);
  return timingSafeEqual(hmacMd5(sessionKey, exchange.negotiate, exchange.challenge, blank), mic);
}

const signMagic = {
  client: Buffer.from("session key to client-to-server signing key magic constant\0", "latin1"),
  server: Buffer.from("session key to server-to-client signing key magic constant\0", "latin1"),
} as const;
const sealMagic = {
  client: Buffer.from("session key to client-to-server sealing key magic constant\0", "latin1"),
  server: Buffer.from("session key to server-to-client sealing key magic constant\0", "latin1"),
} as const;

const md5 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/**
 * The signature of the first message `from` sends under a proven claim, for SPNEGO's mechListMIC (MS-NLMP 3.4.4.2, extended
 * session security; sequence number 0).
 */
export function ntlmSignature(proven: NtlmProven, from: "client" | "server", message: Uint8Array): Uint8Array {
  const sign = md5(proven.sessionKey, signMagic[from]);
  let checksum: Uint8Array = hmacMd5(sign, new Uint8Array(4), message).subarray(0, 8);
  if ((proven.flags & NtlmFlag.NEGOTIATE_KEY_EXCH) !== 0) {
    const seal = md5(proven.sessionKey.subarray(0, sealKeyBytes(proven.flags)), sealMagic[from]);
    checksum = createCipheriv("rc4", seal, null).update(checksum);
  }
  const out = new Uint8Array(16);
  out[0] = 1;
  out.set(checksum, 4);
  return out;
}

/** MS-NLMP 3.4.5.3. */
function sealKeyBytes(flags: number): number {
  if ((flags & NtlmFlag.NEGOTIATE_128) !== 0) return 16;
  return (flags & NtlmFlag.NEGOTIATE_56) !== 0 ? 7 : 5;
}
