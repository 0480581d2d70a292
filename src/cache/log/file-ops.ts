import fs from "node:fs";
import { dropCleanPages } from "#base/kernel-pages.ts";
import { startWriteBack, writeBackBytes } from "#base/write-back.ts";
import { allocateNow } from "./native.ts";

export { writeBackBytes };

/** Told of the end of an operation in the thread pool. */
export type Done = (error: Error | null) => void;

/**
 * The file operations of log and packs that decide over durability and room, apart so that tests can fail, delay and record
 * them. Synchronous ones throw as node:fs does.
 */
export interface FileOps {
  openSync(path: string, flags: string): number;
  closeSync(fd: number): void;
  /** One positional write; may be short. */
  writeSync(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number;
  /** One gathered positional write; may be short. */
  writevSync(fd: number, slices: readonly Uint8Array[], position: number): number;
  /** One gathered positional write in the thread pool; may be short. */
  writev(fd: number, slices: readonly Uint8Array[], position: number, done: (error: Error | null, wrote: number) => void): void;
  /** Gives the file `bytes` of its own on the disk, and that size; throws ENOSPC where they are not to be had. */
  allocateSync(fd: number, bytes: number): void;
  /** Lets the kernel begin to write a range back, so that a sync finds less to do; says nothing of durability. */
  startWriteBack(fd: number, offset: number, length: number): void;
  /** Bytes that may still be written to the file system `path` is on. */
  freeBytesSync(path: string): number;
  renameSync(from: string, to: string): void;
  unlink(path: string, done: Done): void;
  fdatasync(fd: number, done: Done): void;
  /** Reads give what is on the disk from here on, but for what was written and not synced: a sync that failed leaves other pages in memory. */
  dropCleanPages(fd: number): void;
  /** For directories: makes names durable. */
  fsync(fd: number, done: Done): void;
}

/** The longest gathered write a kernel takes in one call (IOV_MAX of Linux and macOS). */
const slicesMax = 1024;

const zeros = new Uint8Array(1 << 16);

export const systemFiles: FileOps = {
  openSync: (path, flags) => fs.openSync(path, flags, 0o600),
  closeSync: (fd) => fs.closeSync(fd),
  writeSync: (fd, bytes, offset, length, position) => fs.writeSync(fd, bytes, offset, length, position),
  writevSync: (fd, slices, position) => fs.writevSync(fd, slices as Uint8Array[], position),
  writev: (fd, slices, position, done) => fs.writev(fd, slices.slice(0, slicesMax) as Uint8Array[], position, done),
  allocateSync(fd, bytes) {
    if (allocateNow(fd, bytes)) return;
    for (let at = 0; at < bytes; ) at += fs.writeSync(fd, zeros, 0, Math.min(zeros.byteLength, bytes - at), at);
  },
  startWriteBack,
  freeBytesSync(path) {
    const { bavail, bsize } = fs.statfsSync(path);
    return bavail * bsize;
  },
  renameSync: (from, to) => fs.renameSync(from, to),
  unlink: (path, done) => fs.unlink(path, done),
  fdatasync: (fd, done) => fs.fdatasync(fd, done),
  dropCleanPages,
  fsync: (fd, done) => fs.fsync(fd, done),
};

/** All of `length` bytes from `offset` at `position`. */
export function writeFully(files: FileOps, fd: number, bytes: Uint8Array, offset: number, length: number, position: number): void {
  let done = 0;
  while (done < length) {
    const wrote = files.writeSync(fd, bytes, offset + done, length - done, position + done);
    if (wrote <= 0) throw new Error(`a write of ${length - done} bytes wrote ${wrote}`);
    done += wrote;
  }
}

/** All of `slices` (`length` bytes) at `position`. */
export function writeSlicesFully(files: FileOps, fd: number, slices: readonly Uint8Array[], length: number, position: number): void {
  if (slices.length <= slicesMax) {
    if (files.writevSync(fd, slices, position) === length) return;
  }
  let at = position;
  for (let i = 0; i < slices.length; i++) {
    const slice = slices[i]!;
    writeFully(files, fd, slice, 0, slice.byteLength, at);
    at += slice.byteLength;
  }
}

/** As `writeSlicesFully`, in the thread pool. Whatever the kernel makes of it, it is told of by `done`. */
export function writeSlicesAside(files: FileOps, fd: number, slices: readonly Uint8Array[], length: number, position: number, done: Done): void {
  files.writev(fd, slices, position, (error, wrote) => {
    if (error !== null) return done(error);
    if (wrote === length) return done(null);
    if (wrote <= 0) return done(new Error(`a write of ${length} bytes wrote ${wrote}`));
    writeSlicesAside(files, fd, slicesAfter(slices, wrote), length - wrote, position + wrote, done);
  });
}

/** The slices without their first `count` bytes. */
export function slicesAfter(slices: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = count;
  for (let i = 0; i < slices.length; i++) {
    const slice = slices[i] as Uint8Array;
    if (skip < slice.byteLength) rest.push(skip === 0 ? slice : slice.subarray(skip));
    skip = Math.max(0, skip - slice.byteLength);
  }
  return rest;
}

/** The code of a system error ("ENOSPC"), or "" for anything else. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

export function isFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** An operation in the thread pool as a promise. */
function completed(start: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
}

export function writtenAside(files: FileOps, fd: number, slices: readonly Uint8Array[], length: number, position: number): Promise<void> {
  return completed((done) => writeSlicesAside(files, fd, slices, length, position, done));
}

export function fdatasyncOf(files: FileOps, fd: number): Promise<void> {
  return completed((done) => files.fdatasync(fd, done));
}

export function fsyncOf(files: FileOps, fd: number): Promise<void> {
  return completed((done) => files.fsync(fd, done));
}

export function unlinkOf(files: FileOps, path: string): Promise<void> {
  return completed((done) => files.unlink(path, done));
}

/**
 * Makes reads of a file that an earlier process wrote give what is on the disk and stays there: first what it left unwritten is synced, then the kernel
 * forgets what a failed sync left in its memory.
 */
export async function readFromDisk(files: FileOps, fd: number): Promise<void> {
  await fdatasyncOf(files, fd);
  files.dropCleanPages(fd);
}

/** Makes the names in `directory` durable. */
export async function syncDirectory(files: FileOps, directory: string): Promise<void> {
  const fd = files.openSync(directory, "r");
  try {
    await fsyncOf(files, fd);
  } finally {
    files.closeSync(fd);
  }
}

/** Makes `directory` with what is missing above it, names durable. */
export async function makeDirectory(files: FileOps, directory: string): Promise<void> {
  const first = fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  // One that is there may have been made by a process that was killed before its sync.
  if (first === undefined) return syncDirectory(files, parentOf(directory));
  for (let path = directory; ; path = parentOf(path)) {
    await syncDirectory(files, parentOf(path));
    if (path === first || parentOf(path) === path) return;
  }
}

function parentOf(path: string): string {
  const cut = path.lastIndexOf("/");
  return cut < 0 ? "." : cut === 0 ? "/" : path.slice(0, cut);
}
