import { LeWriter, u16, u32, utf16 } from "./le.ts";

/** DCE/RPC over SMB's pipes (C706 chapter 12, MS-RPCE), connection-oriented, little-endian, without authentication of its own. */
const PacketType = { request: 0, response: 2, fault: 3, bind: 11, bindAck: 12, bindNak: 13, alterContext: 14, alterContextAnswer: 15 } as const;

/** Most bytes of a fragment, either way. */
export const fragmentBytesMax = 4280;
const headerBytes = 16;
const contextsMax = 16;
/** NDR 2.0: 8a885d04-1ceb-11c9-9fe8-08002b104860 version 2. */
const ndr = new Uint8Array([0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0]);
const syntaxBytes = 20;

export const RpcFault = { opRange: 0x1c010002, unknownInterface: 0x1c010003, protocolError: 0x1c01000b, badStub: 0x000006f7 } as const;

export type RpcPacket =
  | { readonly is: "bind"; readonly type: number; readonly callId: number; readonly contexts: readonly { readonly id: number; readonly interface: string; readonly ndr: boolean }[] }
  | { readonly is: "request"; readonly callId: number; readonly last: boolean; readonly contextId: number; readonly operation: number; readonly stub: Uint8Array };

/** A client's packet of `bytes`, which is exactly one fragment; null where it is malformed or none a server gets. */
export function decodeRpc(bytes: Uint8Array): RpcPacket | null {
  if (bytes.length < headerBytes || bytes[0] !== 5 || u16(bytes, 8) !== bytes.length || bytes[4] !== 0x10) return null;
  // Authentication of its own is not needed: the session has it.
  if (u16(bytes, 10) !== 0) return null;
  const type = bytes[2]!;
  const callId = u32(bytes, 12);
  if (type === PacketType.request) {
    if (bytes.length < headerBytes + 8) return null;
    return { is: "request", callId, last: (bytes[3]! & 2) !== 0, contextId: u16(bytes, 20), operation: u16(bytes, 22), stub: bytes.subarray(24) };
  }
  if (type !== PacketType.bind && type !== PacketType.alterContext) return null;
  return decodeBind(bytes, type, callId);
}

/** Length of the fragment at the beginning of `bytes`; 0 where that can't be told yet. */
export function fragmentBytes(bytes: Uint8Array): number {
  return bytes.length < headerBytes ? 0 : u16(bytes, 8);
}

function decodeBind(bytes: Uint8Array, type: number, callId: number): RpcPacket | null {
  if (bytes.length < headerBytes + 12) return null;
  const count = bytes[24]!;
  if (count > contextsMax) return null;
  const contexts: { id: number; interface: string; ndr: boolean }[] = [];
  for (let at = 28, i = 0; i < count; i++) {
    const transfers = bytes[at + 2] ?? 0;
    const end = at + 4 + syntaxBytes * (1 + transfers);
    if (end > bytes.length) return null;
    let hasNdr = false;
    for (let t = at + 4 + syntaxBytes; t < end; t += syntaxBytes) hasNdr ||= ndr.every((byte, k) => byte === bytes[t + k]);
    contexts.push({ id: u16(bytes, at), interface: uuidOf(bytes, at + 4), ndr: hasNdr });
    at = end;
  }
  return { is: "bind", type, callId, contexts };
}

/** A UUID as text. */
function uuidOf(b: Uint8Array, at: number): string {
  const hex = (from: number, to: number): string => Buffer.from(b.subarray(at + from, at + to)).toString("hex");
  const number = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  return `${number(u32(b, at), 8)}-${number(u16(b, at + 4), 4)}-${number(u16(b, at + 6), 4)}-${hex(8, 10)}-${hex(10, 16)}`;
}

/** A packet from what its header says and a body. */
function packet(type: number, flags: number, callId: number, body: (w: LeWriter) => void): Uint8Array {
  const target = { bytes: new Uint8Array(512), length: 0 };
  const w = new LeWriter();
  w.attach(target);
  w.reserve(64);
  w.u8(5);
  w.u8(0);
  w.u8(type);
  w.u8(flags);
  w.u32(0x10);
  w.zeros(4);
  w.u32(callId);
  body(w);
  w.setU16(8, w.at);
  w.commit();
  return target.bytes.slice(0, target.length);
}

/** `accepted` of each context offered. */
export function encodeBindAck(type: number, callId: number, pipe: string, accepted: readonly boolean[]): Uint8Array {
  return packet(type === PacketType.bind ? PacketType.bindAck : PacketType.alterContextAnswer, 3, callId, (w) => {
    w.u16(fragmentBytesMax);
    w.u16(fragmentBytesMax);
    w.u32(0x53f0);
    const address = Buffer.from(`\\PIPE\\${pipe}\0`, "latin1");
    w.u16(address.length);
    w.raw(address);
    w.align(4, 0);
    w.reserve(4 + accepted.length * 24);
    w.u32(accepted.length);
    for (const one of accepted) {
      // Provider rejection, reason: abstract syntax not supported.
      w.u16(one ? 0 : 2);
      w.u16(one ? 0 : 1);
      if (one) w.raw(ndr);
      else w.zeros(syntaxBytes);
    }
  });
}

