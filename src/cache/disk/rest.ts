import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { CacheFiles } from "./cache-files.ts";
import { makeDirectories } from "./reconcile.ts";

/** Nothing is written for so long after a write failed. */
const restMs = 10_000;

/** What a rest is told of the cache. */
interface RestParts {
  readonly directory: string;
  readonly files: CacheFiles;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The disk is full or broken: the store has everything, so the cache only rests. */
export class Rest {
  private untilMs = Number.NEGATIVE_INFINITY;
  private readonly parts: RestParts;
  private ended = false;

  constructor(parts: RestParts) {
    this.parts = parts;
  }

  get isOver(): boolean {
    return this.parts.clock.monotonicMs() >= this.untilMs;
  }

  /** The cache is being closed: whoever removes its directories now means it. */
  end(): void {
    this.ended = true;
  }

  begin(error: unknown): void {
    const { directory, files, clock, logger } = this.parts;
    if (this.isOver) logger.warn({ error }, "the disk cache could not write or remove a file; it rests for a while, and reads go to the block store");
    this.untilMs = clock.monotonicMs() + restMs;
    // Somebody deleted its directories under the running server, to have the space: there is no other way to go on after the rest.
    if (!this.ended && (error as NodeJS.ErrnoException).code === "ENOENT") makeDirectories(files, directory).catch(() => {});
  }
}
