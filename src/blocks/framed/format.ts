/*
 * A framed object (docs/formats/framed-object.md; all integers big-endian):
 *
 *      0     head, 2048 bytes:
 *          0   8  magic "DFSFRMS\n"
 *          8   2  format version
 *         10   1  compression: 0 none, 1 zstd
 *         11   1  encryption: 0 none, 1 AES-256-GCM
 *         12   4  payload bytes in a frame, a power of two
 *         16   8  payload bytes
 *         24  16  id of the key-encryption key; zero without encryption
 *         40  60  data key, wrapped: nonce 12, ciphertext 32, tag 16; zero without encryption
 *        100  12  zero
 *        112  4n  with compression, of each frame: its stored bytes, and in the highest bit whether it is compressed
 *             ..  zero
 *       2032  16  with encryption a tag over the head, else twelve zeros and a CRC-32
 *   2048     frames one after another, each followed by a tag of 16 bytes where the object is encrypted
 *
 * The head is as long for every object, so that one small read tells where any range lies.
 */
import { assert } from "#base/assert.ts";
import { DamagedObjectError } from "#model/block-store.ts";

export const headBytes = 2048;
export const tagBytes = 16;
export const wrappedKeyBytes = 60;
const formatVersion = 1;

/** The frame of a pack, so that what is asked for frame by frame is one frame here. */
const frameBytesMin = 64 * 1024;
const frameBytesMax = 16 * 1024 * 1024;
const indexAt = 112;
const sealAt = headBytes - tagBytes;
/** What a head has room for in its index. */
const framesMax = (sealAt - indexAt) / 4;
const compressedBit = 0x8000_0000;
const magic = new TextEncoder().encode("DFSFRMS\n");
const two32 = 4294967296;

/** Where the frames of an object lie, and what was done with them. */
export interface Layout {
  readonly payloadBytes: number;
  readonly frameBytes: number;
  readonly encrypted: boolean;
  /** Stored bytes of each frame without its tag, negative where they are compressed; null: as they are, all of them. */
  readonly index: Int32Array | null;
}

/** The frames of an object with so much payload. */
export function frameBytesFor(payloadBytes: number): number {
  let bytes = frameBytesMin;
  while (Math.ceil(payloadBytes / bytes) > framesMax) bytes *= 2;
  return bytes;
}

export function frameCount({ payloadBytes, frameBytes }: Layout): number {
  return Math.ceil(payloadBytes / frameBytes);
}

/** Payload bytes of one frame: the last is as long as it is. */
export function framePayload({ payloadBytes, frameBytes }: Layout, frame: number): number {
  return Math.min(frameBytes, payloadBytes - frame * frameBytes);
}

/** Bytes that a frame takes in the object, its tag included. */
export function frameStored(layout: Layout, frame: number): number {
  const bytes = layout.index === null ? framePayload(layout, frame) : Math.abs(layout.index[frame] as number);
  return layout.encrypted ? bytes + tagBytes : bytes;
}

export function isCompressed({ index }: Layout, frame: number): boolean {
  return index !== null && (index[frame] as number) < 0;
}

/** Where a frame begins in the object; that of the frame behind the last is the object's end. */
export function frameOffset(layout: Layout, frame: number): number {
  const tags = layout.encrypted ? frame * tagBytes : 0;
  if (layout.index === null) return headBytes + Math.min(frame * layout.frameBytes, layout.payloadBytes) + tags;
  let at = headBytes + tags;
  for (let i = 0; i < frame; i++) at += Math.abs(layout.index[i] as number);
  return at;
}

