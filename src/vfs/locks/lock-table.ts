import type { FileId } from "#model/ids.ts";
import { FileLocks, LockOutcome, type LockOwner, type LockRequest, LockWait } from "./file-locks.ts";
import { type LockRange, rangeAt } from "./range.ts";

/** Locks one file may have: whoever reads or writes it looks at them all. */
export const fileLocksMax = 16_384;
/** Requests that may wait for one file's locks. */
export const fileWaitsMax = 256;

export class LockTable {
  /** Locks that are held, of all files: 0 is the fast path of reading and writing. */
  held = 0;
  private readonly files = new Map<FileId, FileLocks>();

  /** Takes all of `requests` or none. */
  lock(id: FileId, owner: LockOwner, requests: readonly LockRequest[]): LockOutcome {
    const file = this.files.get(id) ?? new FileLocks();
    if (file.held + requests.length > fileLocksMax) return LockOutcome.full;
    for (let i = 0; i < requests.length; i++) {
      const { range, exclusive } = requests[i]!;
      if (file.bars(owner, range, exclusive)) {
        file.undo(i);
        return LockOutcome.conflict;
      }
      file.add(owner, range, exclusive);
    }
    this.files.set(id, file);
    this.held += requests.length;
    return LockOutcome.granted;
  }

  /**
   * Waits for a lock that was just refused. `done` is called once, never before this returns: granted, cancelled, or closed where
   * the owner's locks were released. Null: too many wait for this file already.
   */
  wait(id: FileId, owner: LockOwner, request: LockRequest, done: (outcome: LockOutcome) => void): LockWait | null {
    const file = this.files.get(id);
    if (file === undefined || file.waits >= fileWaitsMax) return null;
    const wait = new LockWait(file, owner, request, done);
    file.queue(wait);
    return wait;
  }

  /** Takes the locks of exactly these ranges away, one each, up to the first that the owner has not; gives how many went. */
  unlock(id: FileId, owner: LockOwner, ranges: readonly LockRange[]): number {
    const file = this.files.get(id);
    if (file === undefined) return 0;
    let gone = 0;
    while (gone < ranges.length && file.remove(owner, ranges[gone]!)) gone++;
    if (gone > 0) this.gone(id, file, gone);
    return gone;
  }

  /** Takes everything of an owner away; what it waited for ends as closed. */
  release(id: FileId, owner: LockOwner): void {
    const file = this.files.get(id);
    if (file !== undefined) this.gone(id, file, file.removeAll(owner));
  }

  /** Whether reading or writing this range has to be refused; `by` null: somebody who can own no lock. */
  bars(id: FileId, by: LockOwner | null, offset: number, length: number, write: boolean): boolean {
    if (this.held === 0 || length === 0) return false;
    const file = this.files.get(id);
    return file !== undefined && file.held > 0 && file.barsAccess(by, rangeAt(offset, length), write);
  }

  /** Whether anybody has locked something of the file. */
  anyOf(id: FileId): boolean {
    return (this.files.get(id)?.held ?? 0) > 0;
  }

  /** What an owner has locked, in the order it did. */
  of(id: FileId, owner: LockOwner): readonly LockRequest[] {
    return this.files.get(id)?.of(owner) ?? [];
  }

  private gone(id: FileId, file: FileLocks, count: number): void {
    this.held -= count;
    if (file.waits > 0) this.held += file.grantWaiting();
    if (file.idle) this.files.delete(id);
  }
}
