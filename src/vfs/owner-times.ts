import type { Clock } from "#base/clock.ts";
import { type Time, timeAfter } from "#base/time.ts";
import type { Change, ChangeSet, Condition } from "#model/change-set.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { WaitingTimes } from "./waiting-times.ts";

/** How long the times of owners whose streams are written are gathered before they are stored. */
const storeAfterMs = 1_000;
/** Owners that wait; past this a write of a stream leaves its owner's times alone until some were stored. */
const waitingMax = 16_384;

/** A set that stores what was seen before: nobody is told of it again. */
export class GatheredTimes implements ChangeSet {
  readonly conditions: readonly Condition[];
  readonly changes: readonly Change[];

  constructor(conditions: readonly Condition[], changes: readonly Change[]) {
    this.conditions = conditions;
    this.changes = changes;
  }
}

/** Times of files whose streams were written: a file's last write and last change are those of any of its streams (MS-FSA 2.1.4.17). */
export class OwnerTimes extends WaitingTimes {
  /** The log's number now, as an explicit mtime is stored with. */
  private readonly sequence: () => number;

  constructor(store: MetadataStore, clock: Clock, sequence: () => number, failed: (error: unknown) => void) {
    super({ store, clock, storeAfterMs, waitingMax, failed });
    this.sequence = sequence;
  }

  /** A stream of this owner was written now. */
  note(owner: FileId): void {
    this.keep(owner, this.clock.now());
  }

  /** A row with the times that were not stored yet. */
  over(row: Inode): Inode {
    const time = this.waits(row.id);
    if (time === undefined || !time.isAfter(row.mtime)) return row;
    return row.with({ mtime: time, ctime: time.isAfter(row.ctime) ? time : row.ctime });
  }

  protected override async storeOne(id: FileId, time: Time): Promise<void> {
    const row = await this.store.inode(id);
    // What was set meanwhile stays as it was set.
    if (row === null || row.links === 0 || this.waits(id) !== time) return;
    const mtimeSequence = row.type === FileType.regular ? { mtimeSequence: this.sequence() } : {};
    const mtime = time.isAfter(row.mtime) ? { mtime: time, ...mtimeSequence } : {};
    await this.store.apply(new GatheredTimes([{ is: "live", id }], [{ do: "setAttributes", id, at: timeAfter(row.ctime, time), ...mtime }]));
  }
}
