import { expect, test } from "bun:test";
import { Lifecycle } from "#app/process/lifecycle.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

test("parts stop in the opposite order of their start, each after the one before", async () => {
  const order: string[] = [];
  const lifecycle = new Lifecycle(new ManualClock(), silentLogger);
  for (const name of ["a", "b", "c"]) {
    lifecycle.started(name, async () => {
      order.push(`${name} begins`);
      await Promise.resolve();
      order.push(`${name} ends`);
    });
  }
  expect(await lifecycle.stop(1000)).toBe(true);
  expect(order).toEqual(["c begins", "c ends", "b begins", "b ends", "a begins", "a ends"]);
  expect(await lifecycle.stop(1000)).toBe(true);
  expect(order).toHaveLength(6);
});

test("a part that fails keeps none from being stopped", async () => {
  const order: string[] = [];
  const lifecycle = new Lifecycle(new ManualClock(), silentLogger);
  lifecycle.started("a", () => void order.push("a"));
  lifecycle.started("b", () => Promise.reject(new Error("no")));
  expect(await lifecycle.stop(1000)).toBe(false);
  expect(order).toEqual(["a"]);
});

test("a part that takes too long ends the waiting, not the stopping", async () => {
  const clock = new ManualClock();
  const lifecycle = new Lifecycle(clock, silentLogger);
  const held = Promise.withResolvers<void>();
  const order: string[] = [];
  lifecycle.started("before", () => void order.push("before"));
  lifecycle.started("slow", () => held.promise);
  const stopped = lifecycle.stop(1000);
  clock.fire();
  expect(await stopped).toBe(false);
  expect(order).toEqual([]);
  held.resolve();
  await lifecycle.ended;
  expect(order).toEqual(["before"]);
});
