import { u16, u32 } from "../le.ts";
import type { CreateContext } from "./create.ts";

/** Contexts of CREATE that ask for durable opens and come back to them (MS-SMB2 2.2.13.2.3, .4, .11, .12, .13, .15; 2.2.14.2.3, .12). */
const DurableName = {
  request: "DHnQ",
  reconnect: "DHnC",
  requestV2: "DH2Q",
  reconnectV2: "DH2C",
  appInstance: "\x45\xbc\xa6\x6a\xef\xa7\xf7\x4a\x90\x08\xfa\x46\x2e\x14\x4d\x74",
  appVersion: "\xb9\x82\xd0\xb7\x3b\x56\x07\x4f\xa0\x7b\x52\x4a\x81\x16\xa0\x10",
} as const;

const persistentFlag = 2;
const requestBytes = 16;
const requestV2Bytes = 32;
const reconnectBytes = 16;
const reconnectV2Bytes = 36;
const appInstanceBytes = 20;
const appVersionBytes = 24;
const noGuid = "0".repeat(32);

/** A version of an application instance, as two halves that compare as they stand. */
export interface AppVersion {
  readonly high: string;
  readonly low: string;
}

/** What a CREATE says of durable opens. Ids and GUIDs are in hex. */
export interface DurableAsk {
  /** The version of the contexts it has. */
  readonly version: 1 | 2;
  /** The open it comes back to: the half of its id that stays; null: it makes one. */
  readonly reconnect: string | null;
  /** Of version 2; zeros in version 1. */
  readonly createGuid: string;
  /** 0: as the server likes. */
  readonly timeoutMs: number;
  readonly persistent: boolean;
}

export interface AppInstance {
  readonly id: string;
  readonly version: AppVersion | null;
}

function hex(b: Uint8Array, at: number, length: number): string {
  return Buffer.from(b.buffer, b.byteOffset + at, length).toString("hex");
}

/**
 * What the contexts of a CREATE say of durable opens; null: nothing, "invalid": they contradict each other or are malformed
 * (MS-SMB2 3.3.5.9.6, .7, .10, .12). Contexts of version 2 are not known below 3.0.
 */
export function decodeDurable(contexts: readonly CreateContext[], version2: boolean): DurableAsk | null | "invalid" {
  const request = find(contexts, DurableName.request);
  const reconnect = find(contexts, DurableName.reconnect);
  const request2 = version2 ? find(contexts, DurableName.requestV2) : null;
  const reconnect2 = version2 ? find(contexts, DurableName.reconnectV2) : null;
  if (reconnect2 !== null) return request !== null || reconnect !== null || request2 !== null ? "invalid" : reconnectV2(reconnect2);
  if (request2 !== null) return request !== null || reconnect !== null ? "invalid" : requestV2(request2);
  if (reconnect !== null) {
    if (reconnect.length !== reconnectBytes) return "invalid";
    return { version: 1, reconnect: hex(reconnect, 0, 8), createGuid: noGuid, timeoutMs: 0, persistent: false };
  }
  if (request === null) return null;
  return request.length !== requestBytes ? "invalid" : { version: 1, reconnect: null, createGuid: noGuid, timeoutMs: 0, persistent: false };
}

function requestV2(b: Uint8Array): DurableAsk | "invalid" {
  if (b.length !== requestV2Bytes) return "invalid";
  return { version: 2, reconnect: null, createGuid: hex(b, 16, 16), timeoutMs: u32(b, 0), persistent: (u32(b, 4) & persistentFlag) !== 0 };
}

function reconnectV2(b: Uint8Array): DurableAsk | "invalid" {
  if (b.length !== reconnectV2Bytes) return "invalid";
  return { version: 2, reconnect: hex(b, 0, 8), createGuid: hex(b, 16, 16), timeoutMs: 0, persistent: (u32(b, 32) & persistentFlag) !== 0 };
}

/** The application instance a CREATE belongs to; null: none, or malformed, which is the same. */
export function decodeAppInstance(contexts: readonly CreateContext[]): AppInstance | null {
  const b = find(contexts, DurableName.appInstance);
  if (b === null || b.length < appInstanceBytes || u16(b, 0) !== appInstanceBytes) return null;
  const version = find(contexts, DurableName.appVersion);
  const known = version !== null && version.length >= appVersionBytes && u16(version, 0) === appVersionBytes;
  return { id: hex(b, 4, 16), version: known ? { high: bigEndian(version, 8), low: bigEndian(version, 16) } : null };
}

/** A 64-bit number in hex, most significant digit first. */
function bigEndian(b: Uint8Array, at: number): string {
  return Buffer.from(b.slice(at, at + 8).reverse()).toString("hex");
}

function find(contexts: readonly CreateContext[], name: string): Uint8Array | null {
  for (const context of contexts) if (context.name === name) return context.data;
  return null;
}

/** Tells that an open is durable. */
export function durableAnswer(version: 1 | 2, timeoutMs: number, persistent: boolean): CreateContext {
  const data = new Uint8Array(8);
  if (version === 1) return { name: DurableName.request, data };
  const view = new DataView(data.buffer);
  view.setUint32(0, timeoutMs, true);
  view.setUint32(4, persistent ? persistentFlag : 0, true);
  return { name: DurableName.requestV2, data };
}
