import type { SharePlan } from "./runtime.ts";

/** Long work in a running server, which somebody started and may follow or end. The composition root does it. */

export type JobKind = "fsck" | "gc" | "scrub" | "migrate";
export type JobState = "running" | "done" | "failed" | "cancelled";

/** What is to be done. */
export type JobRequest =
  /** To the stores of this plan; `commit` has the control plane know them, and the share opened there. */
  | { readonly kind: "migrate"; readonly share: string; readonly plan: SharePlan; readonly commit: () => Promise<unknown> }
  /** `data`: read all content, not only whether it is there. */
  | { readonly kind: "fsck"; readonly share: string; readonly data: boolean; readonly repair: boolean }
  /** As fast as it goes where there is no rate. */
  | { readonly kind: "scrub"; readonly share: string; readonly bytesPerSecond: number | null }
  /** Without `remove` it only shows what would be deleted. */
  | { readonly kind: "gc"; readonly share: string; readonly remove: boolean };

/** What a job found; `kind` is a stable word. */
export interface JobFinding {
  readonly kind: string;
  readonly severity: "damage" | "notice";
  readonly message: string;
  readonly path: string | null;
  readonly file: number | null;
  readonly pack: number | null;
  readonly key: string | null;
  readonly from: number | null;
  readonly to: number | null;
  readonly repaired: boolean;
}

export interface JobProgress {
  /** The part of the work that is under way. */
  readonly step: string;
  readonly done: number;
  /** Null: nobody knows. */
  readonly total: number | null;
  readonly unit: string;
}

/** Figures of what a job did, by name. */
export type JobResult = Readonly<Record<string, number | boolean>>;

export interface Job {
  readonly id: string;
  readonly kind: JobKind;
  readonly share: string;
  readonly state: JobState;
  readonly startedBy: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly progress: JobProgress;
  /** Those that are kept; `findingsTotal` counts the others, too. */
  readonly findings: readonly JobFinding[];
  readonly findingsTotal: number;
  /** Once it is done. */
  readonly result: JobResult | null;
  /** Why it failed. */
  readonly error: string | null;
}

export interface Jobs {
  /** The newest first. */
  list(): readonly Job[];
  /** Throws ControlError `not_found`. */
  get(id: string): Job;
  /** Begins; throws ControlError: `in_use` while the share has a job already, `busy` where there are too many, `unavailable` where it isn't served. */
  start(request: JobRequest, startedBy: string): Job;
  /** Asks a job to end; one that has ended stays as it is. */
  cancel(id: string): Job;
}
