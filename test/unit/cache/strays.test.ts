import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { StrayFile } from "#app/work/stray-file.ts";
import { type Clock, systemClock } from "#base/clock.ts";
import { Time } from "#base/time.ts";
import { Strays } from "#cache/strays.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { temporary } from "../../support/temporary.ts";

/** A machine's clock, and what a process measures: both stand where they are put. */
function clockAt(): Clock & { sec: number; ms: number } {
  return { ...systemClock, sec: 1_000_000, ms: 50_000, now() { return new Time(this.sec, 0); }, monotonicMs() { return this.ms; } };
}

const graceMs = 60_000;

test("what two listings found goes after its grace, also where a restart lies between them", () => {
  const path = join(temporary("strays"), "strays.json");
  const clock = clockAt();
  const first = new Strays(clock, new StrayFile(path, silentLogger));
  expect(first.seen(["a", "b"], graceMs)).toEqual([]);
  // Another process: what it measures begins anew.
  clock.ms = 7;
  clock.sec += 30;
  const second = new Strays(clock, new StrayFile(path, silentLogger));
  expect(second.seen(["a", "c"], graceMs)).toEqual([]);
  clock.sec += 30;
  clock.ms += 30_000;
  const third = new Strays(clock, new StrayFile(path, silentLogger));
  // b was no stray in between.
  expect(third.seen(["a", "b", "c"], graceMs)).toEqual(["a"]);
  third.forget(["a"]);
  const last = new Strays(clock, new StrayFile(path, silentLogger));
  expect([...last.known.keys()].sort()).toEqual(["b", "c"]);
  expect(last.seen(["a"], graceMs)).toEqual([]);
  expect(last.seen([], graceMs)).toEqual([]);
  expect(new StrayFile(path, silentLogger).load().size).toBe(0);
});

test("while a process runs, a clock that is set does not end a grace; one that went back does not lengthen it without end", () => {
  const path = join(temporary("strays"), "strays.json");
  const clock = clockAt();
  const strays = new Strays(clock, new StrayFile(path, silentLogger));
  strays.seen(["a"], graceMs);
  clock.sec += 1_000_000;
  expect(strays.seen(["a"], graceMs)).toEqual([]);
  // Its file does not say so either.
  expect(new Strays(clock, new StrayFile(path, silentLogger)).seen(["a"], graceMs)).toEqual([]);
  clock.sec -= 2_000_000;
  const behind = new Strays(clock, new StrayFile(path, silentLogger));
  expect(behind.seen(["a"], graceMs)).toEqual([]);
  clock.ms += graceMs;
  expect(behind.seen(["a"], graceMs)).toEqual(["a"]);
});

test("marks that can't be read are none, and a grace of nothing still takes two listings", () => {
  const path = join(temporary("strays"), "strays.json");
  for (const text of ["", "{", '{"version":2,"seen":{"a":1}}', '{"version":1,"seen":{"a":"1"}}', '{"version":1}', "null"]) {
    writeFileSync(path, text);
    const strays = new Strays(clockAt(), new StrayFile(path, silentLogger));
    expect(strays.seen(["a"], 0), text).toEqual([]);
    expect(strays.seen(["a"], 0), text).toEqual(["a"]);
  }
});
