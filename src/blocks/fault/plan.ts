import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { StoreUnavailableError } from "#model/block-store.ts";
import type { Faults, Operation } from "./index.ts";

export interface FaultPlan {
  readonly clock: Clock;
  /** A seeded one gives the same faults for the same operations. */
  readonly random: Random;
  /** Each operation waits a random time up to this before the store is asked. */
  readonly latencyMsMax?: number;
  /** How many of a thousand operations fail before the store is asked. */
  readonly errors?: number;
  /** How many of a thousand are done and fail for their caller. */
  readonly lost?: number;
  /** How many of a thousand reads fail after part of their bytes. */
  readonly halves?: number;
}

/** A list of so many entries fails as often as another operation. */
const listEntries = 100;

/** Faults by chance; and an outage, for as long as `down` holds an error. */
export class PlannedFaults implements Faults {
  readonly #plan: FaultPlan;
  /** What every operation fails with, or null. Operations that wait already fail, too. */
  down: Error | null = null;
  /** No faults by chance meanwhile. */
  paused = false;
  /** Operations asked for, and faults made. */
  asked = 0;
  made = 0;

  constructor(plan: FaultPlan) {
    this.#plan = plan;
  }

  async before(operation: Operation, key: string): Promise<void> {
    this.asked++;
    const { clock, latencyMsMax = 0, errors = 0 } = this.#plan;
    if (latencyMsMax > 0) {
      const waitMs = (this.#draw(65_536) / 65_536) * latencyMsMax;
      await new Promise<void>((resolve) => clock.after(waitMs, resolve));
    }
    if (this.down !== null) throw this.down;
    if (this.#hits(errors)) throw this.#fault(`${operation} ${key}: an error, by plan`);
  }

  after(operation: Operation, key: string): void {
    if (this.down !== null) throw this.down;
    // Asked after each entry of a list: else none would ever end.
    if (this.#hits((this.#plan.lost ?? 0) / (operation === "list" ? listEntries : 1))) throw this.#fault(`${operation} ${key}: done, and the answer lost, by plan`);
  }

  cut(key: string, length: number): { readonly bytes: number; readonly error: Error } | null {
    if (!this.#hits(this.#plan.halves ?? 0)) return null;
    return { bytes: this.#draw(length), error: this.#fault(`get ${key}: cut, by plan`) };
  }

  #fault(text: string): Error {
    this.made++;
    return new StoreUnavailableError(text);
  }

  #hits(ofThousand: number): boolean {
    return !this.paused && ofThousand > 0 && this.#draw(1000) < ofThousand;
  }

  /** An integer below `bound`, at least 0. */
  #draw(bound: number): number {
    const [a = 0, b = 0, c = 0] = this.#plan.random.bytes(3);
    return Math.floor(((a * 65_536 + b * 256 + c) / 16_777_216) * bound);
  }
}
