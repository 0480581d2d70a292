import type { Clock } from "#base/clock.ts";
import { StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import type { Logger } from "#telemetry/logger.ts";

/** An outage that goes on is said again after this. */
const sayAgainMs = 60_000;

/** Why a share's block store does not work at present, and since when. */
export interface StoreTrouble {
  readonly error: StoreUnavailableError | StoreRefusedError;
  /** By the monotonic clock. */
  readonly sinceMs: number;
}

/** Whether what failed will work once the store is back or set right: nothing is wrong with the content. */
export function isOutage(error: unknown): error is StoreUnavailableError | StoreRefusedError {
  return error instanceof StoreUnavailableError || error instanceof StoreRefusedError;
}

/** What is known of a share's block store by those who use it: an outage is logged when it begins, now and then, and at its end. */
export class Outage {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private saidMs = 0;
  trouble: StoreTrouble | null = null;

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
  }

  failed(error: StoreUnavailableError | StoreRefusedError): void {
    const nowMs = this.clock.monotonicMs();
    const before = this.trouble;
    this.trouble = { error, sinceMs: before?.sinceMs ?? nowMs };
    // Another kind of trouble is news: a bucket that answers again, and then refuses the key.
    if (before !== null && before.error.name === error.name && nowMs - this.saidMs < sayAgainMs) return;
    this.saidMs = nowMs;
    const forMs = Math.round(nowMs - this.trouble.sinceMs);
    this.logger.error({ error, forMs }, "the block store does not work; what is written waits in the log, and reads of what is only there wait");
  }

  worked(): void {
    if (this.trouble === null) return;
    const forMs = Math.round(this.clock.monotonicMs() - this.trouble.sinceMs);
    this.trouble = null;
    this.logger.info({ forMs }, "the block store works again");
  }
}
