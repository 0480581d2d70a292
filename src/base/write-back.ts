import { FFIType } from "bun:ffi";
import { functionsOfLibc } from "./libc.ts";

/**
 * How much is written before the kernel is told to begin writing back: measured to halve the time of streams that end in a
 * sync; a call costs some 50 µs.
 */
export const writeBackBytes = 2 << 20;

const startWrite = 2; // SYNC_FILE_RANGE_WRITE

const library = functionsOfLibc({
  sync_file_range: { args: [FFIType.i32, FFIType.i64, FFIType.i64, FFIType.u32], returns: FFIType.i32 },
});

/** Lets the kernel begin to write `length` bytes from `offset` back; says nothing of durability. */
export function startWriteBack(fd: number, offset: number, length: number): void {
  library?.sync_file_range(fd, offset, length, startWrite);
}
