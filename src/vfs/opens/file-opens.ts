import type { Credentials } from "#model/credentials.ts";
import type { FileId } from "#model/ids.ts";
import { Cached, type Cause } from "./caching.ts";
import type { Lease } from "./lease.ts";
import type { OpenFile, Place } from "./open-file.ts";

/** A name that goes with the last open of its file, and by whose right. */
export interface Deletion {
  readonly place: Place;
  readonly who: Credentials;
}

const none: readonly Lease[] = [];

/** All opens of one file. */
export class FileOpens {
  readonly id: FileId;
  readonly opens: OpenFile[] = [];
  /** Replaced as a whole by `add` and `drop`: who goes through them sees those there were. */
  leases: readonly Lease[] = none;
  /** Set: nobody opens the file by this name any more (MS-FSA, Link.IsDeleted). */
  deletion: Deletion | null = null;
  /** It lost its last link: the last close frees it. */
  orphaned = false;
  /** Something else is about to take its place, because it is empty: until that is decided its content stays as it is. */
  replacing = false;
  /** What the protocol of its opens keeps of it meanwhile. */
  notes: object | null = null;
  private waiting: (() => void)[] | null = null;

  constructor(id: FileId) {
    this.id = id;
  }

  add(lease: Lease): void {
    this.leases = [...this.leases, lease];
  }

  drop(lease: Lease): void {
    this.leases = this.leases.length === 1 && this.leases[0] === lease ? none : this.leases.filter((other) => other !== lease);
  }

  /** Has everybody but `by` give up what `cause` takes; whether that has to be waited for. A level II oplock stands in its own open's way too. */
  breakFor(cause: Cause, by: OpenFile | null): boolean {
    if (this.leases.length === 0) return false;
    const own = by?.lease ?? null;
    const inTheWay = own !== null && own.key === null && own.state === Cached.read && by?.emptying === false;
    const mine = inTheWay ? null : own;
    let waits = false;
    for (const lease of this.leases) if (lease !== mine && lease.breakFor(cause, false)) waits = true;
    return waits;
  }

  /** Resolves when an open or lease of the file changes: time to look again. Every wait ends, as every break does. */
  change(): Promise<void> {
    return new Promise((resolve) => (this.waiting ??= []).push(resolve));
  }

  changed(): void {
    const woken = this.waiting;
    if (woken === null) return;
    this.waiting = null;
    for (const wake of woken) wake();
  }
}
