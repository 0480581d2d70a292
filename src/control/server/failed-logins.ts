import type { Clock, Timer } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { LoginEvent } from "../sessions/port.ts";

/** How long failures of one name from one address are summed. */
export const sumMs = 60_000;
/** Names and addresses summed at once; a failure of another is written by itself. */
export const sumsMax = 1000;

interface Sum {
  readonly event: LoginEvent;
  /** Failures since the one that was written. */
  more: number;
  lastAt: number;
  readonly timer: Timer;
}

/**
 * Keeps somebody who guesses passwords from filling the audit log: the first failure of a name from an address is written at once,
 * those of the minute after it as one line with their number.
 */
export class FailedLogins {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly write: (event: LoginEvent, at: number, attempts: number) => Promise<void>;
  private readonly sums = new Map<string, Sum>();
  private readonly writing = new Set<Promise<void>>();

  constructor(clock: Clock, logger: Logger, write: (event: LoginEvent, at: number, attempts: number) => Promise<void>) {
    this.clock = clock;
    this.logger = logger;
    this.write = write;
  }

  async note(event: LoginEvent, at: number): Promise<void> {
    const key = JSON.stringify([event.user, event.address, event.sessionId]);
    const sum = this.sums.get(key);
    if (sum !== undefined) {
      sum.more++;
      sum.lastAt = at;
      return;
    }
    if (this.sums.size < sumsMax) this.sums.set(key, { event, more: 0, lastAt: at, timer: this.clock.after(sumMs, () => this.end(key)) });
    await this.write(event, at, 1);
  }

  /** Writes what is summed. */
  async close(): Promise<void> {
    for (const key of [...this.sums.keys()]) this.end(key);
    await Promise.all(this.writing);
  }

  private end(key: string): void {
    const sum = this.sums.get(key);
    this.sums.delete(key);
    sum?.timer.cancel();
    if (sum === undefined || sum.more === 0) return;
    const { event, lastAt, more } = sum;
    const written = this.write(event, lastAt, more)
      .catch((err: unknown) => this.logger.error({ err, user: event.user, address: event.address, attempts: more }, "failed log-ins could not be written to the audit log"))
      .finally(() => this.writing.delete(written));
    this.writing.add(written);
  }
}
