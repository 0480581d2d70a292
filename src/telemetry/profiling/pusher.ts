import type { Clock, Timer } from "#base/clock.ts";
import type { Logger } from "../logger.ts";
import type { CpuProfile, Recording } from "./cpu-recorder.ts";
import { profiledProgram, type Profiler } from "./profiler.ts";
import type { ProfileType } from "./profile-types.ts";
import { Pyroscope } from "./pyroscope.ts";

/** One profile of each type covers so long. */
const windowMs = 15_000;
/** Less than a window: one that can't be sent in time is dropped, and nothing piles up. */
const sendMsMax = 10_000;
/** What a stop waits, for all that is on its way and for the last window. */
const stopMsMax = 2_000;
/** Counting objects holds everything up. So often in a row longer than this, and it is done in each n-th window alone: once in ten minutes. */
const stallMsMax = 10;
const stallsMax = 3;
const windowsStalled = 40;

export interface PushOptions {
  readonly endpoint: string;
  readonly types: readonly ProfileType[];
  readonly labels: Readonly<Record<string, string>>;
  readonly profiler: Profiler;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Moment {
  readonly sec: number;
  readonly nsec: number;
}

/** Sends profiles to Pyroscope, window after window. A server that is away costs a line of the log when it goes and one when it comes back. */
export class Pusher {
  private readonly options: PushOptions;
  private readonly pyroscope: Pyroscope;
  private recording: Recording | null = null;
  private stalls = 0;
  /** Windows without a count of objects that are still to come. */
  private uncounted = 0;
  private failing = false;
  private stopped = false;
  /** A stop waits no longer. */
  private readonly late = new AbortController();
  private timer: Timer | null = null;
  private wake: () => void = () => {};
  private ended: Promise<void> = Promise.resolve();

  constructor(options: PushOptions) {
    this.options = options;
    this.pyroscope = new Pyroscope({ endpoint: options.endpoint, application: profiledProgram, labels: options.labels, clock: options.clock });
  }

  start(): void {
    this.ended = this.run().catch((error: unknown) => this.options.logger.error({ err: error }, "profiles are no longer taken: the runtime failed at it; files are served as before"));
  }

  /** Sends what there is of the last window, in so far as there is time. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.timer?.cancel();
    this.wake();
    const timer = this.options.clock.after(stopMsMax, () => this.late.abort());
    await this.ended;
    timer.cancel();
  }

  private async run(): Promise<void> {
    const { types, profiler, clock } = this.options;
    if (types.includes("cpu")) this.recording = await profiler.recorder.begin();
    while (!this.stopped) {
      const from = clock.now();
      await this.window();
      await this.pushAll(from);
    }
  }

  private window(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      if (this.stopped) resolve();
      else this.timer = this.options.clock.after(windowMs, resolve);
    });
  }

  private async pushAll(from: Moment): Promise<void> {
    for (const type of this.options.types) {
      if (this.late.signal.aborted) return;
      const profile = await this.take(type);
      if (profile !== null) await this.push(type, profile, from);
    }
  }

  private async take(type: ProfileType): Promise<Uint8Array<ArrayBuffer> | null> {
    const { encodeAmounts, encodeCpu } = await import("./pprof.ts");
    if (type === "cpu") {
      const recorded = await this.recorded();
      return recorded === null ? null : await encodeCpu(recorded, profiledProgram);
    }
    const { measureSpace } = await import("./heap.ts");
    const amounts = type === "inuse_space" ? measureSpace() : await this.objects();
    return amounts === null ? null : await encodeAmounts(type, amounts, this.options.clock.now(), profiledProgram);
  }

  private async recorded(): Promise<CpuProfile | null> {
    const { recording } = this;
    if (recording === null) return null;
    if (!this.stopped) return await recording.cut();
    this.recording = null;
    return await recording.end();
  }

  private async objects(): Promise<readonly { readonly path: readonly string[]; readonly value: number }[] | null> {
    if (this.uncounted > 0) {
      this.uncounted--;
      return null;
    }
    const { countObjects } = await import("./heap.ts");
    const { amounts, tookMs } = await countObjects(this.options.clock);
    const stalled = this.stalls >= stallsMax;
    this.stalls = tookMs > stallMsMax ? Math.min(stallsMax, this.stalls + 1) : 0;
    if (this.stalls >= stallsMax) this.uncounted = windowsStalled - 1;
    if (this.stalls >= stallsMax && !stalled) this.options.logger.warn({ type: "inuse_objects", tookMs: Math.round(tookMs) }, "this heap is too large to count its objects every few seconds: everything waits for it. From now on they are counted once in ten minutes, until that is quick again; dittofs profile inuse_objects does it at once");
    return amounts;
  }

  private async push(type: ProfileType, profile: Uint8Array<ArrayBuffer>, from: Moment): Promise<void> {
    const { clock, logger, endpoint } = this.options;
    const until = clock.now();
    const upload = { profile, fromSec: from.sec, untilSec: Math.max(until.sec, from.sec + 1), samplesPerSec: 100 };
    const wrong = await this.pyroscope.send(upload, sendMsMax, this.late.signal);
    if (wrong !== null && !this.failing) logger.warn({ endpoint, type, reason: wrong }, "profiles are not taken by Pyroscope; they go on being offered, those of meanwhile are dropped");
    if (wrong === null && this.failing) logger.info({ endpoint }, "profiles are taken by Pyroscope again");
    this.failing = wrong !== null;
  }
}
