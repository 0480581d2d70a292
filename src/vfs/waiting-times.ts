import type { Clock, Timer } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { FileId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";

/** Sets given to the store together. */
const setsAtOnce = 256;

export interface WaitingTimesOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  /** How long a time waits at most. */
  readonly storeAfterMs: number;
  /** Most objects whose times wait. */
  readonly waitingMax: number;
  readonly failed: (error: unknown) => void;
}

/**
 * One time of each object that is not worth a change of its row at once: gathered here, laid over the rows meanwhile, and stored together
 * a while later and at close. A crash loses what waited, and nothing else.
 */
export abstract class WaitingTimes {
  private readonly waiting = new Map<number, Time>();
  protected readonly store: MetadataStore;
  protected readonly clock: Clock;
  private readonly storeAfterMs: number;
  private readonly waitingMax: number;
  private readonly failed: (error: unknown) => void;
  private timer: Timer | null = null;
  private storing: Promise<void> | null = null;
  private closed = false;

  protected constructor({ store, clock, storeAfterMs, waitingMax, failed }: WaitingTimesOptions) {
    this.store = store;
    this.clock = clock;
    this.storeAfterMs = storeAfterMs;
    this.waitingMax = waitingMax;
    this.failed = failed;
  }

  /** Stores the time of one object, if it still has a link. */
  protected abstract storeOne(id: FileId, time: Time): Promise<void>;

  /** The time was set otherwise, or the object is gone. */
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

  /** The time of this object that was not stored yet. */
  protected waits(id: number): Time | undefined {
    return this.waiting.size === 0 ? undefined : this.waiting.get(id);
  }

  /** False where there is no room for it, or everything was closed: then the row's own stays. */
  protected keep(id: number, time: Time): boolean {
    if (this.closed || (this.waiting.size >= this.waitingMax && !this.waiting.has(id))) return false;
    this.waiting.set(id, time);
    this.arm();
    return true;
  }

  private arm(): void {
    this.timer ??= this.clock.after(this.storeAfterMs, () => this.onTimer());
  }

  private onTimer(): void {
    this.timer = null;
    this.storing = this.storeAll()
      .catch(this.failed)
      .finally(() => {
        this.storing = null;
        if (this.waiting.size > 0 && !this.closed) this.arm();
      });
  }

  private async storeAll(): Promise<void> {
    const all = [...this.waiting];
    for (let from = 0; from < all.length; from += setsAtOnce) {
      await Promise.all(all.slice(from, from + setsAtOnce).map(([id, time]) => this.storeIfWaiting(id as FileId, time)));
    }
  }

  private async storeIfWaiting(id: FileId, time: Time): Promise<void> {
    if (this.waiting.get(id) !== time) return;
    await this.storeOne(id, time);
    if (this.waiting.get(id) === time) this.waiting.delete(id);
  }
}
