import { expect, test } from "bun:test";
import { Lru, Recency } from "#base/lru.ts";

class Value {
  slot = -1;
  used = false;
  readonly key: number;
  constructor(key: number) {
    this.key = key;
  }
}

test("what was used since the last pass stays, the rest goes in the order it came", () => {
  const cache = new Lru<Value>(3);
  for (const key of [1, 2, 3]) expect(cache.add(new Value(key))).toBeNull();
  cache.get(1);
  expect(cache.add(new Value(4))?.key).toBe(2);
  expect(cache.add(new Value(5))?.key).toBe(3);
  expect([1, 2, 3, 4, 5].map((key) => cache.peek(key)?.key)).toEqual([1, undefined, undefined, 4, 5]);
});

test("when everything was used, everything gets a second chance and the oldest goes", () => {
  const cache = new Lru<Value>(3);
  for (const key of [1, 2, 3]) cache.add(new Value(key));
  for (const key of [1, 2, 3]) cache.get(key);
  expect(cache.add(new Value(4))?.key).toBe(1);
});

test("a look without use earns no second chance", () => {
  const cache = new Lru<Value>(2);
  cache.add(new Value(1));
  cache.add(new Value(2));
  cache.peek(1);
  expect(cache.add(new Value(3))?.key).toBe(1);
});

test("a removed value's place is taken again without an eviction, and removing twice is harmless", () => {
  const cache = new Lru<Value>(2);
  const one = new Value(1);
  cache.add(one);
  cache.add(new Value(2));
  cache.remove(one);
  cache.remove(one);
  expect(cache.size).toBe(1);
  expect(cache.add(new Value(3))).toBeNull();
  expect(cache.add(new Value(4))).not.toBeNull();
  expect(cache.size).toBe(2);
});

test("removing a value that another took the key of leaves the other", () => {
  const cache = new Lru<Value>(2);
  const old = new Value(1);
  cache.add(old);
  cache.remove(old);
  cache.add(new Value(1));
  cache.remove(old);
  expect(cache.size).toBe(1);
});

test("the bound holds through any mix, and size counts what is held", () => {
  const ring = new Recency<Value>(8);
  const held = new Set<Value>();
  let state = 1;
  for (let i = 0; i < 10_000; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const values = [...held];
    const any = values[(state >>> 8) % Math.max(1, values.length)];
    if ((state >>> 16) % 3 === 0 && any !== undefined) {
      ring.remove(any);
      held.delete(any);
    } else {
      const value = new Value(i);
      value.used = (state & 256) !== 0;
      const evicted = ring.add(value);
      held.add(value);
      if (evicted !== null) expect(held.delete(evicted)).toBe(true);
    }
    expect(held.size).toBe(ring.size);
    expect(ring.size).toBeLessThanOrEqual(8);
  }
});

test("with less capacity the excess goes, with more there is room again", () => {
  const cache = new Lru<Value>(4);
  for (const key of [1, 2, 3, 4]) cache.add(new Value(key));
  const gone: number[] = [];
  cache.resize(2, (value) => gone.push(value.key));
  expect([gone, cache.size]).toEqual([[3, 4], 2]);
  expect(cache.add(new Value(5))?.key).toBe(1);
  expect(cache.add(new Value(6))?.key).toBe(2);
  cache.resize(3, () => expect.unreachable());
  expect(cache.add(new Value(7))).toBeNull();
  expect(cache.add(new Value(8))?.key).toBe(5);
  expect([5, 6, 7, 8].map((key) => cache.peek(key)?.key)).toEqual([undefined, 6, 7, 8]);
});

test("places freed before the capacity fell are not taken beyond it", () => {
  const cache = new Lru<Value>(3);
  const values = [1, 2, 3].map((key) => new Value(key));
  for (const value of values) cache.add(value);
  cache.remove(values[2] as Value);
  cache.resize(2, () => expect.unreachable());
  expect(cache.add(new Value(4))?.key).toBe(1);
  expect(cache.size).toBe(2);
});
