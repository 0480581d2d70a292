import type { Clock } from "#base/clock.ts";
import { CpuRecorder } from "./cpu-recorder.ts";
import type { ProfileType } from "./profile-types.ts";
import { openSampler, type Sampler } from "./sampler.ts";

/** What profiles name as the program they are of. */
export const profiledProgram = "dittofs";

/** Takes a profile for whoever asks. */
export interface Profiles {
  /** How long the profile that is being taken will take. */
  readonly busySec: number;
  /** A gzipped pprof file; `seconds` matter to `cpu` alone. Null: one is being taken already, and there is one at a time. */
  take(type: ProfileType, seconds: number): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** Takes profiles of this process. */
export class Profiler implements Profiles {
  readonly recorder: CpuRecorder;
  private readonly clock: Clock;
  /** When the one that is being taken will be there; null: none is. */
  private busyUntilMs: number | null = null;
  private readonly stopping = Promise.withResolvers<void>();

  constructor(clock: Clock, open: () => Promise<Sampler> = openSampler) {
    this.clock = clock;
    this.recorder = new CpuRecorder(open, clock);
  }

  /** The server stops: whoever waits for a CPU profile gets what was seen until now. */
  stop(): void {
    this.stopping.resolve();
  }

  get busySec(): number {
    return this.busyUntilMs === null ? 0 : Math.max(0, this.busyUntilMs - this.clock.monotonicMs()) / 1000;
  }

  async take(type: ProfileType, seconds: number): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.busyUntilMs !== null) return null;
    this.busyUntilMs = this.clock.monotonicMs() + (type === "cpu" ? seconds * 1000 : 0);
    try {
      return await (type === "cpu" ? this.takeCpu(seconds) : this.takeHeap(type));
    } finally {
      this.busyUntilMs = null;
    }
  }

  private async takeCpu(seconds: number): Promise<Uint8Array<ArrayBuffer>> {
    const { encodeCpu } = await import("./pprof.ts");
    const recording = await this.recorder.begin();
    const over = Promise.withResolvers<void>();
    const timer = this.clock.after(seconds * 1000, over.resolve);
    await Promise.race([over.promise, this.stopping.promise]);
    timer.cancel();
    return await encodeCpu(await recording.end(), profiledProgram);
  }

  private async takeHeap(type: Exclude<ProfileType, "cpu">): Promise<Uint8Array<ArrayBuffer>> {
    const [{ encodeAmounts }, { countObjects, measureSpace }] = await Promise.all([import("./pprof.ts"), import("./heap.ts")]);
    const amounts = type === "inuse_objects" ? (await countObjects(this.clock)).amounts : measureSpace();
    return await encodeAmounts(type, amounts, this.clock.now(), profiledProgram);
  }
}
