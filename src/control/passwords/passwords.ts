import type { Clock } from "#base/clock.ts";
import { ControlError } from "../errors.ts";
import { ntHashOf } from "./nt-hash.ts";
import { checkPassword, comparable } from "./rules.ts";
import { WorkQueue } from "./work-queue.ts";

export interface HashedPassword {
  readonly passwordHash: string;
  /** Not wrapped yet. */
  readonly ntHash: string;
}

export interface Passwords {
  /** Refuses what can't be a password (`invalid_value`); `busy`. */
  hash(password: string): Promise<HashedPassword>;
  /** Takes as long for `null` (no such user) as for a wrong password; `busy`. */
  verify(password: string, hash: string | null): Promise<boolean>;
}

/** The work itself, off the main thread. */
export interface Bcrypt {
  hash(password: string): Promise<string>;
  verify(password: string, hash: string): Promise<boolean>;
}

export const bcryptCost = 10;
/** Log-ins that wait for their bcrypt; the next is refused. */
export const verificationsWaitingMax = 64;
/** Passwords to be set come from people who are logged in: a flood of log-ins leaves them these places. */
export const hashesWaitingMax = verificationsWaitingMax + 16;

const bunBcrypt: Bcrypt = {
  hash: (password) => Bun.password.hash(password, { algorithm: "bcrypt", cost: bcryptCost }),
  verify: (password, hash) => Bun.password.verify(password, hash, "bcrypt"),
};

/** Costs a verification may have: a hash of cost 31, however it came here, would hold up every log-in for days. */
const knownHash = /^\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/;

/**
 * The hash of a random password nobody kept: what those are compared with who can't be right. Made beforehand, because making it
 * takes as long as all the rest of a start.
 */
const dummyHash = "$2b$10$ZlfOCERhU.Fx3yY6VT0h.eUolEOPnIAVZkiTR6UugCZA2hzt14gV2";
/** What a bcrypt takes, until that is known. */
const workMsFirst = 200;

export function openPasswords(options: { readonly clock: Clock; readonly bcrypt?: Bcrypt }): Passwords {
  return new QueuedPasswords(options.bcrypt ?? bunBcrypt, options.clock);
}

class QueuedPasswords implements Passwords {
  private readonly bcrypt: Bcrypt;
  private readonly clock: Clock;
  private readonly queue = new WorkQueue();
  private workMs = workMsFirst;

  constructor(bcrypt: Bcrypt, clock: Clock) {
    this.bcrypt = bcrypt;
    this.clock = clock;
  }

  async hash(password: string): Promise<HashedPassword> {
    checkPassword(password);
    const passwordHash = await this.inTurn(() => this.bcrypt.hash(password), hashesWaitingMax);
    return { passwordHash, ntHash: ntHashOf(password) };
  }

  /** The comparison is that of two bcrypt results: what its time could tell about them is about values nobody can choose. */
  async verify(password: string, hash: string | null): Promise<boolean> {
    // What can't have been set as a password can't be right, whatever a hash of it would say.
    const possible = hash !== null && knownHash.test(hash) && comparable(password);
    const equal = await this.inTurn(() => (possible ? this.bcrypt.verify(password, hash) : this.bcrypt.verify(dummyInput, dummyHash)), verificationsWaitingMax);
    return possible && equal;
  }

  private async inTurn<T>(work: () => Promise<T>, waitingMax: number): Promise<T> {
    const running = this.queue.run(() => this.timed(work), waitingMax);
    if (running !== null) return await running;
    const retryAfterSec = Math.max(1, Math.ceil((this.queue.ahead * this.workMs) / 1000));
    throw new ControlError("busy", `Too many log-ins at once; ${this.queue.ahead} are being worked on.`, { hint: `Try again in ${retryAfterSec} seconds.`, retryAfterSec });
  }

  private async timed<T>(work: () => Promise<T>): Promise<T> {
    const began = this.clock.monotonicMs();
    try {
      return await work();
    } finally {
      this.workMs += (this.clock.monotonicMs() - began - this.workMs) / 8;
    }
  }
}

/** Its length is that of a usual password; bcrypt's cost does not depend on it. */
const dummyInput = "no password at all";
