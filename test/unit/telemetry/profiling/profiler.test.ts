import { expect, test } from "bun:test";
import { profileTypes as allowed } from "#config/profiling-options.ts";
import { contract } from "#api/contract/index.ts";
import { profileTypes, Profiler } from "#telemetry/profiling/index.ts";
import { seriesName } from "#telemetry/profiling/pyroscope.ts";
import { Stacks } from "#telemetry/profiling/stacks.ts";
import { systemClock } from "#base/clock.ts";
import { readProfile, samplesIn } from "../../../support/pprof.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

test("configuration, REST interface and profiler know the same types", () => {
  const words = Object.keys(profileTypes);
  expect([...allowed]).toEqual(words as typeof allowed[number][]);
  expect(contract.profiles.take.params.properties.type.anyOf.map((each) => each.const as string)).toEqual(words);
});

test("one profile is taken at a time", async () => {
  const clock = new ManualClock();
  const sampler = { intervalUs: 10_000, start: async () => {}, stop: async () => [], cpuTime: () => ({ main: 0, process: 0 }) };
  const profiler = new Profiler(clock, async () => sampler);
  const first = profiler.take("cpu", 30);
  expect(profiler.busySec).toBe(30);
  expect(await profiler.take("cpu", 1)).toBeNull();
  expect(await profiler.take("inuse_space", 1)).toBeNull();
  while (clock.pending < 2) await new Promise((resolve) => setImmediate(resolve));
  clock.pass(30_000);
  expect(readProfile((await first) as Uint8Array).durationMs).toBe(30_000);
  expect(profiler.busySec).toBe(0);
  expect(await profiler.take("inuse_space", 1)).not.toBeNull();
});

test("a stop ends the profile in hand: whoever asked gets what was seen until then", async () => {
  const clock = new ManualClock();
  const sampler = { intervalUs: 10_000, start: async () => {}, stop: async () => [], cpuTime: () => ({ main: 0, process: 0 }) };
  const profiler = new Profiler(clock, async () => sampler);
  const taken = profiler.take("cpu", 30);
  while (clock.pending < 2) await new Promise((resolve) => setImmediate(resolve));
  clock.pass(2_000);
  profiler.stop();
  expect(readProfile((await taken) as Uint8Array).durationMs).toBe(2_000);
  expect(clock.pending).toBe(0);
  expect(readProfile((await profiler.take("cpu", 30)) as Uint8Array).durationMs).toBe(0);
});

class Planted {}

test("objects are counted by class", async () => {
  const planted = Array.from({ length: 4321 }, () => new Planted());
  const strings = planted.map((_, i) => new Uint16Array(i % 3));
  const profile = readProfile((await new Profiler(systemClock).take("inuse_objects", 1)) as Uint8Array);
  expect(profile.types).toEqual(["inuse_objects/count"]);
  expect(samplesIn(profile, /^Uint16Array$/)).toBeGreaterThanOrEqual(strings.length);
});

/** Buffers of other tests that nobody wrote to count, and are not resident. */
function memory(): number {
  const { rss, heapTotal, external } = process.memoryUsage();
  return Math.max(rss, heapTotal + external);
}

test("resident memory is told by kind, and the kinds are all of it", async () => {
  const held = Buffer.alloc(32 * 2 ** 20, 1);
  Bun.gc(true);
  const before = memory();
  const profile = readProfile((await new Profiler(systemClock).take("inuse_space", 1)) as Uint8Array);
  const after = memory();
  expect(profile.types).toEqual(["inuse_space/bytes"]);
  const all = samplesIn(profile, /^resident$/);
  expect(all).toBeWithin(Math.min(before, after) * 0.8, Math.max(before, after) * 1.2);
  expect(samplesIn(profile, /buffers/)).toBeGreaterThanOrEqual(held.byteLength);
});

test("stacks have a bound", () => {
  const stacks = new Stacks();
  const frame = (i: number) => ({ name: `f${i}`, file: "", line: i });
  const many = 60_000;
  stacks.add([{ id: 0, frame: frame(0), children: Array.from({ length: many }, (_, i) => i + 1), samples: 0 }, ...Array.from({ length: many }, (_, i) => ({ id: i + 1, frame: frame(i + 1), children: [], samples: 1 }))]);
  expect(stacks.nodes.length).toBe(50_000);
  expect(stacks.frames.length).toBe(50_000);
});

test("labels can't break out of an application's name", () => {
  expect(seriesName("dittofs", { version: "0.1.0 (abc, modified)", host: "a{b}=c,d" })).toBe("dittofs{host=a_b__c_d,version=0.1.0__abc__modified_}");
});
