import { FFIType } from "bun:ffi";
import { closeSync, fdatasyncSync, openSync } from "node:fs";
import { functionsOfLibc } from "./libc.ts";

const dontNeed = 4; // POSIX_FADV_DONTNEED, on all Linux that Bun runs on

const library =
  process.platform === "linux"
    ? functionsOfLibc({ posix_fadvise: { args: [FFIType.i32, FFIType.i64, FFIType.i64, FFIType.i32], returns: FFIType.i32 } })
    : null;

/**
 * Has the kernel forget what it has in memory of an open file and is not to write: reads give what is on the disk. After a sync that failed Linux
 * keeps pages that never reached the disk and takes them for written. Dirty pages stay. Does nothing where the kernel has no such thing.
 */
export function dropCleanPages(fd: number): void {
  library?.posix_fadvise(fd, 0, 0, dontNeed);
}

/** What `readFromDisk` does with the file; tests put their own here. */
export interface PageOps {
  /** fdatasync, at once. */
  readonly sync: (fd: number) => void;
  readonly drop: (fd: number) => void;
}

/**
 * Makes reads of a file give what is on the disk and stays there, where there is such a file: what a killed process left is written first, since a
 * drop leaves it, and a sync after the drop would not find what an earlier one gave up. Throws where the sync fails; the next one will not.
 */
export function readFromDisk(path: string, { sync = fdatasyncSync, drop = dropCleanPages }: Partial<PageOps> = {}): void {
  let fd: number;
  try {
    fd = openSync(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    sync(fd);
    drop(fd);
  } finally {
    closeSync(fd);
  }
}
