import { type LeWriter, u16, u32, utf16 } from "../le.ts";
import { headerBytes } from "./header.ts";
import { variable } from "./session.ts";

/** QUERY_DIRECTORY, CHANGE_NOTIFY, QUERY_INFO, SET_INFO, OPLOCK_BREAK, errors (MS-SMB2 2.2.2, 2.2.23–2.2.25, 2.2.33–2.2.40). */
export const QueryDirectoryFlag = { RESTART_SCANS: 1, RETURN_SINGLE_ENTRY: 2, INDEX_SPECIFIED: 4, REOPEN: 0x10 } as const;
const queryDirectoryBytes = 32;
/** Longest pattern, in bytes: a name's 255 units. */
const patternBytesMax = 1024;

export interface QueryDirectoryRequest {
  readonly infoClass: number;
  readonly flags: number;
  readonly fileIndex: number;
  readonly fileIdAt: number;
  readonly pattern: string;
  readonly outputBytesMax: number;
}

export function decodeQueryDirectory(b: Uint8Array, base: number, end: number): QueryDirectoryRequest | null {
  const at = base + headerBytes;
  if (end - at < queryDirectoryBytes || u16(b, at) !== queryDirectoryBytes + 1) return null;
  const pattern = variable(b, base, end, u16(b, at + 24), u16(b, at + 26));
  if (pattern === null || pattern.length % 2 !== 0 || pattern.length > patternBytesMax) return null;
  return {
    infoClass: b[at + 2]!,
    flags: b[at + 3]!,
    fileIndex: u32(b, at + 4),
    fileIdAt: at + 8,
    pattern: utf16(pattern, 0, pattern.length),
    outputBytesMax: u32(b, at + 28),
  };
}

export const notifyWatchTree = 1;
const changeNotifyBytes = 32;

export interface ChangeNotifyRequest {
  readonly flags: number;
  readonly outputBytesMax: number;
  readonly fileIdAt: number;
  readonly filter: number;
}

export function decodeChangeNotify(b: Uint8Array, base: number, end: number): ChangeNotifyRequest | null {
  const at = base + headerBytes;
  if (end - at < changeNotifyBytes || u16(b, at) !== changeNotifyBytes) return null;
  return { flags: u16(b, at + 2), outputBytesMax: u32(b, at + 4), fileIdAt: at + 8, filter: u32(b, at + 24) };
}

export const InfoType = { FILE: 1, FILESYSTEM: 2, SECURITY: 3, QUOTA: 4 } as const;
const queryInfoBytes = 40;

export interface QueryInfoRequest {
  readonly infoType: number;
  readonly infoClass: number;
  readonly outputBytesMax: number;
  readonly input: Uint8Array;
  readonly additional: number;
  readonly flags: number;
  readonly fileIdAt: number;
}

export function decodeQueryInfo(b: Uint8Array, base: number, end: number): QueryInfoRequest | null {
  const at = base + headerBytes;
  if (end - at < queryInfoBytes || u16(b, at) !== queryInfoBytes + 1) return null;
  const input = variable(b, base, end, u16(b, at + 8), u32(b, at + 12));
  if (input === null) return null;
  return {
    infoType: b[at + 2]!,
    infoClass: b[at + 3]!,
    outputBytesMax: u32(b, at + 4),
    input,
    additional: u32(b, at + 16),
    flags: u32(b, at + 20),
    fileIdAt: at + 24,
  };
}

const setInfoBytes = 32;

export interface SetInfoRequest {
  readonly infoType: number;
  readonly infoClass: number;
  readonly input: Uint8Array;
  readonly additional: number;
  readonly fileIdAt: number;
}

export function decodeSetInfo(b: Uint8Array, base: number, end: number): SetInfoRequest | null {
  const at = base + headerBytes;
  if (end - at < setInfoBytes || u16(b, at) !== setInfoBytes + 1) return null;
  const input = variable(b, base, end, u16(b, at + 8), u32(b, at + 4));
  if (input === null) return null;
  return { infoType: b[at + 2]!, infoClass: b[at + 3]!, input, additional: u32(b, at + 12), fileIdAt: at + 16 };
}

export function encodeSetInfo(w: LeWriter): void {
  w.reserve(2);
  w.u16(2);
}

export const outputHeaderBytes = 8;

/** The fixed part of a QUERY_DIRECTORY, CHANGE_NOTIFY or QUERY_INFO answer; `length` bytes follow it directly. */
export function encodeOutputHeader(w: LeWriter, length: number): void {
  w.reserve(outputHeaderBytes);
  w.u16(9);
  w.u16(length === 0 ? 0 : headerBytes + outputHeaderBytes);
  w.u32(length);
}

/** An error's body with its data (MS-SMB2 2.2.2). */
/** Data of an error as SMB 3.1.1 has them: a context of the default kind (MS-SMB2 2.2.2.1). */
export function encodeErrorContext(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + data.length);
  new DataView(out.buffer).setUint32(0, data.length, true);
  out.set(data, 8);
  return out;
}

export function encodeError(w: LeWriter, contexts: number, data: Uint8Array | null): void {
  w.reserve(9 + (data?.length ?? 0));
  w.u16(9);
  w.u8(contexts);
  w.u8(0);
  w.u32(data === null ? 0 : data.length);
  if (data === null) w.u8(0);
  else w.raw(data);
}
