import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";

/** Nothing is written for so long after a write failed. */
const restMs = 10_000;

/** The disk is full or broken: the store has everything, so the cache only rests. */
export class Rest {
  private untilMs = Number.NEGATIVE_INFINITY;
  private readonly clock: Clock;
  private readonly logger: Logger;

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
  }

  get isOver(): boolean {
    return this.clock.monotonicMs() >= this.untilMs;
  }

  begin(error: unknown): void {
    if (this.isOver) this.logger.warn({ error }, "the disk cache could not write or remove a file; it rests for a while, and reads go to the block store");
    this.untilMs = this.clock.monotonicMs() + restMs;
  }
}
