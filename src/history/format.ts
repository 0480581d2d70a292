import { Time } from "#base/time.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "./bytes.ts";

/*
 * Objects of a share's history (docs/formats/history.md). Each begins with
 *
 *   0   8  magic
 *   8   4  format version (little-endian)
 *  12   4  length of the head, these 20 bytes and its checksum included
 *  16   4  CRC-32 of the head behind here, up to its end
 *  20      the head, numbers as in bytes.ts
 *
 * and goes on with its parts, of which the head says length and CRC-32.
 */
/** Version 2 adds clones and punches to the content changes, holes to extents, and flags, extended attributes and streams to the metadata. */
const version = 2;
const fixedBytes = 20;
/** A head is read with one request of this length. */
export const headBytesMax = 2048;
export const tokenBytes = 16;
export const textBytesMax = 512;

const magics = { segment: "DFSHIST\n", manifest: "DFSMANI\n", share: "DFSSHAR\n", leaving: "DFSLEFT\n", ended: "DFSENDD\n" } as const;
export type ObjectKind = keyof typeof magics;

/** What of a history can't be read or believed; says which object, and what to do. */
export class HistoryError extends Error {
  override readonly name = "HistoryError";
}

function hex14(value: number): string {
  return value.toString(16).padStart(14, "0");
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Where a segment stands: the epoch is the number of the segment by which its owner took the share. */
export interface Place {
  readonly epoch: number;
  readonly number: number;
}

export function historyPrefix(instance: string): string {
  return `${instance}/history/`;
}

export function segmentKey(instance: string, { epoch, number }: Place): string {
  return `${historyPrefix(instance)}${hex14(epoch)}/${hex14(number)}`;
}

export function snapshotPrefix(instance: string): string {
  return `${historyPrefix(instance)}snapshot/`;
}

export function chunkKey(instance: string, cut: Place, index: number): string {
  return `${snapshotPrefix(instance)}${hex14(cut.epoch)}-${hex14(cut.number)}/${index.toString(16).padStart(8, "0")}`;
}

export function manifestKey(instance: string, cut: Place): string {
  return `${snapshotPrefix(instance)}${hex14(cut.epoch)}-${hex14(cut.number)}/manifest`;
}

/** Every share that keeps its history in a store has an object here: by these the shares of a store are found. */
export const sharesPrefix = "shares/";
export const instancePattern = /^[0-9a-f]{16}$/;

export function shareKey(instance: string): string {
  return `${sharesPrefix}${instance}`;
}

const segmentName = /^([0-9a-f]{16})\/history\/([0-9a-f]{14})\/([0-9a-f]{14})$/;
const snapshotName = /^([0-9a-f]{16})\/history\/snapshot\/([0-9a-f]{14})-([0-9a-f]{14})\/([0-9a-f]{8}|manifest)$/;

export function parseSegmentKey(key: string): Place | null {
  const found = segmentName.exec(key);
  return found === null ? null : { epoch: Number.parseInt(found[2] as string, 16), number: Number.parseInt(found[3] as string, 16) };
}

export function parseSnapshotKey(key: string): { readonly cut: Place; readonly manifest: boolean } | null {
  const found = snapshotName.exec(key);
  if (found === null) return null;
  return { cut: { epoch: Number.parseInt(found[2] as string, 16), number: Number.parseInt(found[3] as string, 16) }, manifest: found[4] === "manifest" };
}

/** Who owns a share's history from a segment on. */
export interface Owner {
  /** 16 random bytes, new with every start of a server. */
  readonly token: Uint8Array;
  readonly host: string;
  readonly share: string;
  readonly since: Time;
}

/** A part of an object behind its head. */
export interface Part {
  readonly bytes: number;
  readonly crc: number;
}

/** The head of a segment. */
export interface SegmentHead {
  readonly kind: "changes" | "owner";
  readonly instance: string;
  readonly place: Place;
  readonly owner: Owner;
  /** Of an owner's segment: what came before is not gone on with, and a snapshot follows. */
  readonly anew: boolean;
  /** Transactions `firstTurn`..`lastTurn`; none where `lastTurn` is below. */
  readonly firstTurn: number;
  readonly lastTurn: number;
  /** The last content change of this segment or one before. */
  readonly lastSequence: number;
  /** The oldest content change that was not in a pack with its extents in the metadata, at the cut. */
  readonly oldestNeeded: number;
  /** The first segment with one that is needed. */
  readonly from: Place;
  /** The snapshot whose cut has this number is whole, and its manifest was put by whoever had the share still; 0: nothing is said. */
  readonly confirms: number;
  readonly turns: Part;
  readonly content: Part;
}

/** The head of a snapshot's manifest. */
export interface Manifest {
  readonly instance: string;
  /** The segment that ends with the moment of the snapshot. */
  readonly cut: Place;
  readonly turn: number;
  readonly share: string;
  readonly host: string;
  readonly at: Time;
  readonly bytes: number;
  readonly chunks: readonly { readonly bytes: number; readonly packed: number; readonly crc: number }[];
}

export function frame(kind: ObjectKind, head: ByteWriter): Uint8Array {
  const body = head.take();
  const bytes = new Uint8Array(fixedBytes + body.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 8; i++) bytes[i] = magics[kind].charCodeAt(i);
  view.setUint32(8, version, true);
  view.setUint32(12, bytes.length, true);
  bytes.set(body, fixedBytes);
  view.setUint32(16, Bun.hash.crc32(body), true);
  return bytes;
}

/** What an object begins with that a store which encrypts has put there (docs/formats/framed-object.md). */
const framedMagic = "DFSFRMS\n";

function begins(bytes: Uint8Array, magic: string): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[i] !== magic.charCodeAt(i)) return false;
  return true;
}

