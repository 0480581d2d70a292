import type { Time } from "#base/time.ts";
import type { ContentRun } from "#model/file-content.ts";

/*
 * A segment file (docs/formats/log.md; all integers little-endian):
 *
 *   0     header, 64 bytes, alone with its copy in its 4 KiB block so that no append ever rewrites it
 *   2048  the header again
 *   4096  records, each a multiple of 8 bytes, one directly behind the other
 *
 * Header                                    Record
 *   0  8  magic "DFSLOG\r\n"                  0  4  CRC-32 of bytes 4..64 (write, clone) or 4..length, seeded (see recordSeed)
 *   8  4  byte order mark 0x01020304          4  4  length in bytes, padding included
 *  12  4  format version                      8  8  sequence
 *  16  8  share instance                     16  8  file
 *  24  8  generation                         24  8  offset
 *  32  8  first sequence                     32  8  new size
 *  40  8  previous generation (0: none)      40  8  mtime seconds (signed)
 *  48  8  previous last sequence             48  4  mtime nanoseconds
 *  56  4  salt                               52  4  bytes written or laid by the operation
 *  60  4  CRC-32 of bytes 0..60              56  1  kind
 *                                            57  3  lag behind the last record known to be synced; 0: not told
 *                                            60  4  CRC-32 of bytes 64..length (write, clone), of the payload (pointer), else zero
 *                                            64     write: the payload, zero padded; pointer: pack 8, offset in pack 8;
 *                                                   clone: runs of length 8, pack 8 (0: a hole), offset in pack 8; punch: length 8
 */
export const headerBytes = 64;
export const headerCopyAt = 2048;
export const recordsStart = 4096;
export const recordHeaderBytes = 64;
export const pointerBytes = recordHeaderBytes + 16;
export const punchBytes = recordHeaderBytes + 8;
/** What lies behind this is not told. */
export const lagMax = 0xffffff;
/** A clone's header says that it lays that many bytes or more. */
export const laidBytesMax = 0xffffffff;
/** One run of a clone. */
export const runBytes = 24;
/**
 * Version 2 adds clones and punches; in version 3 a record's header has a checksum of its own and says what was synced when it was made. What is of
 * an earlier version is read as ever.
 */
export const formatVersion = 3;
/** Since this version a damaged record can be told from a torn tail by itself. */
export const tellingVersion = 3;

const magic = new TextEncoder().encode("DFSLOG\r\n");
const byteOrderMark = 0x01020304;
const saltAt = 56;
const headerCrcAt = 60;
const two32 = 4294967296;

export const RecordKind = { write: 1, pointer: 2, truncate: 3, clone: 4, punch: 5 } as const;

export interface SegmentHeader {
  readonly instance: Uint8Array;
  readonly generation: number;
  readonly firstSequence: number;
  readonly previousGeneration: number;
  readonly previousLast: number;
  /** Differs between two uses of one generation: after a crash a number may be used again whose header was lost. */
  readonly salt: number;
}

/** A header as it was found. */
export interface FoundHeader extends SegmentHeader {
  readonly version: number;
}

/** `value` in 0..2^53-1. */
export function putUint64(view: DataView, at: number, value: number): void {
  const high = (value / two32) | 0;
  view.setUint32(at, value - high * two32, true);
  view.setUint32(at + 4, high, true);
}

export function getUint64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * two32 + view.getUint32(at, true);
}

/** `value` in -(2^53-1)..2^53-1, two's complement. */
function putInt64(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / two32);
  view.setUint32(at, value - high * two32, true);
  view.setInt32(at + 4, high, true);
}

export function getInt64(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * two32 + view.getUint32(at, true);
}

export function align8(bytes: number): number {
  return (bytes + 7) & ~7;
}

function encodeHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic, 0);
  view.setUint32(8, byteOrderMark, true);
  view.setUint32(12, formatVersion, true);
  bytes.set(header.instance, 16);
  putUint64(view, 24, header.generation);
  putUint64(view, 32, header.firstSequence);
  putUint64(view, 40, header.previousGeneration);
  putUint64(view, 48, header.previousLast);
  view.setUint32(saltAt, header.salt, true);
  view.setUint32(headerCrcAt, Bun.hash.crc32(bytes.subarray(0, headerCrcAt)), true);
  return bytes;
}

