import { u16, u32, utf16 } from "../le.ts";

/** REPARSE_DATA_BUFFER (MS-FSCC 2.1.2) and the error data of a path that meets a symbolic link (MS-SMB2 2.2.2.2.1). */

export const ReparseTag = {
  SYMLINK: 0xa000000c,
  MOUNT_POINT: 0xa0000003,
  /** What NFS made and Windows has none of: devices, sockets, fifos (MS-FSCC 2.1.2.6). */
  NFS: 0x80000014,
} as const;

const relativeFlag = 1;
const headBytes = 8;
const symlinkFixedBytes = 12;
/** Longest reparse data (MS-FSCC 2.1.2.1, MAXIMUM_REPARSE_DATA_BUFFER_SIZE). */
export const reparseBytesMax = 16 * 1024;
/** A tag that is no Microsoft one is followed by a GUID. */
const microsoftTag = 0x80000000;

export interface ReparsePoint {
  readonly tag: number;
  /** Behind the head. */
  readonly data: Uint8Array;
}

/** A reparse buffer as a client sets it; null where it is none. */
export function decodeReparse(input: Uint8Array): ReparsePoint | null {
  if (input.length < headBytes || input.length > reparseBytesMax) return null;
  const tag = u32(input, 0);
  const length = u16(input, 4);
  const guidBytes = (tag & microsoftTag) === 0 ? 16 : 0;
  return input.length !== headBytes + guidBytes + length ? null : { tag, data: input.subarray(headBytes) };
}

export interface SymlinkTarget {
  readonly target: string;
  readonly relative: boolean;
}

/** The target a symbolic link's reparse data names, parts separated by backslashes; null: malformed. */
export function decodeSymlink({ data }: ReparsePoint): SymlinkTarget | null {
  if (data.length < symlinkFixedBytes) return null;
  const offset = u16(data, 0);
  const length = u16(data, 2);
  if (length === 0 || length % 2 !== 0 || symlinkFixedBytes + offset + length > data.length) return null;
  return { target: utf16(data, symlinkFixedBytes + offset, length), relative: (u32(data, 8) & relativeFlag) !== 0 };
}

/** A symbolic link's reparse buffer. The substitute name is the print name. */
export function encodeSymlink({ target, relative }: SymlinkTarget): Uint8Array {
  const name = Buffer.from(target, "utf16le");
  const out = new Uint8Array(headBytes + symlinkFixedBytes + name.length * 2);
  putHead(out, 0, ReparseTag.SYMLINK, symlinkFixedBytes + name.length * 2);
  putNames(out, headBytes, name, relative);
  return out;
}

const nfsTypes = { character: 0x00524843, block: 0x004b4c42, fifo: 0x4f464946, socket: 0x4b434f53 } as const;

/** A reparse buffer of a device, socket or fifo. */
export function encodeNfsNode(type: keyof typeof nfsTypes, major: number, minor: number): Uint8Array {
  const device = type === "character" || type === "block";
  const out = new Uint8Array(headBytes + 8 + (device ? 8 : 0));
  putHead(out, 0, ReparseTag.NFS, out.length - headBytes);
  const view = new DataView(out.buffer);
  view.setUint32(headBytes, nfsTypes[type], true);
  // The type is 8 bytes of ASCII, of which the device types have the first three.
  if (!device) return out;
  view.setUint32(headBytes + 8, major, true);
  view.setUint32(headBytes + 12, minor, true);
  return out;
}

const stoppedSignature = 0x4c4d5953;

/** SYMLINK_ERROR_RESPONSE: `unparsedBytes` is what of the path is behind the link, in bytes. */
export function encodeStopped(link: SymlinkTarget, unparsedBytes: number): Uint8Array {
  const name = Buffer.from(link.target, "utf16le");
  const fixed = 16;
  const out = new Uint8Array(fixed + symlinkFixedBytes + name.length * 2);
  const view = new DataView(out.buffer);
  view.setUint32(0, out.length - 4, true);
  view.setUint32(4, stoppedSignature, true);
  putHead(out, 8, ReparseTag.SYMLINK, symlinkFixedBytes + name.length * 2);
  view.setUint16(14, unparsedBytes, true);
  putNames(out, fixed, name, link.relative);
  return out;
}

function putHead(out: Uint8Array, at: number, tag: number, length: number): void {
  const view = new DataView(out.buffer);
  view.setUint32(at, tag, true);
  view.setUint16(at + 4, length, true);
}

/** The name twice: as it is used, and as it is shown. */
function putNames(out: Uint8Array, at: number, name: Uint8Array, relative: boolean): void {
  const view = new DataView(out.buffer);
  view.setUint16(at, 0, true);
  view.setUint16(at + 2, name.length, true);
  view.setUint16(at + 4, name.length, true);
  view.setUint16(at + 6, name.length, true);
  view.setUint32(at + 8, relative ? relativeFlag : 0, true);
  out.set(name, at + symlinkFixedBytes);
  out.set(name, at + symlinkFixedBytes + name.length);
}