/** The head of an object of which `bytes` are the first; throws a HistoryError that names `key` where it is damaged or newer. */
export function unframe(kind: ObjectKind, bytes: Uint8Array, key: string): ByteReader {
  const damaged = (what: string) => new HistoryError(`object ${key} of the share's history is damaged (${what})`);
  if (bytes.length < fixedBytes) throw damaged("it is too short");
  if (begins(bytes, framedMagic)) throw new HistoryError(`object ${key} of the share's history is encrypted, and was read without: give the flags its store has (--encryption aes-256-gcm with --encryption-key-file or --encryption-key-env)`);
  if (!begins(bytes, magics[kind])) throw damaged(`it is no ${kind}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = view.getUint32(8, true);
  if (found > version) throw new HistoryError(`object ${key} has history format ${found}, newer than ${version}, the newest this program knows: use the program that wrote it`);
  const length = view.getUint32(12, true);
  if (length < fixedBytes || length > bytes.length) throw damaged("its head is cut");
  const head = bytes.subarray(fixedBytes, length);
  if (view.getUint32(16, true) !== Bun.hash.crc32(head)) throw damaged("its checksum is wrong");
  return new ByteReader(head);
}

/** Where the parts of an object begin. */
export function headLength(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(12, true);
}

export function reading<T>(key: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedBytes) throw new HistoryError(`object ${key} of the share's history is damaged (${error.message})`);
    throw error;
  }
}

function putPlace(out: ByteWriter, place: Place): void {
  out.uint(place.epoch);
  out.uint(place.number);
}

function getPlace(from: ByteReader): Place {
  return { epoch: from.uint(), number: from.uint() };
}

export function getTime(from: ByteReader): Time {
  return new Time(from.int(), from.uint());
}

function putPart(out: ByteWriter, part: Part): void {
  out.uint(part.bytes);
  out.uint(part.crc);
}

function getPart(from: ByteReader): Part {
  return { bytes: from.uint(), crc: from.uint() };
}

export function encodeSegmentHead(head: SegmentHead): Uint8Array {
  const out = new ByteWriter();
  out.byte(head.kind === "owner" ? (head.anew ? 3 : 2) : 1);
  out.raw(Buffer.from(head.instance, "hex"));
  putPlace(out, head.place);
  out.raw(head.owner.token);
  out.text(head.owner.host);
  out.text(head.owner.share);
  out.time(head.owner.since);
  out.uint(head.firstTurn);
  out.uint(head.lastTurn);
  out.uint(head.lastSequence);
  out.uint(head.oldestNeeded);
  putPlace(out, head.from);
  out.uint(head.confirms);
  putPart(out, head.turns);
  putPart(out, head.content);
  return frame("segment", out);
}

export function decodeSegmentHead(bytes: Uint8Array, key: string): SegmentHead {
  const from = unframe("segment", bytes, key);
  return reading(key, () => {
    const kind = from.byte();
    if (kind < 1 || kind > 3) throw new MalformedBytes(`there is no segment of kind ${kind}`);
    const instance = hexOf(from.raw(8));
    const place = getPlace(from);
    const owner = { token: from.raw(tokenBytes).slice(), host: from.text(textBytesMax), share: from.text(textBytesMax), since: getTime(from) };
    return {
      kind: kind === 1 ? "changes" : "owner", anew: kind === 3, instance, place, owner,
      firstTurn: from.uint(), lastTurn: from.uint(), lastSequence: from.uint(), oldestNeeded: from.uint(),
      from: getPlace(from), confirms: from.uint(), turns: getPart(from), content: getPart(from),
    };
  });
}

export function encodeManifest(m: Manifest): Uint8Array {
  const out = new ByteWriter();
  out.raw(Buffer.from(m.instance, "hex"));
  putPlace(out, m.cut);
  out.uint(m.turn);
  out.text(m.share);
  out.text(m.host);
  out.time(m.at);
  out.uint(m.bytes);
  out.uint(m.chunks.length);
  for (const chunk of m.chunks) {
    out.uint(chunk.bytes);
    out.uint(chunk.packed);
    out.uint(chunk.crc);
  }
  return frame("manifest", out);
}

export function decodeManifest(bytes: Uint8Array, key: string): Manifest {
  const from = unframe("manifest", bytes, key);
  return reading(key, () => {
    const head = { instance: hexOf(from.raw(8)), cut: getPlace(from), turn: from.uint(), share: from.text(textBytesMax), host: from.text(textBytesMax), at: getTime(from), bytes: from.uint() };
    const chunks: { bytes: number; packed: number; crc: number }[] = [];
    for (let left = from.uint(); left > 0; left--) chunks.push({ bytes: from.uint(), packed: from.uint(), crc: from.uint() });
    return { ...head, chunks };
  });
}

/** The object that says that a share keeps its history in this store. */
export function encodeShare(instance: string, share: string): Uint8Array {
  const out = new ByteWriter();
  out.raw(Buffer.from(instance, "hex"));
  out.text(share);
  return frame("share", out);
}
