import type { AccessLevel } from "#model/identity.ts";
import type { FileId } from "#model/ids.ts";
import { type LockRequest, rangeOf } from "../locks/index.ts";
import type { OpenRequest } from "./open-file.ts";

/** An open as it is kept beyond the server's life: docs/formats/open-records.md has the bytes. */
export interface OpenRecord {
  readonly instance: Uint8Array;
  readonly id: FileId;
  readonly request: OpenRequest;
  readonly timeoutMs: number;
  readonly locks: readonly LockRequest[];
  /** What the protocol keeps of it. */
  readonly protocol: Uint8Array;
}

const magic = 0x4e504f44;
const openRecordVersion = 1;
const headBytes = 12;
const word = 4_294_967_296;
const Flag = { deleteOnClose: 1, place: 2, caching: 4, key: 8, superuser: 16, directory: 32, anonymous: 64, parentKey: 128 } as const;

export function encodeOpenRecord({ instance, id, request, timeoutMs, locks, protocol }: OpenRecord): Uint8Array {
  const w = new Out();
  const { who, place, caching, parentKey } = request;
  w.bytes(instance);
  w.u64(id);
  w.u32(request.access);
  w.u32(request.sharing);
  w.u32(timeoutMs);
  w.u32(who.uid);
  w.u32(who.gid);
  w.text(who.access);
  w.u32(who.groups.length);
  for (const group of who.groups) w.u32(group);
  if (place !== null) {
    w.u64(place.parent);
    w.text(place.name);
  }
  if (caching !== null) {
    w.u32(caching.state);
    w.u32(caching.epoch);
    if (caching.key !== null) w.bytes(Buffer.from(caching.key, "latin1"));
  }
  if (parentKey !== null) w.bytes(Buffer.from(parentKey, "latin1"));
  w.u32(locks.length);
  for (const { range, exclusive } of locks) {
    w.u32(range.startHigh);
    w.u32(range.startLow);
    const borrow = range.endLow < range.startLow ? 1 : 0;
    w.u32(range.endHigh - range.startHigh - borrow);
    w.u32(range.endLow - range.startLow + borrow * word);
    w.u32(exclusive ? 1 : 0);
  }
  w.bytes(protocol);
  return withHead(w.all(), flagsOf(request));
}

function flagsOf({ deleteOnClose, place, caching, who, directory, parentKey }: OpenRequest): number {
  return (
    (deleteOnClose ? Flag.deleteOnClose : 0) |
    (place === null ? 0 : Flag.place) |
    (caching === null ? 0 : Flag.caching) |
    (caching === null || caching.key === null ? 0 : Flag.key) |
    (who.superuser ? Flag.superuser : 0) |
    (directory ? Flag.directory : 0) |
    (who.anonymous === true ? Flag.anonymous : 0) |
    (parentKey === null ? 0 : Flag.parentKey)
  );
}

function withHead(body: Uint8Array, flags: number): Uint8Array {
  const record = new Uint8Array(headBytes + body.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, magic, true);
  view.setUint16(4, openRecordVersion, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, checksum(record.subarray(0, 8), body), true);
  record.set(body, headBytes);
  return record;
}

function checksum(head: Uint8Array, body: Uint8Array): number {
  return Bun.hash.crc32(body, Bun.hash.crc32(head));
}

/** Why a record can't be used, in words; or the record. */
export function decodeOpenRecord(b: Uint8Array): OpenRecord | string {
  if (b.length < headBytes) return "it is cut";
  const view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  if (view.getUint32(0, true) !== magic) return "it is no record of an open file";
  const version = view.getUint16(4, true);
  if (version !== openRecordVersion) return `it is of version ${version}, and this server knows version ${openRecordVersion}`;
  const body = b.subarray(headBytes);
  if (view.getUint32(8, true) !== checksum(b.subarray(0, 8), body)) return "its checksum is wrong";
  try {
    return decodeBody(new In(body), view.getUint16(6, true));
  } catch (error) {
    if (error instanceof RangeError) return "it is shorter than what it says of itself";
    throw error;
  }
}

function decodeBody(r: In, flags: number): OpenRecord {
  const instance = r.bytes();
  const id = r.u64() as FileId;
  const [access, sharing, timeoutMs, uid, gid] = [r.u32(), r.u32(), r.u32(), r.u32(), r.u32()];
  const level = r.text() as AccessLevel;
  const groups = Array.from({ length: r.count(4) }, () => r.u32());
  const place = (flags & Flag.place) === 0 ? null : { parent: r.u64() as FileId, name: r.text() };
  const caching = (flags & Flag.caching) === 0 ? null : { state: r.u32(), epoch: r.u32(), key: (flags & Flag.key) === 0 ? null : r.latin1() };
  const parentKey = (flags & Flag.parentKey) === 0 ? null : r.latin1();
  const locks: LockRequest[] = [];
  for (let left = r.count(20); left > 0; left--) {
    const range = rangeOf(r.u32(), r.u32(), r.u32(), r.u32());
    const exclusive = r.u32() !== 0;
    if (range !== null) locks.push({ range, exclusive });
  }
  const who = { uid, gid, groups, superuser: (flags & Flag.superuser) !== 0, access: level, ...((flags & Flag.anonymous) === 0 ? {} : { anonymous: true as const }) };
  const directory = (flags & Flag.directory) !== 0;
  const deleteOnClose = (flags & Flag.deleteOnClose) !== 0;
  const request = { who, access, momentary: 0, sharing, place, directory, overwrites: false, deleteOnClose, caching, parentKey, retried: false };
  return { instance, id, request, timeoutMs, locks, protocol: r.bytes() };
}

/** Little-endian fields, one after the other; byte strings with their length before them. */
class Out {
  private readonly parts: Uint8Array[] = [];

  u32(value: number): void {
    const part = new Uint8Array(4);
    new DataView(part.buffer).setUint32(0, value, true);
    this.parts.push(part);
  }
  u64(value: number): void {
    this.u32(value % word);
    this.u32(Math.floor(value / word));
  }
  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.parts.push(value);
  }
  text(value: string): void {
    this.bytes(Buffer.from(value, "utf8"));
  }
  all(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}

class In {
  private readonly b: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(b: Uint8Array) {
    this.b = b;
    this.view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  }

  u32(): number {
    const value = this.view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }
  u64(): number {
    const low = this.u32();
    return this.u32() * word + low;
  }
  /** How many items of at least so many bytes follow. */
  count(itemBytes: number): number {
    const count = this.u32();
    if (count * itemBytes > this.b.length - this.at) throw new RangeError("cut");
    return count;
  }
  bytes(): Uint8Array {
    const length = this.count(1);
    this.at += length;
    return this.b.slice(this.at - length, this.at);
  }
  text(): string {
    return Buffer.from(this.bytes()).toString("utf8");
  }
  latin1(): string {
    return Buffer.from(this.bytes()).toString("latin1");
  }
}
