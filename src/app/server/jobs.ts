import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { Cancelled, type Finding, type Watch } from "#check/index.ts";
import { ControlError, type Job, type JobKind, type JobProgress, type JobRequest, type JobResult, type Jobs, type JobState } from "#control/index.ts";
import type { Logger } from "#telemetry/logger.ts";

/** Jobs under way at once: each takes its part of disk and processor from the clients. */
const runningMax = 4;
/** Jobs that ended and are still shown. */
const endedMax = 50;
/** Findings kept of a job; those beyond are counted, and in the log. */
export const findingsMax = 1000;
const idBytes = 8;

/** What a job does for a share that is served. */
export type JobWork = (request: JobRequest, watch: Watch) => Promise<JobResult>;

/** Long work of a server: bounded in number and in what is kept of it, one at a time for each share. */
export class JobTable implements Jobs {
  private readonly jobs = new Map<string, RunningJob>();
  /** Jobs that ended since the start. */
  private readonly endedCounts: Record<JobKind, Record<Exclude<JobState, "running">, number>> = { fsck: neverEnded(), gc: neverEnded(), scrub: neverEnded(), migrate: neverEnded() };
  private readonly work: JobWork;
  private readonly serves: (share: string) => boolean;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly logger: Logger;

  constructor(work: JobWork, serves: (share: string) => boolean, { clock, random, logger }: { readonly clock: Clock; readonly random: Random; readonly logger: Logger }) {
    this.work = work;
    this.serves = serves;
    this.clock = clock;
    this.random = random;
    this.logger = logger;
  }

  list(): readonly Job[] {
    return [...this.jobs.values()].reverse().map((job) => job.shown());
  }

  /** How many of each kind there are, and how those of it ended that were started since the server was. */
  kinds(): readonly { readonly kind: JobKind; readonly running: number; readonly ended: Readonly<Record<string, number>> }[] {
    const all = [...this.jobs.values()];
    return (Object.keys(this.endedCounts) as JobKind[]).map((kind) => ({ kind, running: all.filter((job) => job.kind === kind && job.state === "running").length, ended: this.endedCounts[kind] }));
  }

  get(id: string): Job {
    return this.find(id).shown();
  }

  cancel(id: string): Job {
    const job = this.find(id);
    job.cancelled = true;
    return job.shown();
  }

  start(request: JobRequest, startedBy: string): Job {
    const { kind, share } = request;
    if (!this.serves(share)) throw new ControlError("unavailable", `Share ${share} is not being served.`, { hint: "dittofs share status says why." });
    const running = [...this.jobs.values()].filter((job) => job.state === "running");
    const other = running.find((job) => job.share === share);
    if (other !== undefined) throw new ControlError("in_use", `A ${other.kind} of share ${share} is under way (job ${other.id}).`, { hint: `Wait for it, or end it: dittofs job cancel ${other.id}` });
    if (running.length >= runningMax) throw new ControlError("busy", `${running.length} jobs are under way already.`, { hint: "Start it again when one of them has ended: dittofs job list" });
    const id = Buffer.from(this.random.bytes(idBytes)).toString("hex");
    const job = new RunningJob({ id, kind, share, startedBy, startedAt: this.nowMs() }, this.logger.child({ job: id, kind, share }));
    job.ended = this.run(job, request);
    this.jobs.set(id, job);
    this.forgetOld();
    return job.shown();
  }

  /** When a job has ended. */
  async ended(id: string): Promise<Job> {
    const job = this.find(id);
    await job.ended;
    return job.shown();
  }

  /** Ends what works on a share, before its stores are closed; null: on any. */
  async stop(share: string | null): Promise<void> {
    for (const job of this.jobs.values()) {
      if ((share !== null && job.share !== share) || job.state !== "running") continue;
      job.cancelled = true;
      await job.ended;
    }
  }

  private find(id: string): RunningJob {
    const job = this.jobs.get(id);
    if (job === undefined) throw new ControlError("not_found", `There is no job ${id}.`, { hint: "Jobs that ended long ago are forgotten, and all of them when the server ends. dittofs job list shows what there is." });
    return job;
  }

  private async run(job: RunningJob, request: JobRequest): Promise<void> {
    job.logger.info({ by: job.startedBy }, "a job begins");
    let state: Exclude<JobState, "running"> = "done";
    try {
      job.result = await this.work(request, job);
    } catch (error) {
      state = error instanceof Cancelled ? "cancelled" : "failed";
      if (state === "failed") job.error = error instanceof ControlError && error.hint !== null ? `${error.message} ${error.hint}` : (error as Error).message;
      if (state === "failed") job.logger.error({ err: error }, "a job failed");
    }
    job.endedAt = this.nowMs();
    job.state = state;
    this.endedCounts[job.kind][state]++;
    job.logger.info({ state, findings: job.findingsTotal, ...job.result }, "a job ended");
  }

  private forgetOld(): void {
    const ended = [...this.jobs.values()].filter((job) => job.state !== "running");
    for (const job of ended.slice(0, Math.max(0, ended.length - endedMax))) this.jobs.delete(job.id);
  }

  private nowMs(): number {
    const { sec, nsec } = this.clock.now();
    return sec * 1000 + Math.floor(nsec / 1_000_000);
  }
}

function neverEnded(): Record<Exclude<JobState, "running">, number> {
  return { done: 0, cancelled: 0, failed: 0 };
}

class RunningJob implements Watch {
  readonly id: string;
  readonly kind: JobKind;
  readonly share: string;
  readonly startedBy: string;
  readonly startedAt: number;
  readonly logger: Logger;
  ended: Promise<void> = Promise.resolve();
  state: JobState = "running";
  endedAt: number | null = null;
  result: JobResult | null = null;
  error: string | null = null;
  cancelled = false;
  findingsTotal = 0;
  private readonly findings: Finding[] = [];
  private progress: JobProgress = { step: "", done: 0, total: null, unit: "" };

  constructor(of: Pick<Job, "id" | "kind" | "share" | "startedBy" | "startedAt">, logger: Logger) {
    this.id = of.id;
    this.kind = of.kind;
    this.share = of.share;
    this.startedBy = of.startedBy;
    this.startedAt = of.startedAt;
    this.logger = logger;
  }

  step(step: string, total: number | null, unit: string): void {
    this.progress = { step, done: 0, total, unit };
  }

  advance(by: number): void {
    this.progress = { ...this.progress, done: this.progress.done + by };
  }

  found(finding: Finding): void {
    this.findingsTotal++;
    if (this.findings.length < findingsMax) this.findings.push(finding);
    if (finding.severity === "damage") this.logger.warn({ finding }, finding.repaired ? "damage was repaired" : "damage");
  }

  shown(): Job {
    const { id, kind, share, state, startedBy, startedAt, endedAt, progress, findingsTotal, result, error } = this;
    return { id, kind, share, state, startedBy, startedAt, endedAt, progress, findings: [...this.findings], findingsTotal, result, error };
  }
}
