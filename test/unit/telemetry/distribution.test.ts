import { expect, test } from "bun:test";
import { Distribution, Durations, secondsBounds } from "#telemetry/distribution.ts";

test("a value counts where its bound is the first that is not below it, and beyond all of them", () => {
  const values = new Distribution([1, 2, 4]);
  for (const value of [0, 1, 1.5, 2, 3, 4, 4.1, 1000]) values.observe(value);
  expect([...values.counts]).toEqual([2, 2, 2, 2]);
  expect([values.count, values.sum]).toEqual([8, 1015.6]);
});

test("durations are told in milliseconds and kept in seconds", () => {
  const durations = new Durations();
  durations.add(3);
  durations.add(700);
  expect(durations.sum).toBeCloseTo(0.703, 9);
  const at = (seconds: number) => durations.counts[secondsBounds.indexOf(seconds)];
  expect([at(0.0025), at(0.005), at(0.5), at(1)]).toEqual([0, 1, 0, 1]);
});
