import type { Time } from "#base/time.ts";
import { encodeFileTime } from "../filetime.ts";
import { type LeWriter, u16, u32, utf16 } from "../le.ts";
import { headerBytes } from "./header.ts";
import { lies, variable } from "./session.ts";

/** CREATE (MS-SMB2 2.2.13, 2.2.14) and CLOSE (2.2.15, 2.2.16). */
export const OplockLevel = { NONE: 0, II: 1, EXCLUSIVE: 8, BATCH: 9, LEASE: 0xff } as const;
export const Disposition = { SUPERSEDE: 0, OPEN: 1, CREATE: 2, OPEN_IF: 3, OVERWRITE: 4, OVERWRITE_IF: 5 } as const;
export const dispositionMax = 5;
export const CreateAction = { SUPERSEDED: 0, OPENED: 1, CREATED: 2, OVERWRITTEN: 3 } as const;
export type CreateAction = (typeof CreateAction)[keyof typeof CreateAction];
export const ShareAccess = { READ: 1, WRITE: 2, DELETE: 4 } as const;

export const CreateOption = {
  DIRECTORY_FILE: 0x1,
  WRITE_THROUGH: 0x2,
  SEQUENTIAL_ONLY: 0x4,
  NO_INTERMEDIATE_BUFFERING: 0x8,
  SYNCHRONOUS_IO_ALERT: 0x10,
  SYNCHRONOUS_IO_NONALERT: 0x20,
  NON_DIRECTORY_FILE: 0x40,
  COMPLETE_IF_OPLOCKED: 0x100,
  NO_EA_KNOWLEDGE: 0x200,
  RANDOM_ACCESS: 0x800,
  DELETE_ON_CLOSE: 0x1000,
  OPEN_BY_FILE_ID: 0x2000,
  OPEN_FOR_BACKUP_INTENT: 0x4000,
  NO_COMPRESSION: 0x8000,
  OPEN_REPARSE_POINT: 0x200000,
} as const;

/** Access rights (MS-SMB2 2.2.13.1, MS-DTYP 2.4.3). */
export const AccessMask = {
  READ_DATA: 0x1,
  WRITE_DATA: 0x2,
  APPEND_DATA: 0x4,
  READ_EA: 0x8,
  WRITE_EA: 0x10,
  EXECUTE: 0x20,
  DELETE_CHILD: 0x40,
  READ_ATTRIBUTES: 0x80,
  WRITE_ATTRIBUTES: 0x100,
  DELETE: 0x10000,
  READ_CONTROL: 0x20000,
  WRITE_DAC: 0x40000,
  WRITE_OWNER: 0x80000,
  SYNCHRONIZE: 0x100000,
  ACCESS_SYSTEM_SECURITY: 0x1000000,
  MAXIMUM_ALLOWED: 0x2000000,
  GENERIC_ALL: 0x10000000,
  GENERIC_EXECUTE: 0x20000000,
  GENERIC_WRITE: 0x40000000,
  GENERIC_READ: 0x80000000,
} as const;

const requestBytes = 56;
/** Longest name of a CREATE: 32,767 units, as Windows has it. */
const nameBytesMax = 65_534;
const contextsMax = 32;
const contextNameBytesMin = 4;

export interface CreateContext {
  /** As latin1: "MxAc", or the 16 bytes of a GUID. */
  readonly name: string;
  readonly data: Uint8Array;
}

export interface CreateRequest {
  readonly oplock: number;
  readonly impersonation: number;
  readonly desiredAccess: number;
  readonly attributes: number;
  readonly shareAccess: number;
  readonly disposition: number;
  readonly options: number;
  /** Parts separated by backslashes; "" is the share's root. */
  readonly name: string;
  readonly contexts: readonly CreateContext[];
}

/** A CREATE request; null where it is malformed. Data of contexts are views of the message. */
export function decodeCreate(b: Uint8Array, base: number, end: number): CreateRequest | null {
  const at = base + headerBytes;
  if (end - at < requestBytes || u16(b, at) !== requestBytes + 1) return null;
  const nameLength = u16(b, at + 46);
  const nameOffset = u16(b, at + 44);
  if (nameLength % 2 !== 0 || nameLength > nameBytesMax || !lies(base, end, nameOffset, nameLength)) return null;
  const contexts = decodeCreateContexts(b, base, end, u32(b, at + 48), u32(b, at + 52));
  if (contexts === null) return null;
  return {
    oplock: b[at + 3]!,
    impersonation: u32(b, at + 4),
    desiredAccess: u32(b, at + 24),
    attributes: u32(b, at + 28),
    shareAccess: u32(b, at + 32),
    disposition: u32(b, at + 36),
    options: u32(b, at + 40),
    name: nameLength === 0 ? "" : utf16(b, base + nameOffset, nameLength),
    contexts,
  };
}

