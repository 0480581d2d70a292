import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { FFIType, ptr } from "bun:ffi";
import { functionsOfLibc } from "#base/libc.ts";

/** What Samba notes of a file it makes: DOS attributes and when it was made. */
const noted = "user.DOSATTRIB";
const notedBytesMax = 4096;
const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`);

/**
 * Empty files beside `first`, which Samba made, as it would have made them: with what it notes of it. Samba itself looks through the whole
 * directory at each of them, for the name in other case: the first ten thousand take it seconds, a hundred thousand a quarter of an hour.
 */
export function makeFilesLike(directory: string, first: string, others: Iterable<string>): void {
  const libc = functionsOfLibc({
    getxattr: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr, FFIType.u64_fast], returns: FFIType.i64_fast },
    fsetxattr: { args: [FFIType.i32, FFIType.ptr, FFIType.ptr, FFIType.u64_fast, FFIType.i32], returns: FFIType.i32 },
  });
  if (libc === null) throw new Error("no C library with extended attributes");
  const name = text(noted);
  const value = new Uint8Array(notedBytesMax);
  // Where the file system keeps none, Samba notes nothing either.
  const length = Number(libc.getxattr(ptr(text(join(directory, first))), ptr(name), ptr(value), value.length));
  for (const other of others) {
    const file = openSync(join(directory, other), "wx", 0o744);
    try {
      if (length > 0 && libc.fsetxattr(file, ptr(name), ptr(value), length, 0) !== 0) throw new Error(`${other} in ${directory} takes no extended attribute`);
    } finally {
      closeSync(file);
    }
  }
}
