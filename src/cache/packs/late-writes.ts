import type { Clock } from "#base/clock.ts";
import { type FileOps, isFull, slicesAfter } from "../log/file-ops.ts";

/** After the disk had no room for a write that was promised, it is tried again so often. */
const retryMs = 100;

interface LateWrite {
  readonly offset: number;
  readonly length: number;
  readonly slices: readonly Uint8Array[];
  readonly done: () => void;
}

/**
 * Writes of a pack that the thread pool does while the event loop goes on. Their bytes are read from the slices until the kernel
 * has them. A write that finds no room is tried again until it does (what was accepted is never given up while the process
 * lives); any other failure is fatal.
 */
export class LateWrites {
  /** In order of their offsets. */
  private readonly list: LateWrite[] = [];
  private readonly files: FileOps;
  private readonly clock: Clock;
  private readonly failed: (error: Error) => void;
  private waiters: { readonly end: number; readonly resolve: () => void }[] = [];
  private stopped = false;

  constructor(files: FileOps, clock: Clock, failed: (error: Error) => void) {
    this.files = files;
    this.clock = clock;
    this.failed = failed;
  }

  get isEmpty(): boolean {
    return this.list.length === 0;
  }

  /** `done` is called once the kernel has the bytes, or they were given up with the pack. */
  begin(fd: number, slices: readonly Uint8Array[], length: number, offset: number, done: () => void): void {
    const write: LateWrite = { offset, length, slices, done };
    this.list.push(write);
    this.step(fd, write, 0);
  }

  /** Resolves when the kernel has every byte below `end`; writes that begin later are not waited for. */
  reached(end: number): Promise<void> {
    if (this.writtenTo >= end) return Promise.resolve();
    const waiter = { end, ...Promise.withResolvers<void>() };
    this.waiters.push(waiter);
    return waiter.promise;
  }

  /** Everything below is with the kernel. */
  private get writtenTo(): number {
    return this.list.length === 0 ? Number.POSITIVE_INFINITY : (this.list[0] as LateWrite).offset;
  }

  /** Nobody needs the bytes any more. */
  stop(): void {
    this.stopped = true;
  }

  /** Copies what of the range is still on its way into `target`. Calls `gap` for the rest: file offset, and where in target. */
  read(offset: number, target: Uint8Array, gap: (offset: number, part: Uint8Array) => void): void {
    const end = offset + target.byteLength;
    let at = offset;
    for (let i = 0; i < this.list.length && at < end; i++) {
      const write = this.list[i] as LateWrite;
      const stop = Math.min(end, write.offset + write.length);
      if (stop <= at) continue;
      if (write.offset >= end) break;
      if (write.offset > at) {
        gap(at, target.subarray(at - offset, write.offset - offset));
        at = write.offset;
      }
      copySlices(write.slices, at - write.offset, target.subarray(at - offset, stop - offset));
      at = stop;
    }
    if (at < end) gap(at, target.subarray(at - offset));
  }

  private step(fd: number, write: LateWrite, written: number): void {
    const rest = written === 0 ? write.slices : slicesAfter(write.slices, written);
    this.files.writev(fd, rest, write.offset + written, (error, count) => {
      if (error !== null) {
        if (!isFull(error) && !this.stopped) return this.failed(error);
        if (this.stopped) return this.end(write);
        this.clock.after(retryMs, () => this.step(fd, write, written));
        return;
      }
      const total = written + count;
      if (total < write.length && !this.stopped) this.step(fd, write, total);
      else this.end(write);
    });
  }

  private end(write: LateWrite): void {
    this.list.splice(this.list.indexOf(write), 1);
    write.done();
    if (this.waiters.length === 0) return;
    const writtenTo = this.writtenTo;
    const ready = this.waiters.filter((waiter) => waiter.end <= writtenTo);
    if (ready.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => waiter.end > writtenTo);
    for (const waiter of ready) waiter.resolve();
  }
}

function copySlices(slices: readonly Uint8Array[], from: number, target: Uint8Array): void {
  let skip = from;
  let at = 0;
  for (let i = 0; i < slices.length && at < target.byteLength; i++) {
    const slice = slices[i] as Uint8Array;
    if (skip >= slice.byteLength) {
      skip -= slice.byteLength;
      continue;
    }
    const part = slice.subarray(skip, skip + target.byteLength - at);
    target.set(part, at);
    at += part.byteLength;
    skip = 0;
  }
}
