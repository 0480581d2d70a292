import { expect, test } from "bun:test";
import { Ranges } from "#cache/pages/ranges.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const size = 64;

function check(ranges: Ranges, model: boolean[]): void {
  let bytes = 0;
  for (let i = 0; i < ranges.count; i++) {
    bytes += ranges.end(i) - ranges.start(i);
    if (i > 0) expect(ranges.start(i)).toBeGreaterThan(ranges.end(i - 1));
    for (let at = ranges.start(i); at < ranges.end(i); at++) expect(model[at]).toBe(true);
  }
  expect(bytes).toBe(model.filter(Boolean).length);
  expect(ranges.bytes).toBe(bytes);
}

test("ranges agree with an array of bits, and tell how many bytes each change added or removed", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new SeededRandom(seed);
    const ranges = new Ranges();
    const model: boolean[] = new Array(size).fill(false);
    for (let step = 0; step < 60; step++) {
      const start = random.below(size);
      const end = start + random.below(size - start + 1);
      const slice = model.slice(start, end);
      const set = slice.filter(Boolean).length;
      const kind = random.below(3);
      if (kind === 0) {
        expect(ranges.add(start, end)).toBe(end - start - set);
        model.fill(true, start, end);
      } else if (kind === 1) {
        expect(ranges.remove(start, end)).toBe(set);
        model.fill(false, start, end);
      } else expect(ranges.covers(start, end)).toBe(slice.every(Boolean));
      check(ranges, model);
    }
  }
});

test("take moves everything out", () => {
  const ranges = new Ranges();
  ranges.add(1, 4);
  ranges.add(8, 9);
  const taken = ranges.take();
  expect(ranges.isEmpty).toBe(true);
  expect([taken.count, taken.bytes]).toEqual([2, 4]);
});
