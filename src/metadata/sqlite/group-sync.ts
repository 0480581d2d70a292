import type { Clock } from "#base/clock.ts";
import type { Durations } from "#telemetry/distribution.ts";

/** Syncs a file's data without holding the event loop, and calls back. */
export type SyncFile = (fd: number, done: (error: Error | null) => void) => void;

/** Turns between two syncs when somebody waits for the second: a sync costs as much as a dozen requests. */
const gatherTurns = 2;

/**
 * One sync of the WAL at a time, each for everybody who committed before it began. A sync that failed is never retried: the
 * kernel may have marked the pages clean, so that a second one would succeed without having written them.
 */
export class GroupSync {
  private readonly fd: number;
  private readonly sync: SyncFile;
  private readonly clock: Clock;
  private readonly fatal: (error: Error) => void;
  /** Where each sync that was done is counted; absent: nowhere. */
  durations: Durations | null = null;
  private waiting: (() => void)[] = [];
  private running = false;
  private failed = false;

  constructor(fd: number, sync: SyncFile, clock: Clock, fatal: (error: Error) => void) {
    this.fd = fd;
    this.clock = clock;
    this.sync = sync;
    this.fatal = fatal;
  }

  /** Calls `durable` when what was committed until now is on stable storage; never after a sync failed. */
  add(durable: () => void): void {
    this.waiting.push(durable);
    if (!this.running && !this.failed) this.begin();
  }

  /** Within a callback: nothing was committed since the sync began. */
  get settled(): boolean {
    return this.waiting.length === 0;
  }

  private begin(): void {
    const covered = this.waiting;
    this.waiting = [];
    this.running = true;
    const begunMs = this.clock.monotonicMs();
    this.sync(this.fd, (error) => {
      this.running = false;
      if (error !== null) {
        this.failed = true;
        this.fatal(error);
        return;
      }
      this.durations?.add(this.clock.monotonicMs() - begunMs);
      for (let i = 0; i < covered.length; i++) (covered[i] as () => void)();
      if (this.waiting.length > 0 && !this.running) this.beginAfter(gatherTurns);
    });
  }

  /** Lets some turns pass first: clients just answered send their next requests, and these share the sync. */
  private beginAfter(turns: number): void {
    if (turns === 0) return this.begin();
    this.running = true;
    this.clock.atTurnEnd(() => this.beginAfter(turns - 1));
  }
}
