import { i32, type LeWriter, u16, u32 } from "../le.ts";

/** SMB2 packet headers (MS-SMB2 2.2.1). */
export const headerBytes = 64;
/** 0xFE 'S' 'M' 'B', little-endian. */
export const smb2Magic = 0x424d53fe | 0;
/** 0xFF 'S' 'M' 'B': SMB1, of which only the multi-protocol NEGOTIATE is answered. */
export const smb1Magic = 0x424d53ff | 0;
/** 0xFD 'S' 'M' 'B': an encrypted message (MS-SMB2 2.2.41). */
export const transformMagic = 0x424d53fd | 0;

export const Command = {
  NEGOTIATE: 0,
  SESSION_SETUP: 1,
  LOGOFF: 2,
  TREE_CONNECT: 3,
  TREE_DISCONNECT: 4,
  CREATE: 5,
  CLOSE: 6,
  FLUSH: 7,
  READ: 8,
  WRITE: 9,
  LOCK: 10,
  IOCTL: 11,
  CANCEL: 12,
  ECHO: 13,
  QUERY_DIRECTORY: 14,
  CHANGE_NOTIFY: 15,
  QUERY_INFO: 16,
  SET_INFO: 17,
  OPLOCK_BREAK: 18,
} as const;
export type Command = (typeof Command)[keyof typeof Command];
export const commandsCount = 19;

const commandNames = Object.keys(Command);

/** As MS-SMB2 calls it; of a number that is none, the number. */
export function commandName(command: number): string {
  return commandNames[command] ?? `command ${command}`;
}

export const HeaderFlag = {
  SERVER_TO_REDIR: 0x1,
  ASYNC_COMMAND: 0x2,
  RELATED_OPERATIONS: 0x4,
  SIGNED: 0x8,
  PRIORITY_MASK: 0x70,
  DFS_OPERATIONS: 0x10000000,
  REPLAY_OPERATION: 0x20000000,
} as const;

/** Where the signature lies in a header. */
export const signatureAt = 48;
export const signatureBytes = 16;

/** A request's header. Reused: `decodeHeader` fills it. 64-bit ids are kept as two int32 halves: they are opaque. */
export class RequestHeader {
  creditCharge = 0;
  /** Of 3.x: how often the client lost a connection of the session. */
  channelSequence = 0;
  command = 0;
  creditRequest = 0;
  flags = 0;
  /** Bytes to the next request of the compound; 0: this is the last. */
  nextCommand = 0;
  messageIdLow = 0;
  messageIdHigh = 0;
  /** Of an asynchronous request (a CANCEL): where the ids below are not. */
  asyncIdLow = 0;
  asyncIdHigh = 0;
  treeId = 0;
  sessionIdLow = 0;
  sessionIdHigh = 0;
}

/** Fills `into` from the header at `at`; false where it is cut or no SMB2 header. */
export function decodeHeader(b: Uint8Array, at: number, end: number, into: RequestHeader): boolean {
  if (end - at < headerBytes || i32(b, at) !== smb2Magic || u16(b, at + 4) !== headerBytes) return false;
  into.creditCharge = u16(b, at + 6);
  into.channelSequence = u16(b, at + 8);
  into.command = u16(b, at + 12);
  into.creditRequest = u16(b, at + 14);
  into.flags = i32(b, at + 16);
  into.nextCommand = u32(b, at + 20);
  into.messageIdLow = i32(b, at + 24);
  into.messageIdHigh = i32(b, at + 28);
  into.asyncIdLow = i32(b, at + 32);
  into.asyncIdHigh = i32(b, at + 36);
  into.treeId = i32(b, at + 36);
  into.sessionIdLow = i32(b, at + 40);
  into.sessionIdHigh = i32(b, at + 44);
  return true;
}

/** Where in an answer's header the fields stand that are known only once its body is written, or change when it has to wait. */
export const statusAt = 8;
export const commandAt = 12;
export const creditsAt = 14;
export const flagsAt = 16;
export const nextCommandAt = 20;
export const messageIdAt = 24;
export const asyncIdAt = 32;
export const treeIdAt = 36;
export const sessionIdAt = 40;

/** An answer's header: `status`, next command and signature are zeros until set. */
export function encodeHeader(w: LeWriter, request: RequestHeader, credits: number, flags: number, treeId: number): void {
  w.reserve(headerBytes);
  w.u32(smb2Magic);
  w.u16(headerBytes);
  w.u16(request.creditCharge);
  w.u32(0);
  w.u16(request.command);
  w.u16(credits);
  w.u32(flags | HeaderFlag.SERVER_TO_REDIR);
  w.u32(0);
  w.u32(request.messageIdLow);
  w.u32(request.messageIdHigh);
  w.u32(0);
  w.u32(treeId);
  w.u32(request.sessionIdLow);
  w.u32(request.sessionIdHigh);
  w.zeros(signatureBytes);
}

/** The header of an encrypted message (MS-SMB2 2.2.41). */
export const transformHeaderBytes = 52;
export const transformNonceAt = 20;
/** What of it is authenticated: nonce up to its end. */
export const transformAadBytes = 32;

export interface TransformHeader {
  readonly originalBytes: number;
  readonly flags: number;
  readonly sessionIdLow: number;
  readonly sessionIdHigh: number;
}

export function decodeTransform(b: Uint8Array, at: number, end: number): TransformHeader | null {
  if (end - at < transformHeaderBytes || i32(b, at) !== transformMagic) return null;
  return { originalBytes: u32(b, at + 36), flags: u16(b, at + 42), sessionIdLow: i32(b, at + 44), sessionIdHigh: i32(b, at + 48) };
}