/** The answer to a request, in as many fragments as it takes. */
export function encodeResponse(callId: number, contextId: number, stub: Uint8Array): readonly Uint8Array[] {
  const partMax = fragmentBytesMax - headerBytes - 8;
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < stub.length; at += partMax) {
    const part = stub.subarray(at, at + partMax);
    const flags = (at === 0 ? 1 : 0) | (at + partMax >= stub.length ? 2 : 0);
    parts.push(
      packet(PacketType.response, flags, callId, (w) => {
        w.u32(stub.length - at);
        w.u16(contextId);
        w.u16(0);
        w.raw(part);
      }),
    );
  }
  return parts;
}

export function encodeFault(callId: number, contextId: number, status: number): Uint8Array {
  return packet(PacketType.fault, 3, callId, (w) => {
    w.u32(32);
    w.u16(contextId);
    w.u16(0);
    w.u32(status);
    w.u32(0);
  });
}

/** Reads NDR: aligned integers, unique pointers, conformant varying strings. Past the end everything is 0 and `failed` is set. */
export class NdrReader {
  failed = false;
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  u32(): number {
    this.at = (this.at + 3) & ~3;
    if (this.at + 4 > this.bytes.length) {
      this.failed = true;
      return 0;
    }
    this.at += 4;
    return u32(this.bytes, this.at - 4);
  }

  u16(): number {
    this.at = (this.at + 1) & ~1;
    if (this.at + 2 > this.bytes.length) {
      this.failed = true;
      return 0;
    }
    this.at += 2;
    return u16(this.bytes, this.at - 2);
  }

  /** The next `length` bytes, not aligned; a view. */
  raw(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) {
      this.failed = true;
      return this.bytes.subarray(0, 0);
    }
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** A string behind its pointer; null where that is null. `unitsMax` characters, the NUL at its end among them. */
  uniqueString(unitsMax: number): string | null {
    return this.u32() === 0 ? null : this.string(unitsMax);
  }

  string(unitsMax: number): string {
    this.u32();
    const offset = this.u32();
    const length = this.u32();
    if (offset !== 0 || length > unitsMax || this.at + length * 2 > this.bytes.length) {
      this.failed = true;
      return "";
    }
    this.at += length * 2;
    return utf16(this.bytes, this.at - length * 2, length * 2).replace(/\0.*$/s, "");
  }
}

/** Writes NDR; strings of structures are kept back until the structures are written, as NDR wants them. */
export class NdrWriter {
  private readonly target = { bytes: new Uint8Array(256), length: 0 };
  private readonly w = new LeWriter();
  private deferred: (() => void)[] = [];
  private pointers = 0x20000;

  constructor() {
    this.w.attach(this.target);
  }

  u32(value: number): this {
    this.w.align(4, 0);
    this.w.reserve(4);
    this.w.u32(value);
    return this;
  }

  u16(value: number): this {
    this.w.align(2, 0);
    this.w.reserve(2);
    this.w.u16(value);
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.w.raw(bytes);
    return this;
  }

  /** RPC_UNICODE_STRING (MS-DTYP 2.3.10): lengths in bytes and a pointer to the units, which follow at the next `flush`. */
  countedString(text: string): this {
    const bytes = text.length * 2;
    this.w.align(4, 0);
    this.u16(bytes).u16(bytes);
    return this.pointer().later(() => {
      this.u32(text.length).u32(0).u32(text.length);
      this.w.utf16(text);
    });
  }

  /** Something that a pointer just written leads to, which follows at the next `flush`. */
  later(write: () => void): this {
    this.deferred.push(write);
    return this;
  }

  /** A pointer that is not null. */
  pointer(): this {
    this.pointers += 4;
    return this.u32(this.pointers);
  }

  /** A pointer to a string that follows at the next `flush`. */
  stringPointer(text: string): this {
    this.deferred.push(() => this.string(text));
    return this.pointer();
  }

  string(text: string): this {
    const units = text.length + 1;
    this.u32(units).u32(0).u32(units);
    this.w.utf16(`${text}\0`);
    return this;
  }

  flush(): this {
    const strings = this.deferred;
    this.deferred = [];
    for (const write of strings) write();
    return this;
  }

  bytes(): Uint8Array {
    this.w.commit();
    return this.target.bytes.slice(0, this.target.length);
  }
}
