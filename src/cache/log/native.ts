import { FFIType, read, type Pointer } from "bun:ffi";
import { functionsOfLibc } from "#base/libc.ts";

const errnoNotSupported = new Set([95 /* EOPNOTSUPP */, 38 /* ENOSYS */, 22 /* EINVAL */]);
const errnoFull = new Map([
  [28, "ENOSPC"],
  [122, "EDQUOT"],
]);
const errnoInterrupted = 4;

const library = functionsOfLibc({
  fallocate: { args: [FFIType.i32, FFIType.i32, FFIType.i64, FFIType.i64], returns: FFIType.i32 },
  __errno_location: { args: [], returns: FFIType.ptr },
});

/** fallocate(2). False where there is none (or not on this file system); throws an Error with `code` where it failed. */
export function allocateNow(fd: number, bytes: number): boolean {
  if (library === null) return false;
  for (let attempt = 0; attempt < 100; attempt++) {
    if (library.fallocate(fd, 0, 0, bytes) === 0) return true;
    const errno = read.i32(library.__errno_location() as Pointer, 0);
    if (errno === errnoInterrupted) continue;
    if (errnoNotSupported.has(errno)) return false;
    const code = errnoFull.get(errno) ?? `errno ${errno}`;
    throw Object.assign(new Error(`fallocate of ${bytes} bytes failed: ${code}`), { code });
  }
  return false;
}
