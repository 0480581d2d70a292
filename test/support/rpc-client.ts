import * as net from "node:net";
import { XdrReader, XdrWriter } from "./xdr.ts";

/** The connection went away before the reply came: nobody knows whether the call was carried out. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** The server answered, but not with a result: MSG_DENIED or an accept_stat other than SUCCESS (RFC 5531 §9). */
export class RpcRefused extends Error {
  override readonly name = "RpcRefused";
  readonly denied: boolean;
  readonly stat: number;
  constructor(denied: boolean, stat: number) {
    super(`RPC ${denied ? "denied" : "not accepted"}, status ${stat}`);
    this.denied = denied;
    this.stat = stat;
  }
}

/** AUTH_SYS credentials (RFC 5531 appendix A), or null for AUTH_NONE. */
export type RpcCredentials = { readonly uid: number; readonly gid: number; readonly groups?: readonly number[] } | null;

interface Waiting {
  readonly resolve: (reply: XdrReader) => void;
  readonly reject: (error: Error) => void;
}

const lastFragment = 0x8000_0000;
const machineName = "tests";

function writeAuth(to: XdrWriter, credentials: RpcCredentials): void {
  if (credentials === null) {
    to.uint32(0).uint32(0);
  } else {
    const groups = credentials.groups ?? [];
    const body = new XdrWriter().uint32(0).string(machineName).uint32(credentials.uid).uint32(credentials.gid).uint32(groups.length);
    for (const group of groups) body.uint32(group);
    to.uint32(1).opaque(body.bytes());
  }
  to.uint32(0).uint32(0);
}

/** The header of a call: xid to verifier. */
export function callHeader(xid: number, program: number, version: number, procedure: number, credentials: RpcCredentials): XdrWriter {
  const header = new XdrWriter().uint32(xid).uint32(0).uint32(2).uint32(program).uint32(version).uint32(procedure);
  writeAuth(header, credentials);
  return header;
}

/** Puts the record mark in front of one whole record (RFC 5531 §11). */
export function record(...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const mark = Buffer.alloc(4);
  mark.writeUInt32BE((lastFragment | body.length) >>> 0);
  return Buffer.concat([mark, body]);
}

/** One TCP connection to an RPC server; any number of calls may be under way. */
export class RpcConnection {
  private readonly socket: net.Socket;
  private readonly waiting = new Map<number, Waiting>();
  private nextXid = (Math.random() * 0x7fff_ffff) >>> 0;
  private chunks: Buffer[] = [];
  private buffered = 0;
  private needed = 4;
  private failed: Error | null = null;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("error", (error) => this.fail(new ConnectionLost(error.message)));
    socket.on("close", () => this.fail(new ConnectionLost("closed by the server")));
  }

  static open(port: number, host = "127.0.0.1"): Promise<RpcConnection> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host });
      const refuse = (error: Error): void => reject(new ConnectionLost(error.message));
      socket.once("error", refuse);
      socket.once("connect", () => {
        socket.off("error", refuse);
        resolve(new RpcConnection(socket));
      });
    });
  }

  get open(): boolean {
    return this.failed === null;
  }

  /** Resolves with a reader at the first byte of the procedure's result. */
  call(program: number, version: number, procedure: number, credentials: RpcCredentials, args: readonly Uint8Array[]): Promise<XdrReader> {
    if (this.failed !== null) return Promise.reject(this.failed);
    const xid = this.nextXid;
    this.nextXid = (xid + 1) >>> 0;
    const header = callHeader(xid, program, version, procedure, credentials).bytes();
    let length = header.length;
    for (const part of args) length += part.length;
    const mark = Buffer.allocUnsafe(4 + header.length);
    mark.writeUInt32BE((lastFragment | length) >>> 0);
    header.copy(mark, 4);
    return new Promise((resolve, reject) => {
      this.waiting.set(xid, { resolve, reject });
      this.socket.cork();
      this.socket.write(mark);
      for (const part of args) this.socket.write(part);
      this.socket.uncork();
    });
  }

  close(): void {
    this.fail(new ConnectionLost("closed by the test"));
    this.socket.destroy();
  }

  private fail(error: Error): void {
    if (this.failed !== null) return;
    this.failed = error;
    for (const one of this.waiting.values()) one.reject(error);
    this.waiting.clear();
  }

  private receive(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    while (this.buffered >= this.needed) {
      const all = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks);
      const mark = all.readUInt32BE(0);
      if ((mark & lastFragment) === 0) throw new Error("the server answered in several fragments");
      const end = 4 + (mark & 0x7fff_ffff);
      if (all.length < end) {
        this.chunks = [all];
        this.needed = end;
        return;
      }
      this.reply(all.subarray(4, end));
      const rest = all.subarray(end);
      this.chunks = rest.length > 0 ? [rest] : [];
      this.buffered = rest.length;
      this.needed = 4;
    }
  }

  private reply(bytes: Buffer): void {
    const reader = new XdrReader(bytes);
    const one = this.take(reader.uint32());
    if (one === undefined) return;
    try {
      if (reader.uint32() !== 1) throw new Error("not a reply");
      const denied = reader.uint32() !== 0;
      if (denied) throw new RpcRefused(true, reader.uint32());
      reader.uint32();
      reader.opaque(400);
      const stat = reader.uint32();
      if (stat !== 0) throw new RpcRefused(false, stat);
      one.resolve(reader);
    } catch (error) {
      one.reject(error as Error);
    }
  }

  private take(xid: number): Waiting | undefined {
    const one = this.waiting.get(xid);
    this.waiting.delete(xid);
    return one;
  }
}
