/*
 * A sealed pack (docs/formats/pack.md; all integers big-endian):
 *
 *   0               payload, `size` bytes
 *   size            footer: CRC-32 of each 64 KiB frame of the payload, 4 bytes each, the last frame as long as it is
 *   end - 48        trailer, 48 bytes:
 *       0  8  magic "DFSPACK\n"
 *       8  4  format version
 *      12  4  bytes in a frame
 *      16  8  payload size
 *      24  8  share instance
 *      32  8  pack id
 *      40  4  zero
 *      44  4  CRC-32 of the frame table and of the trailer up to here
 */
import { frameBytes } from "./frames.ts";

export const trailerBytes = 48;
export const formatVersion = 1;

const magic = new TextEncoder().encode("DFSPACK\n");
const two32 = 4294967296;
const crcAt = 44;

/** The frame table and the trailer behind a payload of `size` bytes. */
export function encodeFooter(instance: Uint8Array, id: number, size: number, frames: Uint8Array): Uint8Array {
  const footer = new Uint8Array(frames.byteLength + trailerBytes);
  footer.set(frames, 0);
  const trailer = footer.subarray(frames.byteLength);
  const view = new DataView(footer.buffer, frames.byteLength);
  trailer.set(magic, 0);
  view.setUint32(8, formatVersion);
  view.setUint32(12, frameBytes);
  putUint64(view, 16, size);
  trailer.set(instance, 24);
  putUint64(view, 32, id);
  view.setUint32(crcAt, Bun.hash.crc32(footer.subarray(0, footer.byteLength - 4)));
  return footer;
}

export interface Trailer {
  readonly size: number;
  readonly instance: Uint8Array;
  readonly id: number;
}

/** What the last `trailerBytes` of a file say; null where they are no trailer. Throws for one of a newer format. */
export function decodeTrailer(bytes: Uint8Array, path: string): Trailer | null {
  if (bytes.byteLength !== trailerBytes) return null;
  for (let i = 0; i < magic.byteLength; i++) if (bytes[i] !== magic[i]) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, trailerBytes);
  const version = view.getUint32(8);
  if (version > formatVersion)
    throw new Error(`${path} has pack format ${version}, newer than ${formatVersion}, the newest this program knows: use the program that wrote it`);
  if (view.getUint32(12) !== frameBytes) return null;
  return { size: getUint64(view, 16), instance: bytes.slice(24, 32), id: getUint64(view, 32) };
}

/** Whether frame table and trailer belong together. */
export function footerIsWhole(footer: Uint8Array): boolean {
  if (footer.byteLength < trailerBytes) return false;
  const view = new DataView(footer.buffer, footer.byteOffset, footer.byteLength);
  return view.getUint32(footer.byteLength - 4) === Bun.hash.crc32(footer.subarray(0, footer.byteLength - 4));
}

function putUint64(view: DataView, at: number, value: number): void {
  const high = (value / two32) | 0;
  view.setUint32(at, high);
  view.setUint32(at + 4, value - high * two32);
}

function getUint64(view: DataView, at: number): number {
  return view.getUint32(at) * two32 + view.getUint32(at + 4);
}
