import type { Clock, Timer } from "#base/clock.ts";
import { type Time, timeAfter } from "#base/time.ts";
import type { Change, ChangeSet, Condition } from "#model/change-set.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";

/** How long the times of owners whose streams are written are gathered before they are stored. */
const storeAfterMs = 1_000;
/** Owners that wait; past this a write of a stream leaves its owner's times alone until some were stored. */
const waitingMax = 16_384;
/** Sets given to the store together. */
const setsAtOnce = 256;

/** A set that stores what was seen before: nobody is told of it again. */
export class GatheredTimes implements ChangeSet {
  readonly conditions: readonly Condition[];
  readonly changes: readonly Change[];

  constructor(conditions: readonly Condition[], changes: readonly Change[]) {
    this.conditions = conditions;
    this.changes = changes;
  }
}

/**
 * Times of files whose streams were written: a file's last write and last change are those of any of its streams (MS-FSA 2.1.4.17). They are
 * laid over the rows at once and stored a moment later, together for all writes of that moment; a crash loses that much of them.
 */
export class OwnerTimes {
  private readonly waiting = new Map<number, Time>();
  private readonly store: MetadataStore;
  private readonly clock: Clock;
  /** The log's number now, as an explicit mtime is stored with. */
  private readonly sequence: () => number;
  private readonly failed: (error: unknown) => void;
  private timer: Timer | null = null;
  private storing: Promise<void> | null = null;
  private closed = false;

  constructor(store: MetadataStore, clock: Clock, sequence: () => number, failed: (error: unknown) => void) {
    this.store = store;
    this.clock = clock;
    this.sequence = sequence;
    this.failed = failed;
  }

  /** A stream of this owner was written now. */
  note(owner: FileId): void {
    if (this.closed || (this.waiting.size >= waitingMax && !this.waiting.has(owner))) return;
    this.waiting.set(owner, this.clock.now());
    this.timer ??= this.clock.after(storeAfterMs, () => this.onTimer());
  }

  /** A row with the times that were not stored yet. */
  over(row: Inode): Inode {
    if (this.waiting.size === 0) return row;
    const time = this.waiting.get(row.id);
    if (time === undefined || !time.isAfter(row.mtime)) return row;
    return row.with({ mtime: time, ctime: time.isAfter(row.ctime) ? time : row.ctime });
  }

  /** mtime was set, or the object is gone. */
  forget(id: number): void {
    if (this.waiting.size > 0) this.waiting.delete(id);
  }

  /** Stores what waits and ends. */
  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    await this.storing;
    await this.storeAll();
  }

  private onTimer(): void {
    this.timer = null;
    this.storing = this.storeAll()
      .catch(this.failed)
      .finally(() => {
        this.storing = null;
        if (this.waiting.size > 0 && !this.closed) this.timer ??= this.clock.after(storeAfterMs, () => this.onTimer());
      });
  }

  private async storeAll(): Promise<void> {
    const all = [...this.waiting];
    for (let from = 0; from < all.length; from += setsAtOnce) {
      await Promise.all(all.slice(from, from + setsAtOnce).map(([id, time]) => this.storeOne(id as FileId, time)));
    }
  }

  private async storeOne(id: FileId, time: Time): Promise<void> {
    const row = await this.store.inode(id);
    if (row !== null && row.links > 0 && this.waiting.get(id) === time) {
      const mtimeSequence = row.type === FileType.regular ? { mtimeSequence: this.sequence() } : {};
      const mtime = time.isAfter(row.mtime) ? { mtime: time, ...mtimeSequence } : {};
      await this.store.apply(new GatheredTimes([{ is: "live", id }], [{ do: "setAttributes", id, at: timeAfter(row.ctime, time), ...mtime }]));
    }
    if (this.waiting.get(id) === time) this.waiting.delete(id);
  }
}
