import type { Clock } from "#base/clock.ts";

/** The requests of clients that a share has in hand and that wait for something. */
export class Requests {
  private readonly clock: Clock;
  private waiting = 0;
  private whenNone: (() => void)[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  enter(): void {
    this.waiting++;
  }

  leave(): void {
    this.waiting--;
    if (this.waiting > 0 || this.whenNone.length === 0) return;
    const told = this.whenNone;
    this.whenNone = [];
    for (const tell of told) tell();
  }

  /** Resolves with true once there are none, with false when there are still some after `deadlineMs`. */
  async none(deadlineMs: number): Promise<boolean> {
    if (this.waiting === 0) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = this.clock.after(deadlineMs, () => resolve(false));
    this.whenNone.push(() => resolve(true));
    const none = await promise;
    timer.cancel();
    return none;
  }
}
