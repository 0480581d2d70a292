import { u16, u32, u64, utf16 } from "../le.ts";

/*
 * Inputs and outputs of FSCTLs (MS-FSCC 2.3, MS-SMB2 2.2.31 and 2.2.32). A decoder gives null for an input that is too short or lies about its
 * lengths. Offsets and lengths from 2^53 on are only near the value: they are refused where no file can have them.
 */

/** From here on an offset or length of 64 bits is negative (MS-FSCC has them signed). */
export const negativeFrom: number = 2 ** 63;

export const resumeKeyBytes = 24;

/** SRV_REQUEST_RESUME_KEY (MS-SMB2 2.2.32.3): the key, and an empty context. */
export function encodeResumeKey(key: Uint8Array): Uint8Array {
  const out = new Uint8Array(resumeKeyBytes + 8);
  out.set(key, 0);
  return out;
}

export interface CopyChunk {
  readonly sourceOffset: number;
  readonly targetOffset: number;
  readonly length: number;
}

export interface CopyChunks {
  readonly key: Uint8Array;
  /** What the request says; `chunks` has no more than `chunksMax` of them. */
  readonly count: number;
  readonly chunks: readonly CopyChunk[];
}

const copyFixedBytes = 32;
const chunkBytes = 24;
export const copyAnswerBytes = 12;

/** SRV_COPYCHUNK_COPY (MS-SMB2 2.2.31.1). */
export function decodeCopyChunks(input: Uint8Array, chunksMax: number): CopyChunks | null {
  if (input.length < copyFixedBytes) return null;
  const count = u32(input, 24);
  const chunks: CopyChunk[] = [];
  const key = input.subarray(0, resumeKeyBytes);
  if (count > chunksMax) return { key, count, chunks };
  if (input.length < copyFixedBytes + count * chunkBytes) return null;
  for (let i = 0; i < count; i++) {
    const at = copyFixedBytes + i * chunkBytes;
    chunks.push({ sourceOffset: u64(input, at), targetOffset: u64(input, at + 8), length: u32(input, at + 16) });
  }
  return { key, count, chunks };
}

/** SRV_COPYCHUNK_RESPONSE (MS-SMB2 2.2.32.1): what was done, or the limits. */
export function encodeCopied(chunks: number, chunkBytesDone: number, bytes: number): Uint8Array {
  const out = new Uint8Array(copyAnswerBytes);
  const view = new DataView(out.buffer);
  view.setUint32(0, chunks, true);
  view.setUint32(4, chunkBytesDone, true);
  view.setUint32(8, bytes, true);
  return out;
}

export interface Duplicate {
  /** Of the source. */
  readonly fileId: Uint8Array;
  readonly sourceOffset: number;
  readonly targetOffset: number;
  readonly length: number;
}

/** DUPLICATE_EXTENTS_DATA (MS-FSCC 2.3.8). */
export function decodeDuplicate(input: Uint8Array): Duplicate | null {
  return input.length < 40 ? null : duplicateAt(input, 0);
}

/** DUPLICATE_EXTENTS_DATA_EX (MS-FSCC 2.3.9); its flags ask that the source not be changed meanwhile. */
export function decodeDuplicateEx(input: Uint8Array): (Duplicate & { readonly flags: number }) | null {
  const fixedBytes = 56;
  if (input.length < fixedBytes || u64(input, 0) !== fixedBytes) return null;
  return { ...duplicateAt(input, 8), flags: u32(input, 48) };
}

function duplicateAt(input: Uint8Array, at: number): Duplicate {
  return { fileId: input.subarray(at, at + 16), sourceOffset: u64(input, at + 16), targetOffset: u64(input, at + 24), length: u64(input, at + 32) };
}

/** NETWORK_RESILIENCY_REQUEST (MS-SMB2 2.2.31.3): how long an open waits for its client, in ms; null: it is too short. */
export function decodeResiliency(input: Uint8Array): number | null {
  return input.length < 8 ? null : u32(input, 0);
}

/** Two 64-bit numbers: FILE_ALLOCATED_RANGE_BUFFER (offset, length), FILE_ZERO_DATA_INFORMATION (offset, end). */
export function decodePair(input: Uint8Array): { readonly first: number; readonly second: number } | null {
  return input.length < 16 ? null : { first: u64(input, 0), second: u64(input, 8) };
}

export const allocatedRangeBytes = 16;

