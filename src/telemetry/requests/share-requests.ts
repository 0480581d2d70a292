import { durationBuckets } from "./durations.ts";

/** What was counted of the requests of one share. Sums are of all there were since the watch began; an index is an operation, or that and a status or a bucket. */
export class ShareRequests {
  /** "": requests that led to no share; "other": those of shares past the bound on their number. */
  readonly share: string;
  /** Requests done, by operation and status: `operation * statuses + status`. */
  readonly done: Float64Array;
  /** Requests done, by operation and duration: `operation * durationBuckets + bucket`. */
  readonly durations: Float64Array;
  /** Milliseconds all took together, by operation. */
  readonly totalMs: Float64Array;
  /** Bytes of files read or written, by operation. */
  readonly bytes: Float64Array;
  /** Requests that wait for something now, by operation. What is answered at once is never seen here. */
  readonly waiting: Int32Array;

  constructor(share: string, operations: number, statuses: number) {
    this.share = share;
    this.done = new Float64Array(operations * statuses);
    this.durations = new Float64Array(operations * durationBuckets);
    this.totalMs = new Float64Array(operations);
    this.bytes = new Float64Array(operations);
    this.waiting = new Int32Array(operations);
  }
}
