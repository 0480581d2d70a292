import type { Clock, Timer } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { ControlError } from "../errors.ts";
import type { Changes } from "../state/index.ts";

/** How often the database is asked whether another node changed something: whoever is disabled there loses access here within a second. */
export const followIntervalMs = 500;

/** Follows the changes of other nodes, and of whoever restores a backup under a server that runs. */
export class Follower {
  private readonly changes: Changes;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private timer: Timer | null = null;
  private stopped = false;
  private silent = false;

  constructor(changes: Changes, clock: Clock, logger: Logger) {
    this.changes = changes;
    this.clock = clock;
    this.logger = logger;
  }

  start(): void {
    this.timer = this.clock.after(followIntervalMs, () => void this.look());
  }

  close(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private async look(): Promise<void> {
    try {
      await this.changes.refresh();
      if (this.silent) this.logger.info({}, "the control-plane database answers again");
      this.silent = false;
    } catch (error) {
      // Not the database's fault: too many changes wait, or the server stops.
      if (error instanceof ControlError) return this.goOn();
      // Said once: what is known keeps being served.
      if (!this.silent && !this.stopped) this.logger.error({ error }, "the control-plane database does not answer; what it last said holds, and nothing can be changed");
      this.silent = true;
    }
    this.goOn();
  }

  private goOn(): void {
    if (!this.stopped) this.start();
  }
}
