import { Ace, SdControl, type SecurityDescriptor, type Sid } from "./acl.ts";

/*
 * Self-relative security descriptors (MS-DTYP 2.4.6), as clients send them and as they are stored; little-endian.
 *
 *   offset  size  field
 *        0     1  revision, 1
 *        1     1  zero
 *        2     2  control
 *        4     4  offset of the owner's SID, 0: none
 *        8     4  offset of the group's SID, 0: none
 *       12     4  offset of the system ACL, 0: none
 *       16     4  offset of the discretionary ACL, 0: none
 *
 * ACL: revision 2 or 4 (1), zero (1), bytes (2), entries (2), zero (2). Entry: type (1), flags (1), bytes (2), mask (4), SID, data.
 * SID: revision 1 (1), count of sub-authorities 0..15 (1), authority big-endian (6), sub-authorities (4 each).
 */

/** Longest descriptor that is read or stored. */
export const descriptorBytesMax = 65_536;
const headerBytes = 20;
const aclHeaderBytes = 8;
const aclBytesMax = 65_535;
const aceHeaderBytes = 8;
const sidHeaderBytes = 8;
const subAuthoritiesMax = 15;
const revision = 1;
const aclRevision = 2;
/** For entries that files have no use for and that only directories of users hold. */
const aclRevisionObjects = 4;
/** Entries of these types have GUIDs between mask and SID and make no sense for files. */
const objectTypes: ReadonlySet<number> = new Set([4, 5, 6, 7, 8, 11, 12, 15, 16]);
const twoTo32 = 4_294_967_296;

/** A descriptor; null where it is malformed. `bytes` may be reused. */
export function decodeSecurityDescriptor(bytes: Uint8Array): SecurityDescriptor | null {
  if (bytes.length < headerBytes || bytes.length > descriptorBytesMax || bytes[0] !== revision) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const control = view.getUint16(2, true);
  if ((control & SdControl.selfRelative) === 0) return null;
  const owner = sidFrom(bytes, view.getUint32(4, true));
  const group = sidFrom(bytes, view.getUint32(8, true));
  const sacl = (control & SdControl.saclPresent) === 0 ? null : aclFrom(bytes, view.getUint32(12, true));
  const dacl = (control & SdControl.daclPresent) === 0 ? null : aclFrom(bytes, view.getUint32(16, true));
  if (owner === undefined || group === undefined || sacl === undefined || dacl === undefined) return null;
  return { control, owner, group, dacl, sacl };
}

/** Null: there is none; undefined: it is malformed. */
function sidFrom(bytes: Uint8Array, at: number): Sid | null | undefined {
  if (at === 0) return null;
  return at < headerBytes ? undefined : decodeSid(bytes, at, bytes.length);
}

/** The SID at `at`, which ends before `end`; undefined where it is malformed. */
export function decodeSid(bytes: Uint8Array, at: number, end: number): Sid | undefined {
  if (at + sidHeaderBytes > end) return undefined;
  const count = bytes[at + 1]!;
  if (bytes[at] !== revision || count > subAuthoritiesMax || at + sidHeaderBytes + count * 4 > end) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const authority = view.getUint16(at + 2) * twoTo32 + view.getUint32(at + 4);
  let sid = `S-1-${authority < twoTo32 ? authority : `0x${authority.toString(16)}`}`;
  for (let i = 0; i < count; i++) sid += `-${view.getUint32(at + sidHeaderBytes + i * 4, true)}`;
  return sid;
}

