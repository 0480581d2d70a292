import type { Clock } from "#base/clock.ts";
import { StoreUnavailableError } from "#model/block-store.ts";

/** Requests that wait for their turn at most; the caller of one too many is told to come again, as of a store that is overloaded. */
export const waitersMax = 4096;
/** What was not used is there for so long. */
const burstMs = 1000;

/**
 * So many tokens a second, in the order they are asked for. Whoever asks for more than there are, once there are any, has them at once
 * and leaves a debt to those after him: requests are not cut up, the rate holds over time.
 */
export class TokenBucket {
  private readonly perMs: number;
  private readonly clock: Clock;
  private readonly what: string;
  private readonly waiting: { readonly tokens: number; readonly go: () => void }[] = [];
  private tokens: number;
  private sinceMs: number;

  /** `what`: the limit in the words of its error. */
  constructor(perSecond: number, clock: Clock, what: string) {
    this.perMs = perSecond / 1000;
    this.clock = clock;
    this.what = what;
    this.tokens = this.perMs * burstMs;
    this.sinceMs = clock.monotonicMs();
  }

  /** Takes tokens without waiting; false where that can't be. */
  takeNow(tokens: number): boolean {
    this.fill();
    if (this.waiting.length > 0 || this.tokens <= 0) return false;
    this.tokens -= tokens;
    return true;
  }

  /** Throws StoreUnavailableError where too many wait. */
  async take(tokens: number): Promise<void> {
    if (this.takeNow(tokens)) return;
    if (this.waiting.length >= waitersMax) throw new StoreUnavailableError(`more than ${waitersMax} requests wait for the limit of ${this.what}; raise it, or ask for less`);
    await new Promise<void>((go) => {
      this.waiting.push({ tokens, go });
      if (this.waiting.length === 1) this.wait();
    });
  }

  private wait(): void {
    this.clock.after(Math.max(1, Math.ceil(-this.tokens / this.perMs)), () => {
      this.fill();
      while (this.tokens > 0) {
        const first = this.waiting.shift();
        if (first === undefined) return;
        this.tokens -= first.tokens;
        first.go();
      }
      if (this.waiting.length > 0) this.wait();
    });
  }

  private fill(): void {
    const nowMs = this.clock.monotonicMs();
    this.tokens = Math.min(this.perMs * burstMs, this.tokens + (nowMs - this.sinceMs) * this.perMs);
    this.sinceMs = nowMs;
  }
}
