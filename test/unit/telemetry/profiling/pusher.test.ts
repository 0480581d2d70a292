import { afterAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Profiler } from "#telemetry/profiling/profiler.ts";
import type { ProfileType } from "#telemetry/profiling/profile-types.ts";
import { Pusher } from "#telemetry/profiling/pusher.ts";
import type { Sampler } from "#telemetry/profiling/sampler.ts";
import { readProfile, samplesIn } from "../../../support/pprof.ts";
import { PyroscopeReceiver } from "../../../support/pyroscope.ts";
import { until, within } from "../../../support/wait.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { LogLines } from "../../../support/log-lines.ts";

const receiver = new PyroscopeReceiver();
beforeEach(() => receiver.clear());
afterAll(() => receiver.stop());

const windowMs = 15_000;
const secondsMax = 10_000;
// Longer than any of the waits below, of which each says what it waited for.
setDefaultTimeout(60_000);

const sampler: Sampler = {
  intervalUs: 10_000,
  start: async () => {},
  stop: async () => [
    { id: 1, frame: { name: "(root)", file: "", line: 0 }, children: [2], samples: 0 },
    { id: 2, frame: { name: "read", file: "src/nfs/v3/read.ts", line: 1 }, children: [], samples: 7 },
  ],
  cpuTime: () => ({ main: 0, process: 0 }),
};

function pushing(types: readonly ProfileType[], endpoint = receiver.url) {
  const clock = new ManualClock();
  let windows = 0;
  const after = clock.after.bind(clock);
  clock.after = (ms, run) => {
    if (ms === windowMs) windows++;
    return after(ms, run);
  };
  const log = new LogLines();
  const profiler = new Profiler(clock, async () => sampler);
  const pusher = new Pusher({ endpoint, types, labels: { version: "1.2.3", host: "here" }, profiler, clock, logger: log });
  pusher.start();
  let passed = 0;
  /** A window begins once the profiler runs, and what the one before it had is sent: not while a request waits for its answer. */
  const passWindow = async (): Promise<void> => {
    passed++;
    await until(`window ${passed}`, secondsMax, () => (windows >= passed ? true : null));
    clock.pass(windowMs);
  };
  return { clock, log, pusher, passWindow };
}

