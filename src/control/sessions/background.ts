import type { Clock, Timer } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";

/**
 * Runs `work` every `everyMs`, counted from the end of the last run; `work` may ask for another time until the next. What it throws is
 * logged once until it works again.
 */
export class Background {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly everyMs: number;
  private readonly what: string;
  private readonly work: () => Promise<number | void>;
  private timer: Timer | null = null;
  private running: Promise<void> = Promise.resolve();
  private failing = false;
  private closed = false;

  constructor(clock: Clock, logger: Logger, everyMs: number, what: string, work: () => Promise<number | void>) {
    this.clock = clock;
    this.logger = logger;
    this.everyMs = everyMs;
    this.what = what;
    this.work = work;
    this.plan(everyMs);
  }

  /** Resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    await this.running;
  }

  private plan(afterMs: number): void {
    if (this.closed) return;
    this.timer = this.clock.after(afterMs, () => {
      this.running = this.run();
    });
  }

  private async run(): Promise<void> {
    let nextMs: number | void = undefined;
    try {
      nextMs = await this.work();
      if (this.failing) this.logger.info({}, `${this.what} works again`);
      this.failing = false;
    } catch (err) {
      if (!this.failing) this.logger.error({ err }, `${this.what} failed; it is tried again every ${this.everyMs / 1000} s`);
      this.failing = true;
    }
    this.plan(nextMs ?? this.everyMs);
  }
}
