import type { Clock, Timer } from "#base/clock.ts";
import type { CpuTime, Frame, Sampler } from "./sampler.ts";
import { Stacks } from "./stacks.ts";

/** The runtime keeps each sample until it is stopped, and takes longer to stop the more there are. */
const segmentMsMax = 10_000;

/** What no sample can show: it is not in JavaScript, or on other threads. */
const outside: Frame = { name: "(event loop: sockets, garbage collection, not in JavaScript)", file: "", line: 0 };
const otherThreads: Frame = { name: "(other threads: file I/O, collector, compiler, workers)", file: "", line: 0 };

/** Samples between two moments. */
export interface CpuProfile {
  readonly stacks: Stacks;
  readonly intervalUs: number;
  /** Nanoseconds since 1970 don't fit a number: seconds and nanoseconds. */
  readonly startedAt: { readonly sec: number; readonly nsec: number };
  readonly durationMs: number;
}

/** What somebody has recorded; both give what was seen since the last cut. */
export interface Recording {
  cut(): Promise<CpuProfile>;
  end(): Promise<CpuProfile>;
}

interface Listener {
  stacks: Stacks;
  startedAt: { readonly sec: number; readonly nsec: number };
  startedMs: number;
}

/** Records for all who want it at a time by the one profiler there is, which runs as long as there is anybody. */
export class CpuRecorder {
  private readonly open: () => Promise<Sampler>;
  private readonly clock: Clock;
  private sampler: Sampler | null = null;
  private before: CpuTime = { main: 0, process: 0 };
  private readonly listeners = new Set<Listener>();
  private timer: Timer | null = null;
  /** Starting and stopping wait for each other. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(open: () => Promise<Sampler>, clock: Clock) {
    this.open = open;
    this.clock = clock;
  }

  begin(): Promise<Recording> {
    return this.inTurn(async () => {
      this.sampler ??= await this.open();
      if (this.listeners.size > 0) await this.takeSegment(this.sampler);
      await this.startSegment(this.sampler);
      const listener: Listener = { stacks: new Stacks(), ...this.now() };
      this.listeners.add(listener);
      return { cut: () => this.take(listener, false), end: () => this.take(listener, true) };
    });
  }

  private now(): Pick<Listener, "startedAt" | "startedMs"> {
    const { sec, nsec } = this.clock.now();
    return { startedAt: { sec, nsec }, startedMs: this.clock.monotonicMs() };
  }

  private take(listener: Listener, end: boolean): Promise<CpuProfile> {
    return this.inTurn(async () => {
      const { sampler } = this;
      if (sampler === null || !this.listeners.has(listener)) throw new Error("this recording has ended");
      await this.takeSegment(sampler);
      const { stacks, startedAt, startedMs } = listener;
      const profile = { stacks, intervalUs: sampler.intervalUs, startedAt, durationMs: this.clock.monotonicMs() - startedMs };
      if (end) this.listeners.delete(listener);
      else Object.assign(listener, { stacks: new Stacks(), ...this.now() });
      if (this.listeners.size > 0) await this.startSegment(sampler);
      return profile;
    });
  }

  private async startSegment(sampler: Sampler): Promise<void> {
    await sampler.start();
    this.before = sampler.cpuTime();
    this.timer = this.clock.after(segmentMsMax, () => void this.renew().catch(() => {}));
  }

  /** What was seen since the segment began goes to all who listen. */
  private async takeSegment(sampler: Sampler): Promise<void> {
    this.timer?.cancel();
    this.timer = null;
    const now = sampler.cpuTime();
    const sampled = await sampler.stop();
    const seen = sampled.reduce((sum, node) => sum + node.samples, 0);
    const mainUs = now.main - this.before.main;
    const otherUs = now.process - this.before.process - mainUs;
    for (const { stacks } of this.listeners) {
      stacks.add(sampled);
      stacks.addAlone(outside, Math.round(mainUs / sampler.intervalUs) - seen);
      stacks.addAlone(otherThreads, Math.round(otherUs / sampler.intervalUs));
    }
  }

  private renew(): Promise<void> {
    return this.inTurn(async () => {
      if (this.sampler === null || this.listeners.size === 0 || this.timer === null) return;
      await this.takeSegment(this.sampler);
      await this.startSegment(this.sampler);
    });
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => {});
    return done;
  }
}