/** A head without its seal, into the beginning of `object`. */
export function writeHead(object: Uint8Array, layout: Layout, key: { readonly id: Uint8Array; readonly wrapped: Uint8Array } | null): void {
  assert(frameCount(layout) <= framesMax, "an object has more frames than its head has room for");
  const view = new DataView(object.buffer, object.byteOffset, headBytes);
  object.fill(0, 0, headBytes);
  object.set(magic, 0);
  view.setUint16(8, formatVersion);
  view.setUint8(10, layout.index === null ? 0 : 1);
  view.setUint8(11, layout.encrypted ? 1 : 0);
  view.setUint32(12, layout.frameBytes);
  const high = Math.floor(layout.payloadBytes / two32);
  view.setUint32(16, high);
  view.setUint32(20, layout.payloadBytes - high * two32);
  if (key !== null) {
    object.set(key.id, 24);
    object.set(key.wrapped, 40);
  }
  if (layout.index === null) return;
  for (let i = 0; i < layout.index.length; i++) {
    const bytes = layout.index[i] as number;
    view.setUint32(indexAt + i * 4, bytes < 0 ? (-bytes | compressedBit) >>> 0 : bytes);
  }
}

/** What is bound to the data key before the rest of the head is known: all that says what kind of object it is. */
export function headBeginning(head: Uint8Array): Uint8Array {
  return head.subarray(0, 24);
}

/** All of a head but its seal, and the seal. */
export function headParts(head: Uint8Array): { readonly sealed: Uint8Array; readonly seal: Uint8Array } {
  return { sealed: head.subarray(0, sealAt), seal: head.subarray(sealAt, headBytes) };
}

/** The seal of an object that isn't encrypted: it tells damage, no more. */
export function writeChecksum(head: Uint8Array): void {
  new DataView(head.buffer, head.byteOffset, headBytes).setUint32(headBytes - 4, Bun.hash.crc32(head.subarray(0, headBytes - 4)));
}

/** Bytes that tell a framed object, which it begins with. */
export const magicBytes = magic.length;

export function beginsFramed(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

export interface Head {
  readonly layout: Layout;
  /** Null where it isn't encrypted. */
  readonly key: { readonly id: Uint8Array; readonly wrapped: Uint8Array } | null;
}

/** Reads a head, its seal aside. Throws DamagedObjectError; another Error for a newer format. */
export function readHead(head: Uint8Array, object: string): Head {
  const damaged = (what: string) => new DamagedObjectError(`object ${object} is damaged: ${what}`);
  if (!beginsFramed(head)) throw damaged("it doesn't begin as a framed object does");
  const view = new DataView(head.buffer, head.byteOffset, headBytes);
  const version = view.getUint16(8);
  if (version > formatVersion) throw new Error(`object ${object} has format ${version}, newer than ${formatVersion}, the newest this program knows: use the program that wrote it`);
  const encrypted = view.getUint8(11) === 1;
  if (version === 0 || view.getUint8(10) > 1 || view.getUint8(11) > 1) throw damaged("its head names a compression or encryption that there is not");
  if (!encrypted && view.getUint32(headBytes - 4) !== Bun.hash.crc32(head.subarray(0, headBytes - 4))) throw damaged("the checksum of its head is wrong");
  const frameBytes = view.getUint32(12);
  const payloadBytes = view.getUint32(16) * two32 + view.getUint32(20);
  const sized = frameBytes >= frameBytesMin && frameBytes <= frameBytesMax && (frameBytes & (frameBytes - 1)) === 0;
  if (!sized || Math.ceil(payloadBytes / frameBytes) > framesMax) throw damaged("its head speaks of impossible sizes");
  const plain: Layout = { payloadBytes, frameBytes, encrypted, index: null };
  const layout = view.getUint8(10) === 0 ? plain : { ...plain, index: readIndex(view, plain) };
  if (layout.index === undefined) throw damaged("its index speaks of impossible sizes");
  return { layout: layout as Layout, key: encrypted ? { id: head.slice(24, 40), wrapped: head.slice(40, 100) } : null };
}

function readIndex(view: DataView, plain: Layout): Int32Array | undefined {
  const index = new Int32Array(frameCount(plain));
  for (let i = 0; i < index.length; i++) {
    const entry = view.getUint32(indexAt + i * 4);
    const bytes = entry & ~compressedBit;
    const compressed = entry >= compressedBit;
    if (compressed ? bytes === 0 || bytes >= framePayload(plain, i) : bytes !== framePayload(plain, i)) return undefined;
    index[i] = compressed ? -bytes : bytes;
  }
  return index;
}
