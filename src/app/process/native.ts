import type { Pointer } from "bun:ffi";
import { readFileSync } from "node:fs";
import { functionsOfLibc } from "#base/libc.ts";

/** flock(2) operations, the same on Linux, macOS and the BSDs. */
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
/** madvise(2) on Linux. */
const MADV_DONTNEED = 4;

const library = functionsOfLibc({
  flock: { args: ["i32", "i32"], returns: "i32" },
  madvise: { args: ["ptr", "u64", "i32"], returns: "i32" },
  setenv: { args: ["cstring", "cstring", "i32"], returns: "i32" },
});

/** Takes the lock of an open file for this process if nobody has it. The system gives it back when the process ends, however it ends. */
export function tryLock(fd: number): boolean {
  if (library === null) throw new Error("flock(2) was not found in this system's C library: a data directory can't be locked, without which two servers could write to it");
  return library.flock(fd, LOCK_EX | LOCK_NB) === 0;
}

export function unlock(fd: number): void {
  library?.flock(fd, LOCK_UN);
}

/** Threads of the pool that does what waits for a disk, where nobody says another number. */
const poolThreads = 8;

/**
 * Has the runtime's thread pool, which begins with its first task, be of several threads however few processors there are. They wait for
 * the disk nearly all the time: with two, as the runtime has it on two processors, the syncs that clients wait for stand in line behind
 * those of packs being stored, for tens of milliseconds each. Only the C library's own environment is read then, so that it is set there.
 */
export function widenThreadPool(): void {
  library?.setenv(Buffer.from("UV_THREADPOOL_SIZE\0"), Buffer.from(`${poolThreads}\0`), 0);
}

/**
 * Unmaps the pages of this program's machine code, a few dozen megabytes of which only the start needed. They stay in the system's cache of files, from where
 * those that are needed come back as they are called. Nothing can be lost: nobody writes to code, so that no page of it is a copy of
 * our own. Only on Linux; elsewhere nothing happens.
 */
export function giveBackCode(): void {
  if (process.platform !== "linux" || library === null) return;
  for (const { begin, end } of codeOf(readFileSync("/proc/self/maps", "utf8"), process.execPath)) {
    library.madvise(begin as Pointer, end - begin, MADV_DONTNEED);
  }
}

/** Where the code of a program lies, from /proc/PID/maps: what is mapped from its file to be executed, and can't be written. */
export function codeOf(maps: string, program: string): readonly { readonly begin: number; readonly end: number }[] {
  return maps.split("\n").flatMap((line) => {
    const [, begin, end, path] = /^([0-9a-f]+)-([0-9a-f]+) r-xp [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ \d+ +(\/.*)$/.exec(line) ?? [];
    return begin === undefined || end === undefined || path !== program ? [] : [{ begin: Number.parseInt(begin, 16), end: Number.parseInt(end, 16) }];
  });
}
