import type { Clock, Timer } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";

/** How often access times are stored. */
const storeEveryMs = 300_000;
/** Access times waiting to be stored; past this reading leaves them alone until some were. */
const waitingMax = 65_536;
/** Sets given to the store together. */
const setsAtOnce = 256;
/** An access time older than this is renewed by the next read even of a file that did not change. */
const renewAfterSec = 86_400;

/**
 * Access times, as Linux' "relatime" has them: a read renews one that is not later than the last change or that is a day old.
 * They are kept in memory, laid over the rows, and stored at most once in five minutes and at close: a crash loses the last of
 * them, and nothing else.
 */
export class AccessTimes {
  private readonly waiting = new Map<number, Time>();
  private readonly store: MetadataStore;
  private readonly clock: Clock;
  private readonly failed: (error: unknown) => void;
  private timer: Timer | null = null;
  private storing: Promise<void> | null = null;
  private closed = false;

  constructor(store: MetadataStore, clock: Clock, failed: (error: unknown) => void) {
    this.store = store;
    this.clock = clock;
    this.failed = failed;
  }

  /** The inode after it was read now: the same one where its access time may stay. */
  read(inode: Inode): Inode {
    const atime = inode.atime;
    const late = atime.isAfter(inode.mtime) && atime.isAfter(inode.ctime);
    const now = this.clock.now();
    if (late && now.sec - atime.sec < renewAfterSec) return inode;
    if (!now.isAfter(atime) || this.closed || this.waiting.size >= waitingMax) return inode;
    this.waiting.set(inode.id, now);
    this.timer ??= this.clock.after(storeEveryMs, () => this.onTimer());
    return inode.with({ atime: now });
  }

  /** A row with the access time that was not stored yet. */
  over(row: Inode): Inode {
    if (this.waiting.size === 0) return row;
    const atime = this.waiting.get(row.id);
    return atime === undefined || !atime.isAfter(row.atime) ? row : row.with({ atime });
  }

  /** The access time was set, or the object is gone. */
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
      });
  }

  private async storeAll(): Promise<void> {
    const all = [...this.waiting];
    for (let from = 0; from < all.length; from += setsAtOnce) {
      await Promise.all(all.slice(from, from + setsAtOnce).map(([id, atime]) => this.storeOne(id as FileId, atime)));
    }
  }

  private async storeOne(id: FileId, atime: Time): Promise<void> {
    await this.store.apply({ conditions: [{ is: "live", id }], changes: [{ do: "setAccessTime", id, atime }] });
    if (this.waiting.get(id) === atime) this.waiting.delete(id);
  }
}
