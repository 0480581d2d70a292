import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { errorCode, isFull } from "./file-ops.ts";

/** How often it is said that there is still no room. */
const fullAgainMs = 60_000;

/** Tells the server's log of a directory that takes no more files: when that begins, now and then while it lasts, and when it is over. */
export class FullDirectory {
  private readonly directory: string;
  private readonly what: string;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private saidMs = Number.NEGATIVE_INFINITY;
  private isFull = false;

  /** `what` can't be made there. */
  constructor(directory: string, what: string, clock: Clock, logger: Logger) {
    this.directory = directory;
    this.what = what;
    this.clock = clock;
    this.logger = logger;
  }

  refused(error: unknown): void {
    const now = this.clock.monotonicMs();
    this.isFull = true;
    if (now - this.saidMs < fullAgainMs) return;
    this.saidMs = now;
    const { directory, what } = this;
    const why = isFull(error) ? "its disk is full, or a quota of it is used up" : `that failed (${errorCode(error) || String(error)})`;
    const message = `no room for ${what} in ${directory}: ${why}. Writers are told that there is no space, removals go on, and nothing acknowledged is at risk; make room on the disk of that directory`;
    this.logger.error({ directory, err: error }, message);
  }

  worked(): void {
    if (!this.isFull) return;
    this.isFull = false;
    this.saidMs = Number.NEGATIVE_INFINITY;
    this.logger.info({ directory: this.directory }, `there is room for ${this.what} again`);
  }
}
