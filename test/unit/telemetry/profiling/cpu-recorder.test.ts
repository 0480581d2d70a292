import { describe, expect, test } from "bun:test";
import { CpuRecorder } from "#telemetry/profiling/cpu-recorder.ts";
import { encodeCpu } from "#telemetry/profiling/pprof.ts";
import { openSampler, type SampledNode, type Sampler } from "#telemetry/profiling/sampler.ts";
import { systemClock } from "#base/clock.ts";
import { readProfile, samplesIn } from "../../../support/pprof.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

/** A profiler that sees, in each recording, three samples in `read` under `data` and one in `data` itself. */
class FakeSampler implements Sampler {
  readonly intervalUs = 10_000;
  running = false;
  starts = 0;
  private cpu = { main: 0, process: 0 };

  async start(): Promise<void> {
    if (this.running) throw new Error("started twice");
    this.running = true;
    this.starts++;
  }

  async stop(): Promise<readonly SampledNode[]> {
    if (!this.running) throw new Error("stopped twice");
    this.running = false;
    return [
      { id: 1, frame: { name: "(root)", file: "", line: 0 }, children: [2], samples: 0 },
      { id: 2, frame: { name: "data", file: "src/net/stream-server.ts", line: 10 }, children: [3], samples: 1 },
      { id: 3, frame: { name: "read", file: "src/cache/reader.ts", line: 20 }, children: [], samples: 3 },
    ];
  }

  /** Each recording takes 60 ms of the main thread and 90 ms in all. */
  cpuTime(): { readonly main: number; readonly process: number } {
    if (!this.running) return this.cpu;
    const before = this.cpu;
    this.cpu = { main: before.main + 60_000, process: before.process + 90_000 };
    return before;
  }
}

/** The fake's clock of processors moves where a recording begins, so that every one has used as much. */
function world() {
  const clock = new ManualClock();
  const sampler = new FakeSampler();
  let opened = 0;
  const recorder = new CpuRecorder(async () => {
    opened++;
    return sampler;
  }, clock);
  return { clock, sampler, recorder, opened: () => opened };
}

const readFrame = /^read \[cache\/reader\.ts\]$/;

describe("a recorder", () => {
  test("gives what was seen between its beginning and its end, and stops the profiler", async () => {
    const { clock, sampler, recorder, opened } = world();
    expect(opened()).toBe(0);
    const recording = await recorder.begin();
    clock.pass(4_000);
    const profile = readProfile(await encodeCpu(await recording.end(), "dittofs"));
    expect(sampler.running).toBe(false);
    expect(profile).toMatchObject({ types: ["samples/count", "cpu/nanoseconds"], periodNs: 10_000_000, durationMs: 4_000, timeSec: 1_800_000_000 });
    expect(profile.samples).toContainEqual({ stack: ["read [cache/reader.ts]", "data [net/stream-server.ts]"], values: [3, 30_000_000] });
    expect(profile.samples).toContainEqual({ stack: ["data [net/stream-server.ts]"], values: [1, 10_000_000] });
    expect(profile.files.get("read [cache/reader.ts]")).toBe("src/cache/reader.ts");
    expect(recording.end()).rejects.toThrow("has ended");
  });

  test("says what no sample shows: the main thread outside JavaScript, and other threads", async () => {
    const { recorder } = world();
    const profile = readProfile(await encodeCpu(await (await recorder.begin()).end(), "dittofs"));
    // 60 ms of the main thread are six samples, of which four were seen; 30 ms of the others are three.
    expect(samplesIn(profile, /event loop/)).toBe(2);
    expect(samplesIn(profile, /other threads/)).toBe(3);
  });

  test("has one profiler for all who record at a time, and gives each what was seen in their time", async () => {
    const { recorder, sampler, opened } = world();
    const first = await recorder.begin();
    const second = await recorder.begin();
    const ofSecond = readProfile(await encodeCpu(await second.end(), "dittofs"));
    expect(sampler.running).toBe(true);
    const ofFirst = readProfile(await encodeCpu(await first.cut(), "dittofs"));
    const rest = readProfile(await encodeCpu(await first.end(), "dittofs"));
    expect(sampler.running).toBe(false);
    expect(opened()).toBe(1);
    // One segment before the second began, one with it, one after it.
    expect(samplesIn(ofSecond, readFrame)).toBe(3);
    expect(samplesIn(ofFirst, readFrame)).toBe(9);
    expect(samplesIn(rest, readFrame)).toBe(3);
  });

  test("empties the profiler every ten seconds, however long a recording is", async () => {
    const { recorder, sampler, clock } = world();
    const recording = await recorder.begin();
    for (let i = 0; i < 5; i++) {
      clock.pass(10_000);
      // What is asked for now waits its turn.
      await (await recorder.begin()).end();
    }
    expect(sampler.starts).toBeGreaterThanOrEqual(6);
    expect(samplesIn(readProfile(await encodeCpu(await recording.end(), "dittofs")), readFrame)).toBe(3 * sampler.starts);
  });

  test("that could not be opened can be another time", async () => {
    const sampler = new FakeSampler();
    let broken = true;
    const recorder = new CpuRecorder(async () => (broken ? Promise.reject(new Error("not now")) : sampler), new ManualClock());
    expect(recorder.begin()).rejects.toThrow("not now");
    broken = false;
    expect((await (await recorder.begin()).end()).stacks.samples).toBeGreaterThan(0);
  });
});

/** Something that takes processor time, however much of that others take meanwhile, under a name of its own. Gives the milliseconds it went on for. */
function workThatTakesLong(cpuMs: number): number {
  const used = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  const [begunMs, usedBefore] = [systemClock.monotonicMs(), used()];
  let sum = 0;
  while (used() - usedBefore < cpuMs) for (let i = 0; i < 100_000; i++) sum += Math.sqrt(i * sum);
  return systemClock.monotonicMs() - begunMs;
}

test("the runtime's profiler names functions and their sources, with as many samples as time was spent", async () => {
  const recording = await new CpuRecorder(openSampler, systemClock).begin();
  const tookMs = workThatTakesLong(600);
  const profile = readProfile(await encodeCpu(await recording.end(), "dittofs"));
  const seen = samplesIn(profile, /^(workThatTakesLong|used) \[.*cpu-recorder\.test\.ts\]$/);
  // Sixty on a machine that has nothing else to do. Where it has, the profiler misses some of its turns, too, and waiting counts.
  expect(seen).toBeGreaterThanOrEqual(20);
  expect(seen).toBeLessThanOrEqual((1.25 * tookMs) / 10);
}, 60_000);
