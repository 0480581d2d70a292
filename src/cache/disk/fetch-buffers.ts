import type { Clock, Timer } from "#base/clock.ts";

/** Longest range of one request that reads ahead. */
export const pieceBytesMax = 8 * 2 ** 20;
/** What a fetch has for bytes that are not its any more: whoever reads them nevertheless gets none, and its checksum is wrong. */
export const none = new Uint8Array(0);
/** Buffers nobody takes in this time are let go of. */
const idleMs = 10_000;

/**
 * Memory that ranges are received into, used again and again: of 8 MiB that are received once, a third of the time went into the page faults of
 * fresh memory. Whoever reads in order needs the same few again and again.
 */
export class FetchBuffers {
  private readonly clock: Clock;
  private free: Uint8Array[] = [];
  private used = false;
  private timer: Timer | null = null;
  private closed = false;
  /** Buffers that were made, not used again. */
  made = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** For `bytes` bytes, whatever is in it. */
  take(bytes: number): Uint8Array {
    // A small range in a large buffer would hold memory for nothing.
    if (bytes > pieceBytesMax || bytes <= pieceBytesMax / 2) return new Uint8Array(bytes);
    this.used = true;
    const free = this.free.pop();
    if (free !== undefined) return free.subarray(0, bytes);
    this.made++;
    return new Uint8Array(pieceBytesMax).subarray(0, bytes);
  }

  /** Takes back what `take` gave, for as many as `keptMax`; nobody reads or writes it any more. What to have instead. */
  give(bytes: Uint8Array, keptMax: number): Uint8Array {
    if (!this.closed && bytes.buffer.byteLength === pieceBytesMax && this.free.length < keptMax) {
      this.free.push(new Uint8Array(bytes.buffer));
      this.watch();
    }
    return none;
  }

  private watch(): void {
    this.timer ??= this.clock.after(idleMs, () => {
      this.timer = null;
      if (!this.used) this.free = [];
      else if (this.free.length > 0) this.watch();
      this.used = false;
    });
  }

  /** What is given back later is let go of. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.free = [];
  }
}
