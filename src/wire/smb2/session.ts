import { i32, type LeWriter, u16, u32, utf16 } from "../le.ts";
import { headerBytes } from "./header.ts";

/** SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT (MS-SMB2 2.2.5–2.2.12). */
export const SessionSetupFlag = { BINDING: 1 } as const;
export const SessionFlag = { IS_GUEST: 1, IS_NULL: 2, ENCRYPT_DATA: 4 } as const;

export const ShareType = { DISK: 1, PIPE: 2, PRINT: 3 } as const;
export const ShareFlag = {
  MANUAL_CACHING: 0,
  NO_CACHING: 0x30,
  ACCESS_BASED_DIRECTORY_ENUM: 0x800,
  ENCRYPT_DATA: 0x8000,
} as const;

/** Of a share, in the answer to TREE_CONNECT (MS-SMB2 2.2.10). */
export const ShareCapability = { CONTINUOUS_AVAILABILITY: 0x10 } as const;

const sessionSetupBytes = 24;
const treeConnectBytes = 8;

export interface SessionSetupRequest {
  readonly flags: number;
  readonly securityMode: number;
  readonly capabilities: number;
  readonly previousSessionLow: number;
  readonly previousSessionHigh: number;
  /** A view of the message. */
  readonly token: Uint8Array;
}

export function decodeSessionSetup(b: Uint8Array, base: number, end: number): SessionSetupRequest | null {
  const at = base + headerBytes;
  if (end - at < sessionSetupBytes || u16(b, at) !== sessionSetupBytes + 1) return null;
  const token = variable(b, base, end, u16(b, at + 12), u16(b, at + 14));
  if (token === null) return null;
  return {
    flags: b[at + 2]!,
    securityMode: b[at + 3]!,
    capabilities: u32(b, at + 4),
    previousSessionLow: i32(b, at + 16),
    previousSessionHigh: i32(b, at + 20),
    token,
  };
}

const nothing = new Uint8Array(0);

/** `length` bytes at `offset` from the header; null where they don't lie behind it in the message. Nothing at all may be anywhere. */
export function variable(b: Uint8Array, base: number, end: number, offset: number, length: number): Uint8Array | null {
  if (length === 0) return nothing;
  return lies(base, end, offset, length) ? b.subarray(base + offset, base + offset + length) : null;
}

/** Whether they do. */
export function lies(base: number, end: number, offset: number, length: number): boolean {
  return length === 0 || (offset >= headerBytes && length <= end - base - offset);
}

export function encodeSessionSetup(w: LeWriter, flags: number, token: Uint8Array): void {
  w.reserve(8);
  w.u16(9);
  w.u16(flags);
  w.u16(headerBytes + 8);
  w.u16(token.length);
  w.raw(token);
}

/** Whether the 4-byte body of a LOGOFF, TREE_DISCONNECT, ECHO or CANCEL is there. */
export function isEmptyBody(b: Uint8Array, base: number, end: number): boolean {
  const at = base + headerBytes;
  return end - at >= 4 && u16(b, at) === 4;
}

/** The 4-byte body of an answer that says nothing. */
export function encodeEmptyBody(w: LeWriter): void {
  w.reserve(4);
  w.u16(4);
  w.u16(0);
}

export interface TreeConnectRequest {
  readonly flags: number;
  /** \\server\share */
  readonly path: string;
}

/** Longest path of a TREE_CONNECT: a server's name and a share's (80), in bytes. */
const treePathBytesMax = 1024;

export function decodeTreeConnect(b: Uint8Array, base: number, end: number): TreeConnectRequest | null {
  const at = base + headerBytes;
  if (end - at < treeConnectBytes || u16(b, at) !== treeConnectBytes + 1) return null;
  const path = variable(b, base, end, u16(b, at + 4), u16(b, at + 6));
  if (path === null || path.length % 2 !== 0 || path.length > treePathBytesMax) return null;
  return { flags: u16(b, at + 2), path: utf16(path, 0, path.length) };
}

export function encodeTreeConnect(w: LeWriter, type: number, flags: number, capabilities: number, maximalAccess: number): void {
  w.reserve(16);
  w.u16(16);
  w.u8(type);
  w.u8(0);
  w.u32(flags);
  w.u32(capabilities);
  w.u32(maximalAccess);
}
