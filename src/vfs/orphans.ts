import type { Clock, Timer } from "#base/clock.ts";
import type { FileId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";

/** Extents freed by one set, so that deleting a file of a million extents never holds up the store. */
export const extentsFreedMax = 1_000;
/** Orphans kept in mind; the rest are found in the store once these are gone. */
const queueMax = 10_000;
const scanLimit = 1_000;
const retryMs = 1_000;

/** Frees, in the background and bit by bit, files that lost their last link, once nobody has them open. What a stop interrupts the next start goes on with. */
export class Orphans {
  private readonly store: MetadataStore;
  private readonly clock: Clock;
  private readonly open: (id: FileId) => boolean;
  private readonly failed: (error: unknown) => void;
  private queue: FileId[] = [];
  /** More orphans may be in the store than in the queue. */
  private scan = true;
  private running: Promise<void> | null = null;
  private timer: Timer | null = null;
  private closed = false;

  constructor(store: MetadataStore, clock: Clock, open: (id: FileId) => boolean, failed: (error: unknown) => void) {
    this.store = store;
    this.clock = clock;
    this.open = open;
    this.failed = failed;
  }

  add(id: FileId): void {
    if (this.queue.length < queueMax) this.queue.push(id);
    else this.scan = true;
    this.start();
  }

  /** Begins to free what there is. */
  start(): void {
    if (this.running !== null || this.timer !== null || this.closed) return;
    this.running = this.run()
      .catch((error: unknown) => {
        this.failed(error);
        this.again();
      })
      .finally(() => {
        this.running = null;
        if ((this.queue.length > 0 || this.scan) && this.timer === null) this.start();
      });
  }

  /** Resolves when nothing is left to free or it has to wait. */
  async idle(): Promise<void> {
    while (this.running !== null) await this.running;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    await this.idle();
  }

  private again(): void {
    this.scan = true;
    this.queue = [];
    if (this.closed) return;
    this.timer = this.clock.after(retryMs, () => {
      this.timer = null;
      this.start();
    });
  }

  private async run(): Promise<void> {
    while (!this.closed) {
      const batch = this.queue;
      this.queue = [];
      for (let i = 0; i < batch.length; i++) if (!(await this.free(batch[i] as FileId))) return this.again();
      if (this.queue.length > 0) continue;
      if (!this.scan) return;
      this.scan = false;
      const found = await this.store.orphans(0, scanLimit);
      if (found.length === 0) return;
      if (found.length === scanLimit) this.scan = true;
      this.queue.push(...found);
    }
  }

  /** Frees one; false when the store has no room to do so now. */
  private async free(id: FileId): Promise<boolean> {
    // Its last close brings it here again.
    if (this.open(id)) return true;
    while (!this.closed) {
      const result = await this.store.apply({ conditions: [], changes: [{ do: "freeOrphan", id, extentsMax: extentsFreedMax }] });
      if (!result.applied) return false;
      const row = await this.store.inode(id);
      if (row === null || row.links > 0) return true;
    }
    return true;
  }
}
