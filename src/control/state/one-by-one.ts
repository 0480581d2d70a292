import { ControlError } from "../errors.ts";

/** Runs tasks one after another, in the order they came; a bounded number waits. */
export class OneByOne {
  private readonly waitingMax: number;
  private waiting = 0;
  private closed = false;
  private last: Promise<unknown> = Promise.resolve();

  constructor(waitingMax: number) {
    this.waitingMax = waitingMax;
  }

  run<T>(task: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new ControlError("unavailable", "The server is stopping."));
    if (this.waiting >= this.waitingMax) {
      return Promise.reject(new ControlError("busy", `${this.waiting} changes are waiting already.`, { hint: "Try again in a moment.", retryAfterSec: 1 }));
    }
    this.waiting++;
    const run = this.last.then(task).finally(() => {
      this.waiting--;
    });
    this.last = run.catch(() => {});
    return run;
  }

  /** Resolves when all that came before has ended. */
  async close(): Promise<void> {
    this.closed = true;
    await this.last;
  }
}
