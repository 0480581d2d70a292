import type { PackId } from "#model/ids.ts";
import type { Slot } from "./slots.ts";

/** What the database counted when nothing was on its way there. */
export interface Counts {
  readonly referred: Map<PackId, number>;
  usage: { readonly inodes: number; readonly bytes: number } | null;
}

/** A query on its way: what it brings is older than every batch above `acked`. */
export interface Fetching {
  readonly acked: number;
}

/**
 * Which rows batches on their way wrote. They stay until the batch is committed and every query that may have been answered from
 * before that is over: what a query brings is then good for whatever is not known when it arrives.
 */
export class Pins {
  private readonly pinned: (slot: Slot) => void;
  private readonly unpinned: (slot: Slot) => void;
  private acked = 0;
  private counts: Counts | null = null;
  private readonly fetching = new Set<Fetching>();
  private unreleased: { readonly batch: number; readonly slots: readonly Slot[] }[] = [];
  private released: (() => void)[] = [];

  /** Told of a row that is pinned for the first time, and of one that nothing pins any more. */
  constructor(pinned: (slot: Slot) => void, unpinned: (slot: Slot) => void) {
    this.pinned = pinned;
    this.unpinned = unpinned;
  }

  /** Nothing is on its way. */
  get quiet(): boolean {
    return this.unreleased.length === 0;
  }

  /** What was counted, as long as it holds. */
  counted(): Counts | null {
    return this.counts;
  }

  /** To write down what is counted now; what is evaluated meanwhile makes it worthless. */
  count(): Counts {
    return (this.counts ??= { referred: new Map(), usage: null });
  }

  fetchBegins(): Fetching {
    const fetching = { acked: this.acked };
    this.fetching.add(fetching);
    return fetching;
  }

  fetchEnds(fetching: Fetching): void {
    this.fetching.delete(fetching);
    this.release();
  }

  /** A batch wrote these; they stay until it is committed and no query is older. */
  pin(batch: number, slots: readonly Slot[]): void {
    this.counts = null;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as Slot;
      if (slot.pins++ === 0) this.pinned(slot);
    }
    this.unreleased.push({ batch, slots });
  }

  /** Batches up to this one are committed. */
  committed(batch: number): void {
    this.acked = batch;
    this.release();
  }

  /** Resolves when some batch let go of its rows. */
  nextRelease(): Promise<void> {
    return new Promise((resolve) => this.released.push(resolve));
  }

  private release(): void {
    let oldest = this.acked;
    for (const { acked } of this.fetching) if (acked < oldest) oldest = acked;
    let count = 0;
    while (count < this.unreleased.length && (this.unreleased[count]?.batch as number) <= oldest) {
      const { slots } = this.unreleased[count++] as { slots: readonly Slot[] };
      for (let i = 0; i < slots.length; i++) this.unpin(slots[i] as Slot);
    }
    if (count === 0) return;
    this.unreleased = this.unreleased.slice(count);
    const waiting = this.released;
    this.released = [];
    for (const go of waiting) go();
  }

  private unpin(slot: Slot): void {
    if (--slot.pins === 0) this.unpinned(slot);
  }
}
