import { dlopen } from "bun:ffi";
import { readdirSync } from "node:fs";

/** flock(2) operations, the same on Linux, macOS and the BSDs. */
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/** Names the C library goes by: glibc, musl, macOS. */
function libraryNames(): readonly string[] {
  if (process.platform === "darwin") return ["libSystem.B.dylib"];
  const musl = listing("/lib").filter((name) => /^ld-musl-.*\.so\.1$/.test(name));
  return ["libc.so.6", ...musl.map((name) => `/lib/${name}`)];
}

function listing(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function open() {
  let last: unknown;
  for (const name of libraryNames()) {
    try {
      return dlopen(name, { flock: { args: ["i32", "i32"], returns: "i32" } });
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

let library: ReturnType<typeof open> | null = null;

/** Takes the lock of an open file for this process if nobody has it. The system gives it back when the process ends, however it ends. */
export function tryLock(fd: number): boolean {
  library ??= open();
  return library.symbols.flock(fd, LOCK_EX | LOCK_NB) === 0;
}

export function unlock(fd: number): void {
  library?.symbols.flock(fd, LOCK_UN);
}
