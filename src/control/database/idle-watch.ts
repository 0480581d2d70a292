import type { Clock, Timer } from "#base/clock.ts";
import { DatabaseError } from "./port.ts";

/** How long a transaction may do nothing: it keeps the others waiting. */
export const idleMsMax = 30_000;

/** Ends a transaction whose `work` waits for something else than the database, or for itself. */
export class IdleWatch {
  private readonly clock: Clock;
  private usedMs = 0;
  private running = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A statement of the transaction. */
  async during<T>(statement: () => PromiseLike<T>): Promise<T> {
    this.running++;
    try {
      return await statement();
    } finally {
      this.running--;
      this.usedMs = this.clock.monotonicMs();
    }
  }

  /** The transaction: an error where it did nothing for too long. */
  async over<T>(work: () => Promise<T>): Promise<T> {
    this.usedMs = this.clock.monotonicMs();
    let timer: Timer | undefined;
    const idle = new Promise<never>((_, reject) => {
      const look = (): void => {
        const leftMs = this.running > 0 ? idleMsMax : this.usedMs + idleMsMax - this.clock.monotonicMs();
        if (leftMs > 0) timer = this.clock.after(leftMs, look);
        else reject(new DatabaseError(`a change of the control plane's database did nothing for ${idleMsMax / 1000} s and was given up; nothing of it was kept`));
      };
      timer = this.clock.after(idleMsMax, look);
    });
    try {
      return await Promise.race([work(), idle]);
    } finally {
      timer?.cancel();
    }
  }
}
