import { FFIType, type Pointer, ptr } from "bun:ffi";
import { functionsOfLibc, hasLinuxLayouts } from "./libc.ts";

const MSG_DONTWAIT = 0x40;

/**
 * Receives into memory of ours. Bun's sockets copy what they receive into a fresh buffer: for payloads of a mebibyte, the page faults of
 * that memory and the second copy are more than half of what receiving them costs. Bun still has to be asked when a socket has nothing:
 * it is what waits for more.
 */
export interface DirectReceive {
  /** Receives what is there, at most `length` bytes to the beginning of `into`; 0 where there is nothing now, or never again. */
  receive(fd: number, into: Uint8Array, length: number): number;
}

/** By recv(2), on Linux; null elsewhere: then everything comes through Bun. */
export function linuxDirectReceive(): DirectReceive | null {
  if (!hasLinuxLayouts()) return null;
  const symbols = functionsOfLibc({ recv: { args: [FFIType.i32, FFIType.ptr, FFIType.u64_fast, FFIType.i32], returns: FFIType.i64_fast } });
  if (symbols === null) return null;
  return {
    receive(fd, into, length) {
      if (fd < 0) return 0;
      return Math.max(0, Number(symbols.recv(fd, ptr(into) as Pointer, length, MSG_DONTWAIT)));
    },
  };
}
