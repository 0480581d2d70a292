import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";

interface Part {
  readonly name: string;
  stop(leftMs: number): Promise<void> | void;
}

/** What was started, so that it is stopped in the opposite order, each part whatever became of the one before. */
export class Lifecycle {
  /** When nothing of it runs any more, once it is being stopped. */
  ended: Promise<void> = Promise.resolve();
  private readonly parts: Part[] = [];
  /** What is being stopped. */
  private stopping = "";
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

  /**
   * Stops everything, the last started first. True when each part stopped without an error and within `timeoutMs` in all. Past that
   * nobody waits any more, but it goes on: `ended` resolves when nothing of it runs.
   */
  async stop(timeoutMs: number): Promise<boolean> {
    const late = Promise.withResolvers<"late">();
    const timer = this.clock.after(timeoutMs, () => late.resolve("late"));
    const all = this.stopAll(this.clock.monotonicMs() + timeoutMs);
    this.ended = all.then(() => {});
    const outcome = await Promise.race([all, late.promise]);
    timer.cancel();
    if (outcome !== "late") return outcome;
    this.logger.warn({ part: this.stopping, timeoutMs }, "did not stop in time; what was acknowledged is on disk, the next start takes it from there");
    return false;
  }

  private async stopAll(deadlineMs: number): Promise<boolean> {
    let clean = true;
    for (let part = this.parts.pop(); part !== undefined; part = this.parts.pop()) {
      const begun = this.clock.monotonicMs();
      this.stopping = part.name;
      if (!(await this.stopOne(part, Math.max(0, deadlineMs - begun)))) clean = false;
      this.logger.debug({ part: part.name, ms: Math.round(this.clock.monotonicMs() - begun) }, "stopped");
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
