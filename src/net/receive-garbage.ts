import { edenGC } from "bun:jsc";
import type { Clock } from "#base/clock.ts";

/**
 * Every chunk received is fresh memory, which only a collection gives back, and the engine would wait until there is as much garbage as
 * the caches hold. So often the next chunks come to lie where earlier ones did instead; a collection takes a millisecond or two.
 */
const collectEveryBytes = 32 * 2 ** 20;

/** Collects young garbage at the pace bytes come in. */
export class ReceiveGarbage {
  private readonly clock: Clock;
  private readonly collect: () => void;
  private leftBytes = collectEveryBytes;

  constructor(clock: Clock, collect: (() => void) | undefined) {
    this.clock = clock;
    this.collect = collect ?? edenGC;
  }

  received(bytes: number): void {
    this.leftBytes -= bytes;
    if (this.leftBytes > 0) return;
    this.leftBytes = collectEveryBytes;
    this.clock.atTurnEnd(this.collect);
  }
}