const noContexts: readonly CreateContext[] = [];

function decodeCreateContexts(b: Uint8Array, base: number, end: number, offset: number, length: number): readonly CreateContext[] | null {
  if (length === 0) return noContexts;
  const all = variable(b, base, end, offset, length);
  if (all === null) return null;
  const contexts: CreateContext[] = [];
  // `next` always leads on: a chain that goes back or stands still ends here.
  for (let at = 0; contexts.length < contextsMax; ) {
    if (all.length - at < 16) return null;
    const next = u32(all, at);
    const limit = next === 0 ? all.length : at + next;
    if (limit > all.length || (next !== 0 && (next < 16 || next % 8 !== 0))) return null;
    const nameAt = at + u16(all, at + 4);
    const nameLength = u16(all, at + 6);
    const dataLength = u32(all, at + 12);
    const dataAt = at + u16(all, at + 10);
    if (nameLength < contextNameBytesMin || nameAt + nameLength > limit || (dataLength > 0 && dataAt + dataLength > limit)) return null;
    const name = Buffer.from(all.buffer, all.byteOffset + nameAt, nameLength).toString("latin1");
    contexts.push({ name, data: dataLength === 0 ? all.subarray(0, 0) : all.subarray(dataAt, dataAt + dataLength) });
    if (next === 0) return contexts;
    at = limit;
  }
  return null;
}

/** What CREATE and CLOSE say of a file, and FileNetworkOpenInformation too. */
export interface OpenedFile {
  readonly creationTime: Time;
  readonly accessTime: Time;
  readonly writeTime: Time;
  readonly changeTime: Time;
  readonly allocationBytes: number;
  readonly endOfFile: number;
  readonly attributes: number;
}

function encodeFile(w: LeWriter, file: OpenedFile): void {
  encodeFileTime(w, file.creationTime);
  encodeFileTime(w, file.accessTime);
  encodeFileTime(w, file.writeTime);
  encodeFileTime(w, file.changeTime);
  w.u64(file.allocationBytes);
  w.u64(file.endOfFile);
  w.u32(file.attributes);
}

/** An open's id (MS-SMB2 2.2.14.1) as signed 32-bit words. */
export interface FileIdWords {
  readonly persistentLow: number;
  readonly persistentHigh: number;
  readonly volatileLow: number;
  readonly volatileHigh: number;
}

const answerBytes = 88;

export function encodeCreate(
  w: LeWriter,
  base: number,
  oplock: number,
  action: number,
  file: OpenedFile,
  fileId: FileIdWords,
  contexts: readonly CreateContext[],
): void {
  w.reserve(answerBytes);
  const at = w.at;
  w.u16(answerBytes + 1);
  w.u8(oplock);
  w.u8(0);
  w.u32(action);
  encodeFile(w, file);
  w.u32(0);
  w.u32(fileId.persistentLow);
  w.u32(fileId.persistentHigh);
  w.u32(fileId.volatileLow);
  w.u32(fileId.volatileHigh);
  w.zeros(8);
  if (contexts.length === 0) return;
  w.setU32(at + 80, w.at - base);
  const from = w.at;
  for (let i = 0; i < contexts.length; i++) encodeContext(w, contexts[i]!, i === contexts.length - 1);
  w.setU32(at + 84, w.at - from);
}

function encodeContext(w: LeWriter, context: CreateContext, last: boolean): void {
  const name = Buffer.from(context.name, "latin1");
  w.reserve(32 + name.length);
  const at = w.at;
  w.u32(0);
  w.u16(16);
  w.u16(name.length);
  w.u16(0);
  w.u16(0);
  w.u32(context.data.length);
  w.raw(name);
  if (context.data.length > 0) {
    w.align(8, at);
    w.setU16(at + 10, w.at - at);
    w.raw(context.data);
  }
  if (last) return;
  w.align(8, at);
  w.setU32(at, w.at - at);
}

/** CLOSE's flag: the answer carries the file's attributes. */
export const closePostQueryAttributes = 1;
const closeBytes = 24;

/** Flags of a CLOSE, or -1 where it is malformed; the file id stands at `fileIdAt`. */
export function decodeClose(b: Uint8Array, base: number, end: number): number {
  const at = base + headerBytes;
  return end - at < closeBytes || u16(b, at) !== closeBytes ? -1 : u16(b, at + 2);
}

/** `file` null: none was asked for. */
export function encodeClose(w: LeWriter, file: OpenedFile | null): void {
  w.reserve(60);
  w.u16(60);
  w.u16(file === null ? 0 : closePostQueryAttributes);
  w.u32(0);
  if (file === null) w.zeros(52);
  else encodeFile(w, file);
}
