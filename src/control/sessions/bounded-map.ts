/** So many values at most; the one not used for longest goes first. */
export class BoundedMap<V> {
  readonly capacity: number;
  private readonly values = new Map<string, V>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.values.size;
  }

  /** Counts as a use. */
  get(key: string): V | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    this.values.delete(key);
    this.values.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.values.delete(key);
    this.values.set(key, value);
    if (this.values.size <= this.capacity) return;
    const oldest = this.values.keys().next();
    if (oldest.done !== true) this.values.delete(oldest.value);
  }

  delete(key: string): void {
    this.values.delete(key);
  }
}
