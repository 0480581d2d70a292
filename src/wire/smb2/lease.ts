import { i32, type LeWriter, u16, u32 } from "../le.ts";
import { headerBytes } from "./header.ts";

/** Leases in CREATE (MS-SMB2 2.2.13.2.8, 2.2.13.2.10, 2.2.14.2.10, 2.2.14.2.11), breaks of oplocks and leases (2.2.23, 2.2.24, 2.2.25). */
export const leaseContextName = "RqLs";
const leaseKeyBytes = 16;
export const LeaseFlag = { BREAK_IN_PROGRESS: 0x2, PARENT_KEY_SET: 0x4 } as const;

const version1Bytes = 32;
const version2Bytes = 52;
const oplockBreakBytes = 24;
const leaseAckBytes = 36;
const leaseBreakBytes = 44;
const breakAckRequired = 1;

export interface LeaseContext {
  readonly version: 1 | 2;
  readonly key: Uint8Array;
  readonly state: number;
  /** Of version 2, where the request has one. */
  readonly parentKey: Uint8Array | null;
  readonly epoch: number;
}

/** What a lease context asks for, keys copied; null where it is malformed. */
export function decodeLeaseContext(b: Uint8Array): LeaseContext | null {
  if (b.length !== version1Bytes && b.length !== version2Bytes) return null;
  const version = b.length === version2Bytes ? 2 : 1;
  const hasParent = version === 2 && (i32(b, 20) & LeaseFlag.PARENT_KEY_SET) !== 0;
  return { version, key: b.slice(0, leaseKeyBytes), state: u32(b, 16), parentKey: hasParent ? b.slice(32, 48) : null, epoch: version === 2 ? u16(b, 48) : 0 };
}

export function encodeLeaseContext(lease: LeaseContext, flags: number): Uint8Array {
  const b = new Uint8Array(lease.version === 2 ? version2Bytes : version1Bytes);
  const view = new DataView(b.buffer);
  b.set(lease.key, 0);
  view.setUint32(16, lease.state, true);
  if (lease.version === 1) {
    view.setUint32(20, flags, true);
    return b;
  }
  view.setUint32(20, flags | (lease.parentKey === null ? 0 : LeaseFlag.PARENT_KEY_SET), true);
  if (lease.parentKey !== null) b.set(lease.parentKey, 32);
  view.setUint16(48, lease.epoch, true);
  return b;
}

/** An acknowledgement of an oplock break, or of a lease's. */
export type BreakAck =
  | { readonly kind: "oplock"; readonly level: number; readonly fileIdAt: number }
  | { readonly kind: "lease"; readonly key: Uint8Array; readonly state: number };

export function decodeBreakAck(b: Uint8Array, base: number, end: number): BreakAck | null {
  const at = base + headerBytes;
  const length = end - at;
  if (length >= oplockBreakBytes && u16(b, at) === oplockBreakBytes) return { kind: "oplock", level: b[at + 2]!, fileIdAt: at + 8 };
  if (length >= leaseAckBytes && u16(b, at) === leaseAckBytes) return { kind: "lease", key: b.slice(at + 8, at + 24), state: u32(b, at + 24) };
  return null;
}

/** The break of an oplock, and the answer to its acknowledgement. */
export function encodeOplockBreak(w: LeWriter, level: number, fileId: Uint8Array): void {
  w.reserve(oplockBreakBytes);
  w.u16(oplockBreakBytes);
  w.u8(level);
  w.zeros(5);
  w.raw(fileId);
}

export function encodeLeaseAnswer(w: LeWriter, key: Uint8Array, state: number): void {
  w.reserve(leaseAckBytes);
  w.u16(leaseAckBytes);
  w.zeros(6);
  w.raw(key);
  w.u32(state);
  w.zeros(8);
}

export function encodeLeaseBreak(w: LeWriter, epoch: number, acknowledged: boolean, key: Uint8Array, from: number, to: number): void {
  w.reserve(leaseBreakBytes);
  w.u16(leaseBreakBytes);
  w.u16(epoch);
  w.u32(acknowledged ? breakAckRequired : 0);
  w.raw(key);
  w.u32(from);
  w.u32(to);
  w.zeros(12);
}
