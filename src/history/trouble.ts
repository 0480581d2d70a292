import type { Clock } from "#base/clock.ts";
import { StoreUnavailableError } from "#model/block-store.ts";
import type { Logger } from "#telemetry/logger.ts";

/** What keeps a history from being published, in words, and since when. The log is told when it begins and when it is over. */
export class Trouble {
  message: string | null = null;
  private sinceMs = 0;
  /** Nothing but a look met it. */
  private wasLooked = false;
  private readonly clock: Clock;
  private readonly logger: Logger;

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
  }

  /** How long there has been some, in ms; null: there is none. */
  get ms(): number | null {
    return this.message === null ? null : Math.max(0, Math.round(this.clock.monotonicMs() - this.sinceMs));
  }

  /** It heals by itself. */
  met(error: unknown): void {
    this.wasLooked = false;
    if (this.message === null) this.logger.error({ error }, "the share's history can't be published at present; it is kept and tried again");
    this.is(error instanceof Error ? error.message : String(error));
  }

  /** Nobody needs to be told. */
  is(message: string): void {
    if (this.message === null) this.sinceMs = this.clock.monotonicMs();
    this.message = message;
  }

  /**
   * What a look at the store comes to while there is nothing to publish; null: it went well. A store that is away for a moment is no
   * trouble to anybody then; one that refuses will be, to the next change.
   */
  looked(error: unknown): void {
    if (error === null) {
      if (this.wasLooked) this.over();
    } else if (!(error instanceof StoreUnavailableError)) {
      const isFirst = this.message === null || this.wasLooked;
      this.met(error);
      this.wasLooked = isFirst;
    }
  }

  over(): void {
    this.wasLooked = false;
    if (this.message !== null) this.logger.info({}, "the share's history goes on");
    this.message = null;
  }
}
