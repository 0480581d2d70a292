/** What a ring can hold: the holder's place in it, and whether it was used since the hand last passed. The ring owns `slot`. */
export interface Ringed {
  slot: number;
  /** Set it at each use: that is all a hit costs. */
  used: boolean;
}

/**
 * A bounded set that drops what was not used for long. Second chance instead of exact order: a hit writes one boolean and moves
 * nothing, and one pass over many things (a listing, a backup) drops those that were never used again before those that were.
 */
export class Recency<V extends Ringed> {
  capacity: number;
  private readonly ring: (V | null)[] = [];
  private free: number[] = [];
  private hand = 0;
  private held = 0;

  constructor(capacity: number) {
    this.capacity = Math.max(1, Math.floor(capacity));
  }

  get size(): number {
    return this.held;
  }

  /** Holds `value`; gives what had to go for it, or null. */
  add(value: V): V | null {
    const slot = this.free.pop();
    if (slot !== undefined) return this.place(value, slot, null);
    if (this.ring.length < this.capacity) {
      this.ring.push(null);
      return this.place(value, this.ring.length - 1, null);
    }
    for (;;) {
      const at = this.hand;
      this.hand = at + 1 === this.capacity ? 0 : at + 1;
      const held = this.ring[at] as V;
      if (!held.used) {
        held.slot = -1;
        this.held--;
        return this.place(value, at, held);
      }
      held.used = false;
    }
  }

  /** Has another capacity from now on; `evicted` is told of each that had to go for it. */
  resize(capacity: number, evicted: (value: V) => void): void {
    this.capacity = Math.max(1, Math.floor(capacity));
    if (this.ring.length <= this.capacity) return;
    const gone = this.ring.splice(this.capacity);
    this.free = this.free.filter((slot) => slot < this.capacity);
    if (this.hand >= this.capacity) this.hand = 0;
    for (const value of gone) {
      if (value === null) continue;
      value.slot = -1;
      this.held--;
      evicted(value);
    }
  }

  /** Lets go of `value`; harmless if it isn't held. */
  remove(value: V): void {
    const slot = value.slot;
    if (slot < 0) return;
    this.ring[slot] = null;
    this.free.push(slot);
    value.slot = -1;
    this.held--;
  }

  private place(value: V, slot: number, evicted: V | null): V | null {
    this.ring[slot] = value;
    value.slot = slot;
    this.held++;
    return evicted;
  }
}

export interface Keyed extends Ringed {
  readonly key: number;
}

/** A bounded cache of values under number keys; see `Recency` for what it drops. */
export class Lru<V extends Keyed> {
  private readonly values = new Map<number, V>();
  private readonly recency: Recency<V>;

  constructor(capacity: number) {
    this.recency = new Recency(capacity);
  }

  get size(): number {
    return this.values.size;
  }

  get(key: number): V | undefined {
    const value = this.values.get(key);
    if (value !== undefined) value.used = true;
    return value;
  }

  /** The value without counting as a use. */
  peek(key: number): V | undefined {
    return this.values.get(key);
  }

  /** Adds a value whose key is not held; gives what had to go for it, or null. */
  add(value: V): V | null {
    this.values.set(value.key, value);
    const evicted = this.recency.add(value);
    if (evicted !== null) this.values.delete(evicted.key);
    return evicted;
  }

  /** As `Recency.resize`. */
  resize(capacity: number, evicted: (value: V) => void): void {
    this.recency.resize(capacity, (value) => {
      this.values.delete(value.key);
      evicted(value);
    });
  }

  remove(value: V): void {
    if (this.values.get(value.key) !== value) return;
    this.values.delete(value.key);
    this.recency.remove(value);
  }
}
