import type { LockRange } from "./range.ts";

/** What a lock request came to. `full`: the file has as many locks, or waits, as it may. */
export const LockOutcome = { granted: "granted", conflict: "conflict", full: "full", closed: "closed", cancelled: "cancelled" } as const;
export type LockOutcome = (typeof LockOutcome)[keyof typeof LockOutcome];

/** Told by its identity. */
export type LockOwner = object;

export interface LockRequest {
  readonly range: LockRange;
  readonly exclusive: boolean;
}

class Lock {
  readonly owner: LockOwner;
  readonly range: LockRange;
  readonly exclusive: boolean;

  constructor(owner: LockOwner, range: LockRange, exclusive: boolean) {
    this.owner = owner;
    this.range = range;
    this.exclusive = exclusive;
  }
}

/** A request that waits for locks of others to go. */
export class LockWait {
  readonly owner: LockOwner;
  readonly request: LockRequest;
  private done: ((outcome: LockOutcome) => void) | null;
  private readonly file: FileLocks;

  constructor(file: FileLocks, owner: LockOwner, request: LockRequest, done: (outcome: LockOutcome) => void) {
    this.file = file;
    this.owner = owner;
    this.request = request;
    this.done = done;
  }

  /** Stops to wait; harmless once it ended. */
  cancel(): void {
    if (this.done === null) return;
    this.file.forget(this);
    this.end(LockOutcome.cancelled);
  }

  end(outcome: LockOutcome): void {
    const done = this.done;
    this.done = null;
    done?.(outcome);
  }
}

/** The locks of one file and who waits for some. */
export class FileLocks {
  private locks: Lock[] = [];
  private waiting: LockWait[] = [];

  get held(): number {
    return this.locks.length;
  }

  get waits(): number {
    return this.waiting.length;
  }

  get idle(): boolean {
    return this.locks.length === 0 && this.waiting.length === 0;
  }

  /**
   * Whether somebody's lock bars a new one (MS-FSA 2.1.4.10, LockIntent true): an exclusive one is barred by any lock, its owner's
   * too; a shared one by exclusive locks of others.
   */
  bars(owner: LockOwner, range: LockRange, exclusive: boolean): boolean {
    const { locks } = this;
    for (let i = 0; i < locks.length; i++) {
      const lock = locks[i]!;
      if (!exclusive && (!lock.exclusive || lock.owner === owner)) continue;
      if (lock.range.overlaps(range)) return true;
    }
    return false;
  }

  /**
   * Whether a lock bars reading or writing (LockIntent false): others' exclusive locks bar both, and nobody writes under a shared
   * lock, not even whoever holds it. `range` is not empty: nothing bars nothing.
   */
  barsAccess(by: LockOwner | null, range: LockRange, write: boolean): boolean {
    const { locks } = this;
    for (let i = 0; i < locks.length; i++) {
      const lock = locks[i]!;
      if (lock.exclusive ? lock.owner === by : !write) continue;
      if (lock.range.overlaps(range)) return true;
    }
    return false;
  }

  add(owner: LockOwner, range: LockRange, exclusive: boolean): void {
    this.locks.push(new Lock(owner, range, exclusive));
  }

  /** Takes back the last `count` locks that were added. */
  undo(count: number): void {
    this.locks.length -= count;
  }

  /** Takes one lock of exactly this range away, an exclusive one before a shared one; false where the owner has none. */
  remove(owner: LockOwner, range: LockRange): boolean {
    const { locks } = this;
    let found = -1;
    for (let i = 0; i < locks.length; i++) {
      const lock = locks[i]!;
      if (lock.owner !== owner || !lock.range.equals(range)) continue;
      if (found < 0 || lock.exclusive) found = i;
      if (lock.exclusive) break;
    }
    if (found < 0) return false;
    locks.splice(found, 1);
    return true;
  }

  /** Takes everything of an owner away, what it waits for too; gives how many locks went. */
  removeAll(owner: LockOwner): number {
    const before = this.locks.length;
    this.locks = this.locks.filter((lock) => lock.owner !== owner);
    const ended = this.waiting.filter((wait) => wait.owner === owner);
    if (ended.length > 0) {
      this.waiting = this.waiting.filter((wait) => wait.owner !== owner);
      for (const wait of ended) wait.end(LockOutcome.closed);
    }
    return before - this.locks.length;
  }

  of(owner: LockOwner): readonly LockRequest[] {
    return this.locks.filter((lock) => lock.owner === owner).map(({ range, exclusive }) => ({ range, exclusive }));
  }

  queue(wait: LockWait): void {
    this.waiting.push(wait);
  }

  forget(wait: LockWait): void {
    this.waiting = this.waiting.filter((one) => one !== wait);
  }

  /**
   * Grants, in the order they came, what waits and is barred no longer; gives how many. One that is still barred holds up nobody
   * behind it: its owner may wait for just them.
   */
  grantWaiting(): number {
    const granted: LockWait[] = [];
    const still: LockWait[] = [];
    for (const wait of this.waiting) {
      const { range, exclusive } = wait.request;
      if (this.bars(wait.owner, range, exclusive)) still.push(wait);
      else {
        this.add(wait.owner, range, exclusive);
        granted.push(wait);
      }
    }
    this.waiting = still;
    for (const wait of granted) wait.end(LockOutcome.granted);
    return granted.length;
  }
}