/** FILE_ALLOCATED_RANGE_BUFFERs (MS-FSCC 2.3.54). */
export function encodeRanges(ranges: readonly { readonly start: number; readonly end: number }[]): Uint8Array {
  const out = new Uint8Array(ranges.length * allocatedRangeBytes);
  const view = new DataView(out.buffer);
  for (let i = 0; i < ranges.length; i++) {
    const { start, end } = ranges[i]!;
    put64(view, i * allocatedRangeBytes, start);
    put64(view, i * allocatedRangeBytes + 8, end - start);
  }
  return out;
}

const RegionUsage = { CACHED: 1, NONCACHED: 2 } as const;
export const regionsFixedBytes = 16;
export const regionBytes = 24;

/** FILE_REGION_INPUT (MS-FSCC 2.3.55.1); an empty one means all of the file. */
export function decodeRegionQuery(input: Uint8Array): { readonly offset: number; readonly length: number; readonly usage: number } | null {
  if (input.length === 0) return { offset: 0, length: negativeFrom - 1, usage: RegionUsage.CACHED };
  return input.length < 24 ? null : { offset: u64(input, 0), length: u64(input, 8), usage: u32(input, 16) };
}

/** FILE_REGION_OUTPUT (MS-FSCC 2.3.56.1) with one region or none. */
export function encodeRegion(region: { readonly start: number; readonly end: number } | null, usage: number): Uint8Array {
  const out = new Uint8Array(regionsFixedBytes + (region === null ? 0 : regionBytes));
  const view = new DataView(out.buffer);
  if (region === null) return out;
  view.setUint32(4, 1, true);
  view.setUint32(8, 1, true);
  put64(view, regionsFixedBytes, region.start);
  put64(view, regionsFixedBytes + 8, region.end - region.start);
  view.setUint32(regionsFixedBytes + 16, usage, true);
  return out;
}

/** FILE_LEVEL_TRIM (MS-FSCC 2.3.13): ranges whose content nobody needs. */
export function decodeTrim(input: Uint8Array, rangesMax: number): readonly { readonly offset: number; readonly length: number }[] | null {
  if (input.length < 8) return null;
  const count = u32(input, 4);
  if (count === 0 || count > rangesMax || input.length < 8 + count * 16) return null;
  const ranges: { offset: number; length: number }[] = [];
  for (let i = 0; i < count; i++) ranges.push({ offset: u64(input, 8 + i * 16), length: u64(input, 16 + i * 16) });
  return ranges;
}

export function encodeUint32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

export const Integrity = { NONE: 0, CRC32: 1, CRC64: 2, UNCHANGED: 0xffff } as const;

/** FSCTL_GET_INTEGRITY_INFORMATION_BUFFER (MS-FSCC 2.3.20). */
export function encodeIntegrity(algorithm: number, chunkBytesEach: number, clusterBytes: number): Uint8Array {
  const out = new Uint8Array(16);
  const view = new DataView(out.buffer);
  view.setUint16(0, algorithm, true);
  view.setUint32(8, chunkBytesEach, true);
  view.setUint32(12, clusterBytes, true);
  return out;
}

/** SRV_SNAPSHOT_ARRAY (MS-SMB2 2.2.32.2) of no snapshots: the list is its terminating null. */
export function encodeNoSnapshots(): Uint8Array {
  const out = new Uint8Array(16);
  new DataView(out.buffer).setUint32(8, 2, true);
  return out;
}

/** FILE_OBJECTID_BUFFER type 1 (MS-FSCC 2.1.3.1). */
export function encodeObjectId(id: Uint8Array, volume: Uint8Array): Uint8Array {
  const out = new Uint8Array(64);
  out.set(id, 0);
  out.set(volume, 16);
  out.set(id, 32);
  return out;
}

/** Compression of a file: none (MS-FSCC 2.3.17, 2.3.69). */
export const compressionNone = 0;

/** FSCTL_PIPE_WAIT (MS-FSCC 2.3.49): the pipe's name. */
export function decodePipeWait(input: Uint8Array): string | null {
  if (input.length < 14) return null;
  const length = u32(input, 8);
  return length % 2 !== 0 || length > input.length - 14 ? null : utf16(input, 14, length);
}

/** SET_COMPRESSION, SET_INTEGRITY_INFORMATION: their first field. */
export function decodeUint16(input: Uint8Array): number | null {
  return input.length < 2 ? null : u16(input, 0);
}

function put64(view: DataView, at: number, value: number): void {
  const high = (value / 4294967296) | 0;
  view.setUint32(at, value - high * 4294967296, true);
  view.setUint32(at + 4, high, true);
}

