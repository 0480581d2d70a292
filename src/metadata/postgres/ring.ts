import { Recency, type Ringed } from "#base/lru.ts";

/** Most that is held of each kind besides what batches on their way pin. */
export interface ViewLimits {
  readonly inodes: number;
  readonly names: number;
  readonly directories: number;
  readonly files: number;
  readonly extents: number;
  readonly packs: number;
}

/** What may be dropped, bounded; for a moment it may hold more. */
export class Ring<V extends Ringed> {
  private readonly recency: Recency<V>;
  private readonly limit: number;
  private readonly evict: (value: V) => void;

  constructor(limit: number, evict: (value: V) => void) {
    this.recency = new Recency(limit);
    this.limit = limit;
    this.evict = evict;
  }

  add(value: V): void {
    const evicted = this.recency.add(value);
    if (evicted !== null) this.evict(evicted);
  }

  /** Harmless where it isn't held. */
  remove(value: V): void {
    this.recency.remove(value);
  }

  /** Drops half of what it holds. */
  halve(): void {
    const { capacity } = this.recency;
    this.recency.resize(this.recency.size / 2, this.evict);
    this.recency.capacity = capacity;
  }

  /** Takes whatever comes until `trim`. */
  swell(): void {
    this.recency.capacity = Number.POSITIVE_INFINITY;
  }

  trim(): void {
    const more: V[] = [];
    this.recency.resize(this.limit, (value) => more.push(value));
    for (let i = 0; i < more.length; i++) this.add(more[i] as V);
  }
}
