/**
 * The keys of a map in rising order, for walks through all of it in pages. The order is made by the first page of a walk and kept
 * for the next ones, until a key comes (`forget`); keys that go are passed over.
 */
export class KeyOrder<V> {
  private readonly map: ReadonlyMap<number, V>;
  private keys: Float64Array | null = null;

  constructor(map: ReadonlyMap<number, V>) {
    this.map = map;
  }

  forget(): void {
    this.keys = null;
  }

  /** Visits the values of keys above `after` until `visit` gives false. */
  each(after: number, visit: (value: V, key: number) => boolean): void {
    const keys = this.ordered();
    for (let i = firstAbove(keys, after); i < keys.length; i++) {
      const key = keys[i] as number;
      const value = this.map.get(key);
      if (value !== undefined && !visit(value, key)) return;
    }
    // The walk is at its end.
    this.keys = null;
  }

  private ordered(): Float64Array {
    this.keys ??= Float64Array.from(this.map.keys()).sort();
    return this.keys;
  }
}

function firstAbove(keys: Float64Array, key: number): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as number) > key) high = middle;
    else low = middle + 1;
  }
  return low;
}
