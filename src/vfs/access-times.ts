import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { WaitingTimes } from "./waiting-times.ts";

/** How often access times are stored. */
const storeAfterMs = 300_000;
/** Access times waiting to be stored; past this reading leaves them alone until some were. */
const waitingMax = 65_536;
/** An access time older than this is renewed by the next read even of a file that did not change. */
const renewAfterSec = 86_400;

/** Access times, as Linux' "relatime" has them: a read renews one that is not later than the last change or that is a day old. */
export class AccessTimes extends WaitingTimes {
  constructor(store: MetadataStore, clock: Clock, failed: (error: unknown) => void) {
    super({ store, clock, storeAfterMs, waitingMax, failed });
  }

  /** The inode after it was read now: the same one where its access time may stay. */
  read(inode: Inode): Inode {
    const atime = inode.atime;
    const late = atime.isAfter(inode.mtime) && atime.isAfter(inode.ctime);
    const now = this.clock.now();
    if (late && now.sec - atime.sec < renewAfterSec) return inode;
    return now.isAfter(atime) && this.keep(inode.id, now) ? inode.with({ atime: now }) : inode;
  }

  /** A row with the access time that was not stored yet. */
  over(row: Inode): Inode {
    const atime = this.waits(row.id);
    return atime === undefined || !atime.isAfter(row.atime) ? row : row.with({ atime });
  }

  protected override async storeOne(id: FileId, atime: Time): Promise<void> {
    await this.store.apply({ conditions: [{ is: "live", id }], changes: [{ do: "setAccessTime", id, atime }] });
  }
}
