import { expect, test } from "bun:test";
import { bucketFloorUs, bucketOf, durationBuckets } from "#telemetry/requests/index.ts";

test("every microsecond is in the bucket whose floor is the last at or below it", () => {
  let bucket = 0;
  for (let us = 0; us < 100_000; us++) {
    if (us >= bucketFloorUs(bucket + 1)) bucket++;
    expect(bucketOf((us + 0.25) / 1000)).toBe(bucket);
  }
});

test("what is longer than two minutes is in the last; a clock that went back counts as nothing", () => {
  expect(bucketOf(3_600_000)).toBe(durationBuckets - 1);
  expect(bucketOf(2 ** 27)).toBe(durationBuckets - 1);
  expect(bucketOf(Number.POSITIVE_INFINITY)).toBe(durationBuckets - 1);
  expect(bucketOf(-5)).toBe(0);
  expect(bucketOf(0)).toBe(0);
});

test("powers of two are floors of buckets, and none is wider than a quarter of its floor", () => {
  const floors = Array.from({ length: durationBuckets }, (_, bucket) => bucketFloorUs(bucket));
  for (let exponent = 2; exponent < 27; exponent++) expect(floors).toContain(2 ** exponent);
  for (let bucket = 4; bucket + 1 < durationBuckets; bucket++) expect(bucketFloorUs(bucket + 1) - bucketFloorUs(bucket)).toBeLessThanOrEqual(bucketFloorUs(bucket) / 4);
});
