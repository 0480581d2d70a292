import type { Clock, Timer } from "#base/clock.ts";

/** Kinds of lines that are counted at once; past it the oldest count ends early. */
export const kindsMax = 512;
const windowMs = 1000;

/** Writes the line that stands for `count` that were left out. */
type Summary = (count: number) => void;

class Seen {
  readonly sinceMs: number;
  written = 1;
  leftOut = 0;
  summary: Summary | null = null;
  timer: Timer | null = null;

  constructor(sinceMs: number) {
    this.sinceMs = sinceMs;
  }
}

/**
 * What is said over and over is said so many times a second, and then once more with how often it was left out: a client, or a store
 * that is away, must not fill a disk nor keep the server busy with writing the same line.
 */
export class Repeats {
  private readonly perSecond: number;
  private readonly clock: Clock;
  private readonly seen = new Map<string, Seen>();

  /** `perSecond`: 0, everything is written. */
  constructor(perSecond: number, clock: Clock) {
    this.perSecond = perSecond;
    this.clock = clock;
  }

  get kinds(): number {
    return this.seen.size;
  }

  /** Whether a line of this kind is written now; where it isn't, the first one's `summary` is called once the second is over. */
  admits(kind: string, summary: Summary): boolean {
    if (this.perSecond === 0) return true;
    const now = this.clock.monotonicMs();
    let seen = this.seen.get(kind);
    if (seen !== undefined && now - seen.sinceMs >= windowMs) {
      this.end(kind, seen);
      seen = undefined;
    }
    if (seen === undefined) {
      this.begin(kind, now);
      return true;
    }
    if (seen.written < this.perSecond) {
      seen.written++;
      return true;
    }
    if (seen.leftOut++ === 0) {
      const known = seen;
      known.summary = summary;
      known.timer = this.clock.after(known.sinceMs + windowMs - now, () => this.end(kind, known));
    }
    return false;
  }

  /** Says what was left out until now. */
  flush(): void {
    for (const [kind, seen] of [...this.seen]) this.end(kind, seen);
  }

  private begin(kind: string, now: number): void {
    for (const [oldest, seen] of this.seen) {
      if (this.seen.size < kindsMax) break;
      this.end(oldest, seen);
    }
    this.seen.set(kind, new Seen(now));
  }

  private end(kind: string, seen: Seen): void {
    if (this.seen.get(kind) === seen) this.seen.delete(kind);
    seen.timer?.cancel();
    const { leftOut, summary } = seen;
    seen.leftOut = 0;
    if (leftOut > 0) summary?.(leftOut);
  }
}
