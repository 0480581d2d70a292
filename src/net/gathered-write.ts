import { FFIType, type Pointer, ptr } from "bun:ffi";
import { functionsOfLibc, hasLinuxLayouts } from "#base/libc.ts";

/** Most pieces of one gathered write: four replies of a mebibyte in pages of 64 KiB, and more. What is more goes in the next. */
const piecesMax = 128;
const iovecWords = 4;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const highHalf = 4294967296;

/**
 * Sends several pieces of memory in one system call. Bun's sockets have none that does: a 1 MiB READ in 64 KiB pages costs
 * seventeen sends, about half of what the whole reply costs. Bun's own `write` still has to be called for what was not taken: it
 * is what has `drain` called.
 */
export interface GatheredWrite {
  /** Forgets the pieces added. */
  clear(): void;
  /** False when there is no room for another piece. */
  add(bytes: Uint8Array, from: number, to: number): boolean;
  /** Sends the pieces added; the bytes taken, 0 where the socket takes none or is broken. */
  send(fd: number): number;
}

/** By sendmsg(2), on 64-bit little-endian Linux; null elsewhere: then every piece is a write of its own. */
export function linuxGatheredWrite(): GatheredWrite | null {
  if (!hasLinuxLayouts()) return null;
  const symbols = functionsOfLibc({ sendmsg: { args: [FFIType.i32, FFIType.ptr, FFIType.i32], returns: FFIType.i64_fast } });
  return symbols === null ? null : new SendMessage((fd, message, flags) => Number(symbols.sendmsg(fd, message, flags)));
}

type SendMsg = (fd: number, message: Pointer, flags: number) => number;

/**
 * struct msghdr in 32-bit words: name 0–1, namelen 2 (3 padding), iov 4–5, iovlen 6–7, control 8–9, controllen 10–11, flags 12.
 * struct iovec: base 0–1, length 2–3.
 */
class SendMessage implements GatheredWrite {
  private readonly sendmsg: SendMsg;
  private readonly iovec = new Uint32Array(iovecWords * piecesMax);
  private readonly header = new Uint32Array(14);
  private readonly headerAt: Pointer;
  /** Keeps the memory of the pieces alive while the kernel reads it. */
  private readonly pieces: (Uint8Array | null)[] = new Array(piecesMax).fill(null);
  private count = 0;

  constructor(sendmsg: SendMsg) {
    this.sendmsg = sendmsg;
    const iovecAt = ptr(this.iovec);
    this.header[4] = iovecAt % highHalf;
    this.header[5] = Math.floor(iovecAt / highHalf);
    this.headerAt = ptr(this.header);
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) this.pieces[i] = null;
    this.count = 0;
  }

  add(bytes: Uint8Array, from: number, to: number): boolean {
    if (this.count === piecesMax) return false;
    const at = ptr(bytes) + from;
    const word = this.count * iovecWords;
    this.iovec[word] = at % highHalf;
    this.iovec[word + 1] = Math.floor(at / highHalf);
    this.iovec[word + 2] = to - from;
    this.pieces[this.count++] = bytes;
    return true;
  }

  send(fd: number): number {
    if (this.count === 0 || fd < 0) return 0;
    this.header[6] = this.count;
    const sent = this.sendmsg(fd, this.headerAt, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : sent;
  }
}
