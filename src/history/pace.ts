import type { Clock } from "#base/clock.ts";

/** Where somebody waited lately, and will again, what is gathered goes into a segment when it is so long, whether or not one could be sent. */
const hurriedBytesMax = 8 * 1024 * 1024;
const hurriedForMs = 10_000;
/** What nobody waits for goes into one when it is so long, and no part of what may wait: until then what is written over, or stored, need not be sent. */
const gatheredBytesMax = 128 * 1024 * 1024;
const gatheredPart = 1 / 4;
/** What of that is left where it goes on being gathered. */
const sparedPart = 3 / 4;
/** From so much on it matters that bytes go up once; sooner where little may wait. */
const muchBytes = 4 * 1024 * 1024;
const muchPart = 1 / 32;

export interface PaceBounds {
  readonly clock: Clock;
  /** What is gathered goes into a segment at least so often. */
  readonly lagMs: number;
  /** Bytes that may wait in memory. */
  readonly unshippedBytesMax: number;
}

/** When what is gathered goes into a segment. */
export class Pace {
  private readonly bounds: PaceBounds;
  private readonly bytesMax: number;
  /** When somebody asked for a cut last. */
  private hurriedMs = Number.NEGATIVE_INFINITY;

  constructor(bounds: PaceBounds) {
    this.bounds = bounds;
    this.bytesMax = Math.max(hurriedBytesMax, Math.min(gatheredBytesMax, bounds.unshippedBytesMax * gatheredPart));
  }

  /** Somebody waits for what is gathered. */
  hurry(): void {
    this.hurriedMs = this.bounds.clock.monotonicMs();
  }

  get isHurried(): boolean {
    // Asked for each write: where nobody ever waits, without the clock.
    if (this.hurriedMs === Number.NEGATIVE_INFINITY) return false;
    if (this.bounds.clock.monotonicMs() - this.hurriedMs < hurriedForMs) return true;
    this.hurriedMs = Number.NEGATIVE_INFINITY;
    return false;
  }

  /** Bytes of it that packs have are left to these. */
  isMuch(bytes: number): boolean {
    return bytes >= Math.min(muchBytes, this.bounds.unshippedBytesMax * muchPart);
  }

  /** So much need not be looked at. */
  isLittle(bytes: number): boolean {
    return bytes < hurriedBytesMax;
  }

  /** Whether so much should go. */
  isFull(bytes: number): boolean {
    return bytes >= this.bytesMax || (!this.isLittle(bytes) && this.isHurried);
  }

  /** Whether what is left of that after what is stored or written over was let go of is too little for a segment of its own. */
  isSpared(bytes: number): boolean {
    return bytes < this.bytesMax * sparedPart;
  }
}
