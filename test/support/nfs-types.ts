import type { XdrReader, XdrWriter } from "./xdr.ts";

/** The nouns of NFSv3 (RFC 1813 §2) as the tests speak it, and their XDR. */

export const Status = {
  ok: 0, perm: 1, noEntry: 2, io: 5, access: 13, exists: 17, crossDevice: 18, notDirectory: 20, isDirectory: 21, invalid: 22,
  fileTooBig: 27, noSpace: 28, readOnly: 30, tooManyLinks: 31, nameTooLong: 63, notEmpty: 66, quota: 69, stale: 70,
  badHandle: 10001, notSync: 10002, badCookie: 10003, notSupported: 10004, tooSmall: 10005, serverFault: 10006, badType: 10007,
  jukebox: 10008,
} as const; // prettier-ignore

export const Type = { regular: 1, directory: 2, block: 3, character: 4, symlink: 5, socket: 6, fifo: 7 } as const;
export const Stable = { unstable: 0, dataSync: 1, fileSync: 2 } as const;

/** A status other than NFS3_OK. */
export class NfsError extends Error {
  override readonly name = "NfsError";
  readonly status: number;
  constructor(procedure: string, status: number) {
    const known = Object.entries(Status).find(([, value]) => value === status)?.[0] ?? "unknown";
    super(`${procedure}: status ${status} (${known})`);
    this.status = status;
  }
}

export type Handle = Uint8Array;
export interface Timestamp {
  readonly sec: number;
  readonly nsec: number;
}
export interface Attributes {
  readonly type: number;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly used: number;
  readonly rdev: { readonly major: number; readonly minor: number };
  readonly fsid: bigint;
  readonly fileid: bigint;
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
  readonly ctime: Timestamp;
}
export interface SetAttributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number | bigint;
  readonly atime?: Timestamp | "server";
  readonly mtime?: Timestamp | "server";
}
export interface Wcc {
  readonly before: { readonly size: number; readonly mtime: Timestamp; readonly ctime: Timestamp } | null;
  readonly after: Attributes | null;
}
export interface DirectoryEntry {
  readonly fileid: bigint;
  readonly name: string;
  readonly nameBytes: Buffer;
  readonly cookie: bigint;
  readonly attributes: Attributes | null;
  readonly handle: Handle | null;
}
export interface DirectoryPage {
  readonly verifier: Buffer;
  readonly entries: DirectoryEntry[];
  readonly end: boolean;
}
export type Name = string | Uint8Array;

export function readTime(from: XdrReader): Timestamp {
  return { sec: from.uint32(), nsec: from.uint32() };
}

export function readAttributes(from: XdrReader): Attributes {
  return {
    type: from.uint32(), mode: from.uint32(), links: from.uint32(), uid: from.uint32(), gid: from.uint32(),
    size: from.size(), used: from.size(), rdev: { major: from.uint32(), minor: from.uint32() },
    fsid: from.uint64(), fileid: from.uint64(), atime: readTime(from), mtime: readTime(from), ctime: readTime(from),
  }; // prettier-ignore
}

export function readPostOp(from: XdrReader): Attributes | null {
  return from.bool() ? readAttributes(from) : null;
}

export function readWcc(from: XdrReader): Wcc {
  const before = from.bool() ? { size: from.size(), mtime: readTime(from), ctime: readTime(from) } : null;
  return { before, after: readPostOp(from) };
}

function writeSetTime(to: XdrWriter, time: Timestamp | "server" | undefined): void {
  if (time === undefined) to.uint32(0);
  else if (time === "server") to.uint32(1);
  else to.uint32(2).uint32(time.sec).uint32(time.nsec);
}

export function writeSetAttributes(to: XdrWriter, wanted: SetAttributes): void {
  for (const value of [wanted.mode, wanted.uid, wanted.gid]) value === undefined ? to.bool(false) : to.bool(true).uint32(value);
  wanted.size === undefined ? to.bool(false) : to.bool(true).uint64(wanted.size);
  writeSetTime(to, wanted.atime);
  writeSetTime(to, wanted.mtime);
}

export interface Created {
  readonly handle: Handle;
  readonly attributes: Attributes;
  readonly directory: Wcc;
}

export function readPage(reply: XdrReader, plus: boolean): DirectoryPage {
  readPostOp(reply);
  const verifier = Buffer.from(reply.fixed(8));
  const entries: DirectoryEntry[] = [];
  while (reply.bool()) {
    const fileid = reply.uint64();
    const nameBytes = reply.opaque(255);
    const cookie = reply.uint64();
    const attributes = plus ? readPostOp(reply) : null;
    const handle = plus && reply.bool() ? Buffer.from(reply.opaque(64)) : null;
    entries.push({ fileid, name: nameBytes.toString("utf8"), nameBytes, cookie, attributes, handle });
  }
  const end = reply.bool();
  reply.end();
  return { verifier, entries, end };
}

/** Resolves when the call fails with this status; throws when it succeeds or fails otherwise. */
export async function failsWith(status: number, call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (error instanceof NfsError && error.status === status) return;
    throw error;
  }
  throw new Error(`succeeded, but status ${status} was expected`);
}
