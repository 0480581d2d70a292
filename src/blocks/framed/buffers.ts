import type { Clock } from "#base/clock.ts";

/** A full pack with its head and its tags. */
const bufferBytes = 16 * 2 ** 20 + 64 * 1024;
/** Below this, memory that was just given costs less than it is worth to keep. */
const keptBytesMin = 1 << 20;
/** Let go of when nobody took any for so long. */
const idleMs = 5_000;

/**
 * Memory for objects on their way into the store, used again while there are many: the first touch of fresh memory costs as much as
 * encrypting what is put there. As many are kept as were in use at once.
 */
export class Buffers {
  private readonly clock: Clock;
  private idle: Uint8Array[] = [];
  private taken = 0;
  private watching = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Undefined bytes, to be given back where that is possible. */
  take(bytes: number): Uint8Array {
    if (bytes < keptBytesMin || bytes > bufferBytes) return new Uint8Array(bytes);
    this.taken++;
    return (this.idle.pop() ?? new Uint8Array(bufferBytes)).subarray(0, bytes);
  }

  /** Nobody reads it any more. */
  give(buffer: Uint8Array): void {
    if (buffer.buffer.byteLength !== bufferBytes) return;
    this.idle.push(new Uint8Array(buffer.buffer));
    if (!this.watching) this.watch();
  }

  private watch(): void {
    const { taken } = this;
    this.watching = true;
    this.clock.after(idleMs, () => {
      if (this.taken !== taken) return this.watch();
      this.watching = false;
      this.idle = [];
    });
  }
}