/** What a segment begins with: the header, and its copy, so that no damage of a byte or a sector of the disk costs every record behind it. */
export function encodeHeaders(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(headerCopyAt + headerBytes);
  const encoded = encodeHeader(header);
  bytes.set(encoded, 0);
  bytes.set(encoded, headerCopyAt);
  return bytes;
}

/** The header of what a segment begins with, or its copy where that is damaged. */
export function decodeHeaders(bytes: Uint8Array, path: string): FoundHeader | null {
  return decodeHeader(bytes, path) ?? decodeHeader(bytes.subarray(headerCopyAt), path);
}

/** The header, or null where there is none that is whole. Throws for one of a newer format: it must not be taken for garbage. */
export function decodeHeader(bytes: Uint8Array, path: string): FoundHeader | null {
  if (bytes.byteLength < headerBytes) return null;
  for (let i = 0; i < magic.byteLength; i++) if (bytes[i] !== magic[i]) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  if (view.getUint32(headerCrcAt, true) !== Bun.hash.crc32(bytes.subarray(0, headerCrcAt))) return null;
  if (view.getUint32(8, true) !== byteOrderMark) throw new Error(`${path} was written in another byte order`);
  const version = view.getUint32(12, true);
  if (version > formatVersion)
    throw new Error(`${path} has log format ${version}, newer than ${formatVersion}, the newest this program knows: use the program that wrote it`);
  return {
    version,
    instance: bytes.slice(16, 24),
    generation: getUint64(view, 24),
    firstSequence: getUint64(view, 32),
    previousGeneration: getUint64(view, 40),
    previousLast: getUint64(view, 48),
    salt: view.getUint32(saltAt, true),
  };
}

/** What a segment's record CRCs start from: its header's identity, so that nothing left over from an earlier use of the file passes. */
export function recordSeed(instance: Uint8Array, generation: number, salt: number): number {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  bytes.set(instance, 0);
  putUint64(view, 8, generation);
  view.setUint32(16, salt, true);
  return Bun.hash.crc32(bytes);
}

/** Records of this kind have a body behind their header, with a checksum of its own; of others the header's covers everything. */
export function hasBody(kind: number): boolean {
  return kind === RecordKind.write || kind === RecordKind.clone;
}

/** Writes a record's header but for its CRC. `synced`: the last record that is known to be on stable storage. */
export function encodeRecord(
  view: DataView,
  at: number,
  kind: number,
  bytes: number,
  sequence: number,
  file: number,
  offset: number,
  length: number,
  newSize: number,
  mtime: Time,
  crc: number,
  synced: number,
): void {
  const lag = sequence - synced;
  view.setUint32(at + 4, bytes, true);
  putUint64(view, at + 8, sequence);
  putUint64(view, at + 16, file);
  putUint64(view, at + 24, offset);
  putUint64(view, at + 32, newSize);
  putInt64(view, at + 40, mtime.sec);
  view.setUint32(at + 48, mtime.nsec, true);
  view.setUint32(at + 52, length, true);
  view.setUint32(at + 56, lag > lagMax ? kind : kind | (lag << 8), true);
  view.setUint32(at + 60, crc, true);
}

/** Writes the checksum of a record's body, which lies behind its header, and that of the header. */
export function sealRecord(bytes: Uint8Array, view: DataView, at: number, length: number, body: boolean, seed: number): void {
  if (body) view.setUint32(at + 60, Bun.hash.crc32(bytes.subarray(at + recordHeaderBytes, at + length)), true);
  view.setUint32(at, Bun.hash.crc32(bytes.subarray(at + 4, at + (body ? recordHeaderBytes : length)), seed), true);
}

/** Bytes that a clone's runs lay, as far as its header can say it. */
export function laidBytes(runs: readonly ContentRun[]): number {
  let bytes = 0;
  for (let i = 0; i < runs.length; i++) bytes += (runs[i] as ContentRun).length;
  return Math.min(bytes, laidBytesMax);
}

/** Writes a clone's runs behind its header. */
export function encodeRuns(view: DataView, at: number, runs: readonly ContentRun[]): void {
  for (let i = 0; i < runs.length; i++) {
    const { length, pack, packOffset } = runs[i] as ContentRun;
    putUint64(view, at + i * runBytes, length);
    putUint64(view, at + i * runBytes + 8, pack);
    putUint64(view, at + i * runBytes + 16, packOffset);
  }
}
