import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";

interface Part {
  readonly name: string;
  stop(leftMs: number): Promise<void> | void;
}

/** What was started, so that it is stopped in the opposite order, each part whatever became of the one before. */
export class Lifecycle {
  private readonly parts: Part[] = [];
  private readonly clock: Clock;
  private readonly logger: Logger;

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
  }

  /** `stop` will be called once, with the time that is left, after everything that is started later was stopped. */
  started(name: string, stop: (leftMs: number) => Promise<void> | void): void {
    this.parts.push({ name, stop });
  }

  /** Stops everything, the last started first. True when each part stopped without an error and within `timeoutMs` in all. */
  async stop(timeoutMs: number): Promise<boolean> {
    const late = Promise.withResolvers<"late">();
    const timer = this.clock.after(timeoutMs, () => late.resolve("late"));
    const deadline = this.clock.monotonicMs() + timeoutMs;
    let clean = true;
    try {
      for (let part = this.parts.pop(); part !== undefined; part = this.parts.pop()) {
        const begun = this.clock.monotonicMs();
        const outcome = await Promise.race([this.stopOne(part, Math.max(0, deadline - begun)), late.promise]);
        if (outcome === "late") {
          this.logger.warn({ part: part.name, timeoutMs }, "did not stop in time; what was acknowledged is on disk, the next start takes it from there");
          return false;
        }
        if (!outcome) clean = false;
        this.logger.debug({ part: part.name, ms: Math.round(this.clock.monotonicMs() - begun) }, "stopped");
      }
    } finally {
      timer.cancel();
    }
    return clean;
  }

  private async stopOne(part: Part, leftMs: number): Promise<boolean> {
    try {
      await part.stop(leftMs);
      return true;
    } catch (error) {
      this.logger.error({ part: part.name, err: error }, "failed to stop");
      return false;
    }
  }
}
