import { type LeWriter, u16, u32, u64 } from "../le.ts";
import { headerBytes } from "./header.ts";
import { variable } from "./session.ts";

/** READ, WRITE, FLUSH, LOCK, IOCTL (MS-SMB2 2.2.17–2.2.32). */
export const fileIdBytes = 16;
/** Where the file id stands behind the header of CLOSE, FLUSH and LOCK; of READ and WRITE; of IOCTL. */
const fileIdAtShort = 8;
const fileIdAtTransfer = 16;

/** "The file of the request before this one" in a related compound (MS-SMB2 3.3.5.2.7.2). */
export const relatedFileId = new Uint8Array(fileIdBytes).fill(0xff);

const transferBytes = 48;

/** READ and WRITE requests. Reused: decoding fills it. */
export class Transfer {
  length = 0;
  /** From 2^53 on not exact; -1 where the range reaches past byte 2^63 - 1 (MS-FSA 2.1.5.3, 2.1.5.4). */
  offset = 0;
  fileIdAt = 0;
  /** READ: the least to be read. */
  minimum = 0;
  flags = 0;
  channel = 0;
  /** WRITE: where its data begin, from the header. */
  dataOffset = 0;
}

function rangeStart(b: Uint8Array, at: number, length: number): number {
  const high = u32(b, at + 4);
  if (high > 0x7fffffff || (high === 0x7fffffff && u32(b, at) + length > 0xffffffff)) return -1;
  return u64(b, at);
}

export function decodeRead(b: Uint8Array, base: number, end: number, into: Transfer): boolean {
  const at = base + headerBytes;
  if (end - at < transferBytes || u16(b, at) !== transferBytes + 1) return false;
  into.flags = b[at + 3]!;
  into.length = u32(b, at + 4);
  into.offset = rangeStart(b, at + 8, into.length);
  into.fileIdAt = at + fileIdAtTransfer;
  into.minimum = u32(b, at + 32);
  into.channel = u32(b, at + 36);
  return true;
}

const readAnswerBytes = 16;

/** The answer's fixed part; `length` bytes of data follow it directly. */
export function encodeRead(w: LeWriter, length: number, padding = 0): void {
  w.reserve(readAnswerBytes + padding);
  w.u16(readAnswerBytes + 1);
  w.u8(headerBytes + readAnswerBytes + padding);
  w.u8(0);
  w.u32(length);
  w.zeros(8 + padding);
}

export const writeFlagThrough = 1;

/** Fills `into`; that `length` bytes at `dataOffset` lie in the message, tail slices included, its reader checks. */
export function decodeWrite(b: Uint8Array, base: number, end: number, into: Transfer): boolean {
  const at = base + headerBytes;
  if (end - at < transferBytes || u16(b, at) !== transferBytes + 1) return false;
  into.dataOffset = u16(b, at + 2);
  into.length = u32(b, at + 4);
  into.offset = rangeStart(b, at + 8, into.length);
  into.fileIdAt = at + fileIdAtTransfer;
  into.channel = u32(b, at + 32);
  into.flags = u32(b, at + 44);
  return into.dataOffset >= headerBytes + transferBytes || into.length === 0;
}

export function encodeWrite(w: LeWriter, count: number): void {
  w.reserve(16);
  w.u16(17);
  w.u16(0);
  w.u32(count);
  w.zeros(8);
}

const flushBytes = 24;

/** Where a FLUSH's file id lies; -1: malformed. */
export function decodeFlush(b: Uint8Array, base: number, end: number): number {
  const at = base + headerBytes;
  return end - at < flushBytes || u16(b, at) !== flushBytes ? -1 : at + fileIdAtShort;
}

export const LockFlag = { SHARED: 1, EXCLUSIVE: 2, UNLOCK: 4, FAIL_IMMEDIATELY: 0x10 } as const;
const lockFixedBytes = 24;
const lockElementBytes = 24;
/** Most ranges of a LOCK. */
const locksMax = 1024;

/** A range keeps all 64 bits of offset and length, in halves. */
export interface LockElement {
  readonly offsetHigh: number;
  readonly offsetLow: number;
  readonly lengthHigh: number;
  readonly lengthLow: number;
  readonly flags: number;
}
export interface LockRequest {
  readonly sequence: number;
  readonly fileIdAt: number;
  readonly locks: readonly LockElement[];
}

