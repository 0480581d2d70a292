import { type LeWriter, u16, u32 } from "../le.ts";
import { headerBytes } from "./header.ts";

/** NEGOTIATE (MS-SMB2 2.2.3, 2.2.4). */
export const Dialect = { SMB_2_0_2: 0x0202, SMB_2_1: 0x0210, SMB_3_0: 0x0300, SMB_3_0_2: 0x0302, SMB_3_1_1: 0x0311, WILDCARD: 0x02ff } as const;
export type Dialect = (typeof Dialect)[keyof typeof Dialect];

export const SecurityMode = { SIGNING_ENABLED: 1, SIGNING_REQUIRED: 2 } as const;

export const Capability = {
  DFS: 0x1,
  LEASING: 0x2,
  LARGE_MTU: 0x4,
  MULTI_CHANNEL: 0x8,
  PERSISTENT_HANDLES: 0x10,
  DIRECTORY_LEASING: 0x20,
  ENCRYPTION: 0x40,
  NOTIFICATIONS: 0x80,
} as const;

export const ContextType = {
  PREAUTH_INTEGRITY_CAPABILITIES: 1,
  ENCRYPTION_CAPABILITIES: 2,
  COMPRESSION_CAPABILITIES: 3,
  NETNAME_NEGOTIATE_CONTEXT_ID: 5,
  TRANSPORT_CAPABILITIES: 6,
  RDMA_TRANSFORM_CAPABILITIES: 7,
  SIGNING_CAPABILITIES: 8,
  POSIX_EXTENSIONS: 0x100,
} as const;

export const HashAlgorithm = { SHA_512: 1 } as const;
export const Cipher = { AES_128_CCM: 1, AES_128_GCM: 2, AES_256_CCM: 3, AES_256_GCM: 4 } as const;
export type Cipher = (typeof Cipher)[keyof typeof Cipher];
export const SigningAlgorithm = { HMAC_SHA256: 0, AES_CMAC: 1, AES_GMAC: 2 } as const;
export type SigningAlgorithm = (typeof SigningAlgorithm)[keyof typeof SigningAlgorithm];

/** Most dialects and contexts a client may list; today's have 5 and 8. */
const dialectsMax = 64;
const contextsMax = 32;
const requestFixedBytes = 36;
export const guidBytes = 16;

export interface NegotiateContext {
  readonly type: number;
  readonly data: Uint8Array;
}

export interface NegotiateRequest {
  readonly securityMode: number;
  readonly capabilities: number;
  readonly clientGuid: Uint8Array;
  readonly dialects: readonly number[];
  /** In the order given; empty unless 3.1.1 is offered. */
  readonly contexts: readonly NegotiateContext[];
}

/** A NEGOTIATE request whose header stands at `base`; null where it is malformed. Its bytes are copied: they outlive the message. */
export function decodeNegotiate(b: Uint8Array, base: number, end: number): NegotiateRequest | null {
  const at = base + headerBytes;
  if (end - at < requestFixedBytes || u16(b, at) !== requestFixedBytes) return null;
  const count = u16(b, at + 2);
  if (count > dialectsMax || end - at - requestFixedBytes < count * 2) return null;
  const dialects: number[] = [];
  for (let i = 0; i < count; i++) dialects.push(u16(b, at + requestFixedBytes + i * 2));
  const contexts = dialects.includes(Dialect.SMB_3_1_1) ? decodeContexts(b, base + u32(b, at + 28), end, u16(b, at + 32)) : [];
  if (contexts === null) return null;
  return {
    securityMode: u16(b, at + 4),
    capabilities: u32(b, at + 8),
    clientGuid: new Uint8Array(b.subarray(at + 12, at + 12 + guidBytes)),
    dialects,
    contexts,
  };
}

function decodeContexts(b: Uint8Array, from: number, end: number, count: number): NegotiateContext[] | null {
  if (count > contextsMax) return null;
  const contexts: NegotiateContext[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    if (end - at < 8) return null;
    const length = u16(b, at + 2);
    if (length > end - at - 8) return null;
    contexts.push({ type: u16(b, at), data: new Uint8Array(b.subarray(at + 8, at + 8 + length)) });
    // Each but the first begins at a multiple of 8 from the header.
    at += 8 + length;
    at += (from - at) & 7;
  }
  return contexts;
}

export interface NegotiateAnswer {
  readonly securityMode: number;
  readonly dialect: number;
  readonly serverGuid: Uint8Array;
  readonly capabilities: number;
  readonly transactBytesMax: number;
  readonly readBytesMax: number;
  readonly writeBytesMax: number;
  /** FILETIME: 100 ns since 1601 as 8 little-endian bytes. */
  readonly systemTime: Uint8Array;
  readonly securityBuffer: Uint8Array;
  readonly contexts: readonly NegotiateContext[];
}

const answerFixedBytes = 64;

export function encodeNegotiate(w: LeWriter, base: number, answer: NegotiateAnswer): void {
  w.reserve(answerFixedBytes);
  const at = w.at;
  w.u16(answerFixedBytes + 1);
  w.u16(answer.securityMode);
  w.u16(answer.dialect);
  w.u16(answer.contexts.length);
  w.raw(answer.serverGuid);
  w.u32(answer.capabilities);
  w.u32(answer.transactBytesMax);
  w.u32(answer.readBytesMax);
  w.u32(answer.writeBytesMax);
  w.raw(answer.systemTime);
  // The time of the server's start: 0, as Windows 10 and later send.
  w.zeros(8);
  w.u16(headerBytes + answerFixedBytes);
  w.u16(answer.securityBuffer.length);
  w.zeros(4);
  w.raw(answer.securityBuffer);
  if (answer.contexts.length === 0) return;
  w.align(8, base);
  w.setU32(at + 60, w.at - base);
  for (const { type, data } of answer.contexts) {
    w.align(8, base);
    w.reserve(8);
    w.u16(type);
    w.u16(data.length);
    w.zeros(4);
    w.raw(data);
  }
}

/** The 16-bit values of a capabilities context that begins with their count (encryption, signing). */
export function decodeChoices(data: Uint8Array): number[] | null {
  if (data.length < 2) return null;
  const count = u16(data, 0);
  if (count === 0 || data.length < 2 + count * 2) return null;
  const values: number[] = [];
  for (let i = 0; i < count; i++) values.push(u16(data, 2 + i * 2));
  return values;
}

/** The hash algorithms of a PREAUTH_INTEGRITY_CAPABILITIES context; its salt is hashed with the message and otherwise not used. */
export function decodePreauth(data: Uint8Array): number[] | null {
  if (data.length < 4) return null;
  const count = u16(data, 0);
  if (count === 0 || data.length < 4 + count * 2 + u16(data, 2)) return null;
  const values: number[] = [];
  for (let i = 0; i < count; i++) values.push(u16(data, 4 + i * 2));
  return values;
}

/** One chosen value, as a context's data. */
export function encodeChoice(value: number): Uint8Array {
  return new Uint8Array([1, 0, value, value >> 8]);
}

export function encodePreauth(algorithm: number, salt: Uint8Array): Uint8Array {
  const data = new Uint8Array(6 + salt.length);
  data.set([1, 0, salt.length, salt.length >> 8, algorithm, algorithm >> 8]);
  data.set(salt, 6);
  return data;
}