describe("profiles are pushed", () => {
  test("every 15 seconds, under the application's name and labels, as Pyroscope takes them", async () => {
    const { pusher, passWindow } = pushing(["cpu", "inuse_objects", "inuse_space"]);
    await passWindow();
    await receiver.received(3, secondsMax);
    const [cpu, objects, space] = receiver.uploads;
    expect(cpu).toMatchObject({ path: "/ingest", query: { name: "dittofs{host=here,version=1.2.3}", from: "1800000000", until: "1800000015", format: "pprof", sampleRate: "100", spyName: "dittofs" } });
    expect(samplesIn(readProfile(cpu?.profile as Uint8Array), /^read \[nfs\/v3\/read\.ts\]$/)).toBeGreaterThanOrEqual(7);
    expect(readProfile(objects?.profile as Uint8Array).types).toEqual(["inuse_objects/count"]);
    expect(readProfile(space?.profile as Uint8Array).types).toEqual(["inuse_space/bytes"]);
    await passWindow();
    await receiver.received(6, secondsMax);
    expect(receiver.uploads[3]?.query).toMatchObject({ from: "1800000015", until: "1800000030" });
    await pusher.stop();
  });

  test("and what there is at the stop, too", async () => {
    const { pusher, clock } = pushing(["cpu"]);
    await until("the profiler", secondsMax, () => (clock.pending > 0 ? true : null));
    clock.pass(3_000);
    await pusher.stop();
    expect(receiver.uploads.map(({ query }) => [query["from"], query["until"]])).toEqual([["1800000000", "1800000003"]]);
    expect(clock.pending).toBe(0);
  });

  test("a server that refuses or is away costs a line when it goes and one when it comes back", async () => {
    const { pusher, passWindow, log } = pushing(["inuse_space"]);
    receiver.answer = { status: 503, text: "too busy\n" };
    for (const sent of [1, 2, 3]) {
      await passWindow();
      await receiver.received(sent, secondsMax);
    }
    receiver.answer = { status: 200, text: "" };
    await passWindow();
    await receiver.received(4, secondsMax);
    await pusher.stop();
    expect(log.lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ endpoint: receiver.url, reason: "it answered 503: too busy", message: expect.stringContaining("not taken") }),
      expect.objectContaining({ endpoint: receiver.url, message: expect.stringContaining("again") }),
    ]);
  });

  test("a heap too large to be counted in passing is counted once in ten minutes, until it is quick again, and that is said", async () => {
    const { pusher, passWindow, clock, log } = pushing(["inuse_objects", "inuse_space"]);
    let slow = true;
    // Each look at the clock finds it 11 ms later.
    clock.monotonicMs = () => (slow ? (clock.ms += 11) : clock.ms);
    for (const sent of [2, 4, 6]) {
      await passWindow();
      await receiver.received(sent, secondsMax);
    }
    slow = false;
    // 39 windows without, then it is tried again, and done in each window as before.
    for (let sent = 7; sent <= 6 + 39; sent++) {
      await passWindow();
      await receiver.received(sent, secondsMax);
    }
    for (const sent of [47, 49]) {
      await passWindow();
      await receiver.received(sent, secondsMax);
    }
    await pusher.stop();
    const types = receiver.uploads.map(({ profile }) => readProfile(profile).types[0]);
    expect(types.slice(6, 45).every((type) => type === "inuse_space/bytes")).toBe(true);
    expect(types.slice(45, 49)).toEqual(["inuse_objects/count", "inuse_space/bytes", "inuse_objects/count", "inuse_space/bytes"]);
    expect(log.lines.map((line) => JSON.parse(line))).toEqual([expect.objectContaining({ type: "inuse_objects", tookMs: 11, message: expect.stringContaining("too large") })]);
  });

  test("nobody there", async () => {
    const gone = new PyroscopeReceiver();
    await gone.stop();
    const { pusher, passWindow, log } = pushing(["cpu", "inuse_space"], gone.url);
    await passWindow();
    await until("the complaint", secondsMax, () => (log.lines.length > 0 ? true : null));
    await pusher.stop();
    expect(log.lines.length).toBe(1);
    expect(log.lines[0]).toContain("can't be reached");
  });

  test("a server that takes connections and never answers is given up on", async () => {
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { pusher, passWindow, clock, log } = pushing(["inuse_space"], `http://127.0.0.1:${silent.port}`);
    await passWindow();
    await until("the request", secondsMax, () => (clock.pending > 0 ? true : null));
    clock.pass(10_000);
    await until("the complaint", secondsMax, () => (log.lines.length > 0 ? true : null));
    expect(log.lines[0]).toContain("no answer within 10 seconds");
    const stopping = pusher.stop();
    await until("the last request", secondsMax, () => (clock.pending > 0 ? true : null));
    clock.pass(2_000);
    await stopping;
    silent.stop(true);
  });

  test("of what listens there and answers without end no more is read than the log repeats", async () => {
    let sent = 0;
    const gone = Promise.withResolvers<void>();
    const endless = (): ReadableStream<Uint8Array> => new ReadableStream({ pull: (to) => void to.enqueue(new Uint8Array(64 * 1024).fill(97 + (sent++ % 2))), cancel: () => gone.resolve() });
    const flood = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(endless(), { status: 500 }) });
    const { pusher, passWindow, log } = pushing(["inuse_space"], `http://127.0.0.1:${flood.port}`);
    await passWindow();
    await until("the complaint", secondsMax, () => (log.lines.length > 0 ? true : null));
    expect(log.lines[0]).toContain("it answered 500: aaaa");
    expect(log.lines[0]!.length).toBeLessThan(1000);
    await within("the end of the answer", secondsMax, gone.promise);
    await pusher.stop();
    await flood.stop(true);
  });

  test("a stop waits two seconds for all of them, and for one that was on its way already", async () => {
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { pusher, passWindow, clock } = pushing(["inuse_space", "inuse_objects"], `http://127.0.0.1:${silent.port}`);
    await passWindow();
    await until("the request", secondsMax, () => (clock.pending > 0 ? true : null));
    const stopping = pusher.stop();
    clock.pass(2_000);
    await stopping;
    expect(clock.pending).toBe(0);
    silent.stop(true);
  });
});