export function decodeLock(b: Uint8Array, base: number, end: number): LockRequest | null {
  const at = base + headerBytes;
  if (end - at < lockFixedBytes || u16(b, at) !== 48) return null;
  const count = u16(b, at + 2);
  if (count === 0 || count > locksMax || end - at - lockFixedBytes < count * lockElementBytes) return null;
  const locks: LockElement[] = [];
  for (let i = 0; i < count; i++) {
    const from = at + lockFixedBytes + i * lockElementBytes;
    locks.push({ offsetLow: u32(b, from), offsetHigh: u32(b, from + 4), lengthLow: u32(b, from + 8), lengthHigh: u32(b, from + 12), flags: u32(b, from + 16) });
  }
  return { sequence: u32(b, at + 4), fileIdAt: at + fileIdAtShort, locks };
}

export const FsControl = {
  DFS_GET_REFERRALS: 0x00060194,
  DFS_GET_REFERRALS_EX: 0x000601b0,
  PIPE_PEEK: 0x0011400c,
  PIPE_WAIT: 0x00110018,
  PIPE_TRANSCEIVE: 0x0011c017,
  SRV_COPYCHUNK: 0x001440f2,
  SRV_COPYCHUNK_WRITE: 0x001480f2,
  SRV_ENUMERATE_SNAPSHOTS: 0x00144064,
  SRV_READ_HASH: 0x001441bb,
  SRV_REQUEST_RESUME_KEY: 0x00140078,
  LMR_REQUEST_RESILIENCY: 0x001401d4,
  QUERY_NETWORK_INTERFACE_INFO: 0x001401fc,
  VALIDATE_NEGOTIATE_INFO: 0x00140204,
  SET_REPARSE_POINT: 0x000900a4,
  GET_REPARSE_POINT: 0x000900a8,
  DELETE_REPARSE_POINT: 0x000900ac,
  /** Samba's own, for its test suite. */
  TORTURE_COUNT_AS_LOST: 0x83848003,
  TORTURE_PAD_IOCTL: 0x83848013,
  TORTURE_PAD_READS: 0x83848023,
  SET_SPARSE: 0x000900c4,
  SET_ZERO_DATA: 0x000980c8,
  QUERY_ALLOCATED_RANGES: 0x000940cf,
  DUPLICATE_EXTENTS_TO_FILE: 0x00098344,
  DUPLICATE_EXTENTS_TO_FILE_EX: 0x000983e8,
  FILE_LEVEL_TRIM: 0x00098208,
  QUERY_FILE_REGIONS: 0x00090284,
  GET_INTEGRITY_INFORMATION: 0x0009027c,
  SET_INTEGRITY_INFORMATION: 0x0009c280,
  IS_PATHNAME_VALID: 0x0009002c,
  GET_OBJECT_ID: 0x0009009c,
  GET_COMPRESSION: 0x0009003c,
  SET_COMPRESSION: 0x0009c040,
  CREATE_OR_GET_OBJECT_ID: 0x000900c0,
} as const;

const ioctlBytes = 56;
export const ioctlIsFsctl = 1;

export interface IoctlRequest {
  readonly code: number;
  readonly fileIdAt: number;
  /** A view of the message. */
  readonly input: Uint8Array;
  readonly inputBytesMax: number;
  readonly outputBytesMax: number;
  readonly flags: number;
}

export function decodeIoctl(b: Uint8Array, base: number, end: number): IoctlRequest | null {
  const at = base + headerBytes;
  if (end - at < ioctlBytes || u16(b, at) !== ioctlBytes + 1) return null;
  const input = variable(b, base, end, u32(b, at + 24), u32(b, at + 28));
  if (input === null) return null;
  return { code: u32(b, at + 4), fileIdAt: at + fileIdAtShort, input, inputBytesMax: u32(b, at + 32), outputBytesMax: u32(b, at + 44), flags: u32(b, at + 48) };
}

export function encodeIoctl(w: LeWriter, code: number, fileId: Uint8Array, output: Uint8Array, padding = 0): void {
  w.reserve(48 + padding);
  w.u16(49);
  w.u16(0);
  w.u32(code);
  w.raw(fileId);
  w.u32(headerBytes + 48);
  w.u32(0);
  w.u32(headerBytes + 48 + padding);
  w.u32(output.length);
  w.zeros(8 + padding);
  w.raw(output);
}