function aclFrom(bytes: Uint8Array, at: number): readonly Ace[] | null | undefined {
  if (at === 0) return null;
  if (at < headerBytes || at + aclHeaderBytes > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = at + view.getUint16(at + 2, true);
  const count = view.getUint16(at + 4, true);
  if ((bytes[at] !== aclRevision && bytes[at] !== aclRevisionObjects) || end > bytes.length || end < at + aclHeaderBytes) return undefined;
  // So many would not fit: refused before room is made for them.
  if (count * (aceHeaderBytes + sidHeaderBytes) > end - at) return undefined;
  const aces: Ace[] = [];
  let from = at + aclHeaderBytes;
  for (let i = 0; i < count; i++) {
    if (from + aceHeaderBytes > end) return undefined;
    const length = view.getUint16(from + 2, true);
    if (length < aceHeaderBytes + sidHeaderBytes || from + length > end) return undefined;
    const ace = aceFrom(bytes, view, from, from + length);
    if (ace === undefined) return undefined;
    aces.push(ace);
    from += length;
  }
  return aces;
}

function aceFrom(bytes: Uint8Array, view: DataView, from: number, end: number): Ace | undefined {
  const type = bytes[from]!;
  if (objectTypes.has(type)) return undefined;
  const sid = decodeSid(bytes, from + aceHeaderBytes, end);
  if (sid === undefined) return undefined;
  const behind = from + aceHeaderBytes + sidHeaderBytes + bytes[from + aceHeaderBytes + 1]! * 4;
  return new Ace(type, bytes[from + 1]!, view.getUint32(from + 4, true), sid, behind < end ? bytes.slice(behind, end) : null);
}

export function sidBytes(sid: Sid): number {
  return sidHeaderBytes + (sid.split("-").length - 3) * 4;
}

/** Writes a SID as the codec reads them; gives where it ends. */
export function encodeSid(bytes: Uint8Array, at: number, sid: Sid): number {
  const parts = sid.split("-");
  const authority = Number(parts[2]);
  const count = parts.length - 3;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  bytes[at] = revision;
  bytes[at + 1] = count;
  view.setUint16(at + 2, Math.floor(authority / twoTo32));
  view.setUint32(at + 4, authority % twoTo32);
  for (let i = 0; i < count; i++) view.setUint32(at + sidHeaderBytes + i * 4, Number(parts[i + 3]), true);
  return at + sidHeaderBytes + count * 4;
}

function aceBytes(ace: Ace): number {
  return aceHeaderBytes + sidBytes(ace.sid) + (ace.data?.length ?? 0);
}

function aclBytes(aces: readonly Ace[]): number {
  let total = aclHeaderBytes;
  for (const ace of aces) total += aceBytes(ace);
  return total;
}

/** The bytes of a descriptor; null where a list of it is longer than a descriptor can hold. */
export function encodeSecurityDescriptor(descriptor: SecurityDescriptor): Uint8Array | null {
  const { owner, group, sacl, dacl } = descriptor;
  const saclLength = sacl === null ? 0 : aclBytes(sacl);
  const daclLength = dacl === null ? 0 : aclBytes(dacl);
  const total = headerBytes + (owner === null ? 0 : sidBytes(owner)) + (group === null ? 0 : sidBytes(group)) + saclLength + daclLength;
  if (saclLength > aclBytesMax || daclLength > aclBytesMax || total > descriptorBytesMax) return null;
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  bytes[0] = revision;
  view.setUint16(2, descriptor.control | SdControl.selfRelative, true);
  let at = headerBytes;
  if (sacl !== null) {
    view.setUint32(12, at, true);
    at = encodeAcl(bytes, view, at, sacl, saclLength);
  }
  if (dacl !== null) {
    view.setUint32(16, at, true);
    at = encodeAcl(bytes, view, at, dacl, daclLength);
  }
  if (owner !== null) {
    view.setUint32(4, at, true);
    at = encodeSid(bytes, at, owner);
  }
  if (group !== null) {
    view.setUint32(8, at, true);
    encodeSid(bytes, at, group);
  }
  return bytes;
}

function encodeAcl(bytes: Uint8Array, view: DataView, from: number, aces: readonly Ace[], length: number): number {
  bytes[from] = aclRevision;
  view.setUint16(from + 2, length, true);
  view.setUint16(from + 4, aces.length, true);
  let at = from + aclHeaderBytes;
  for (const ace of aces) {
    const end = at + aceBytes(ace);
    bytes[at] = ace.type;
    bytes[at + 1] = ace.flags;
    view.setUint16(at + 2, end - at, true);
    view.setUint32(at + 4, ace.mask, true);
    const behind = encodeSid(bytes, at + aceHeaderBytes, ace.sid);
    if (ace.data !== null) bytes.set(ace.data, behind);
    at = end;
  }
  return at;
}
