import { FFIType, ptr, read, type Pointer } from "bun:ffi";
import { functionsOfLibc } from "#base/libc.ts";

const noWait = 8; // RWF_NOWAIT
const errnoAgain = 11;
const errnoInterrupted = 4;
const two32 = 4294967296;

const library = functionsOfLibc({
  preadv2: { args: [FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.i64, FFIType.i32], returns: FFIType.i64_fast },
  __errno_location: { args: [], returns: FFIType.ptr },
});

// One struct iovec {void *base; size_t length}, little-endian as every machine Bun runs on. Over a buffer of its own, and its
// address taken at each call: the engine moves the bytes of a small typed array that was made without one.
const vector = new Uint32Array(new ArrayBuffer(16));

export const ReadNow = { done: 1, wouldWait: 0, unsupported: -1 } as const;
export type ReadNow = (typeof ReadNow)[keyof typeof ReadNow];

/** Fills `target` from the page cache; `wouldWait` also where the file ends before, or part of it is not in memory. */
export function readNow(fd: number, offset: number, target: Uint8Array): ReadNow {
  if (library === null) return ReadNow.unsupported;
  if (target.byteLength === 0) return ReadNow.done;
  const address = ptr(target) as number;
  const high = (address / two32) | 0;
  vector[0] = address - high * two32;
  vector[1] = high;
  vector[2] = target.byteLength;
  vector[3] = 0;
  const got = library.preadv2(fd, ptr(vector), 1, offset, noWait);
  if (Number(got) === target.byteLength) return ReadNow.done;
  if (Number(got) >= 0) return ReadNow.wouldWait;
  const errno = read.i32(library.__errno_location() as Pointer, 0);
  return errno === errnoAgain || errno === errnoInterrupted ? ReadNow.wouldWait : ReadNow.unsupported;
}
