import type { Clock } from "#base/clock.ts";
import type { OpenPack } from "./packs/index.ts";

/** Beyond so much a write was waited for, by memory or the disk, and with it everybody. */
const promptMs = 2;
/** What writes took beyond, and those that were faster did not make up for: once that is more, they are slow. */
const lateMsMax = 8;
/** Then writes are left to the thread pool for so long, twice as long each time it happens again soon. */
const pauseMs = 500;
const pauseMsMax = 16_000;
/** With more than this on its way to the disk, the kernel has reason to make writers wait. */
const unsyncedBytesMax = 128 * 1024 * 1024;

/**
 * Whether large writes are handed to the kernel by the event loop itself. Where nothing makes it wait, that takes a third less of the
 * processors than a thread of the pool: the bytes are still in its cache, and nobody has to be woken.
 */
export class DiskPace {
  private readonly clock: Clock;
  private unsyncedBytes = 0;
  private lateMs = 0;
  private slowUntilMs = Number.NEGATIVE_INFINITY;
  private nextPauseMs = pauseMs;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get isBrisk(): boolean {
    return this.unsyncedBytes <= unsyncedBytesMax && this.clock.monotonicMs() >= this.slowUntilMs;
  }

  /** A write of the event loop's began at `sinceMs` and is done. */
  wrote(sinceMs: number): void {
    const now = this.clock.monotonicMs();
    this.lateMs = Math.max(0, this.lateMs + now - sinceMs - promptMs);
    if (this.lateMs <= lateMsMax) return;
    this.lateMs = 0;
    if (now - this.slowUntilMs > this.nextPauseMs) this.nextPauseMs = pauseMs;
    this.slowUntilMs = now + this.nextPauseMs;
    this.nextPauseMs = Math.min(this.nextPauseMs * 2, pauseMsMax);
  }

  /**
   * Has a full pack on stable storage before it is asked for: whoever commits then waits only for what was written last, and the disk
   * is not idle before.
   */
  syncAhead(file: OpenPack): void {
    const { size } = file;
    const synced = file.durable(size);
    if (synced === undefined) return;
    this.unsyncedBytes += size;
    void synced.then(() => {
      this.unsyncedBytes -= size;
    });
  }
}
