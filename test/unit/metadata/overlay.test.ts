import { expect, test } from "bun:test";
import type { Extent } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import { isOrdered, overlay } from "#metadata/overlay.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const size = 60;

function drawn(random: SeededRandom, pack: number): Extent[] {
  const extents: Extent[] = [];
  for (let at = random.below(6); at < size - 8; at += random.below(6)) {
    const length = random.between(1, 8);
    extents.push({ offset: at, length, pack: pack as PackId, packOffset: 1000 * pack + at });
    at += length;
  }
  return extents;
}

/** Which pack byte lies at each byte of the file; 0: none. */
function bytesOf(extents: readonly Extent[], onto: number[] = new Array(size).fill(0)): number[] {
  for (const e of extents) for (let i = 0; i < e.length; i++) onto[e.offset + i] = e.packOffset + i;
  return onto;
}

test("what was there and is not covered stays, the rest is new", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = new SeededRandom(seed);
    const below = drawn(random, 1);
    const over = drawn(random, 2);
    const { taken, laid } = overlay(below, over);
    const kept = below.filter((e) => !taken.includes(e));
    const rows = [...kept, ...laid].sort((a, b) => a.offset - b.offset);
    expect(isOrdered(rows)).toBe(true);
    expect(bytesOf(rows)).toEqual(bytesOf(over, bytesOf(below)));
  }
});
