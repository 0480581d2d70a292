import { bucketFloorUs, durationBuckets } from "./durations.ts";
import type { ShareRequests } from "./share-requests.ts";
import type { RequestWatch } from "./watch.ts";

/** What was done in some time; rates are a second's. */
export interface Activity {
  readonly operations: number;
  /** Of these, those answered with another status than success. */
  readonly failures: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Requests that are waited for now. */
  readonly waiting: number;
  /** Null: nothing was answered. */
  readonly latency: Latency | null;
}

/** Milliseconds that half, 95 % and 99 % of the requests took at most, within the width of a bucket. */
export interface Latency {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** What is added up before it is divided by the time it took. */
export class ActivitySum {
  operations = 0;
  failures = 0;
  readBytes = 0;
  writtenBytes = 0;
  waiting = 0;
  readonly durations: Float64Array = new Float64Array(durationBuckets);

  add(other: ActivitySum): void {
    this.operations += other.operations;
    this.failures += other.failures;
    this.readBytes += other.readBytes;
    this.writtenBytes += other.writtenBytes;
    this.waiting += other.waiting;
    for (let i = 0; i < durationBuckets; i++) this.durations[i]! += other.durations[i]!;
  }

  over(seconds: number): Activity {
    const { operations, failures, readBytes, writtenBytes, waiting, durations } = this;
    const at = (part: number): number => percentileMs(durations, operations, part);
    const latency = operations === 0 ? null : { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
    return { operations: operations / seconds, failures: failures / seconds, readBytes: readBytes / seconds, writtenBytes: writtenBytes / seconds, waiting, latency };
  }
}

/** How long `part` of `total` durations were at most; within a bucket they are taken for evenly spread. */
export function percentileMs(durations: Float64Array, total: number, part: number): number {
  let left = total * part;
  let last = 0;
  for (let bucket = 0; bucket < durationBuckets; bucket++) {
    const count = durations[bucket]!;
    if (count === 0) continue;
    const floor = bucketFloorUs(bucket);
    const width = bucketFloorUs(bucket + 1) - floor;
    if (left <= count) return (floor + width * Math.max(0, left / count)) / 1000;
    left -= count;
    last = floor + width;
  }
  return last / 1000;
}

/** What was done between two looks at a watch. */
export interface Done {
  readonly total: ActivitySum;
  /** By operation, where there was one or one is waited for. */
  readonly operations: ReadonlyMap<string, ActivitySum>;
  readonly shares: ReadonlyMap<string, ActivitySum>;
}

interface Before {
  readonly done: Float64Array;
  readonly durations: Float64Array;
  readonly bytes: Float64Array;
}

/** What is read of a watch, whatever its requests are. */
export type RequestCounts = Pick<RequestWatch, "protocol" | "counted">;

/** Tells from the sums of a watch what was done since the last time it was asked. */
export class Rates {
  private readonly watch: RequestCounts;
  /** Not by name: a share that went and came again counts from nothing. */
  private before = new Map<ShareRequests, Before>();

  /** Counts from now on. */
  constructor(watch: RequestCounts) {
    this.watch = watch;
    for (const counted of watch.counted()) this.before.set(counted, copyOf(counted));
  }

  since(): Done {
    const total = new ActivitySum();
    const operations = new Map<string, ActivitySum>();
    const shares = new Map<string, ActivitySum>();
    const { protocol } = this.watch;
    const seen = new Map<ShareRequests, Before>();
    for (const counted of this.watch.counted()) {
      const before = this.before.get(counted) ?? null;
      const ofShare = new ActivitySum();
      protocol.operations.forEach((name, operation) => {
        const sum = difference(counted, before, operation, protocol.statuses.length, name);
        if (sum.operations === 0 && sum.waiting === 0) return;
        ofShare.add(sum);
        const known = operations.get(name);
        if (known === undefined) operations.set(name, sum);
        else known.add(sum);
      });
      total.add(ofShare);
      shares.set(counted.share, ofShare);
      seen.set(counted, copyOf(counted));
    }
    this.before = seen;
    return { total, operations, shares };
  }
}

function copyOf({ done, durations, bytes }: ShareRequests): Before {
  return { done: done.slice(), durations: durations.slice(), bytes: bytes.slice() };
}

/** Of one operation on one share. Both protocols call what moves the bytes of files READ and WRITE. */
function difference(counted: ShareRequests, before: Before | null, operation: number, statuses: number, name: string): ActivitySum {
  const sum = new ActivitySum();
  sum.waiting = counted.waiting[operation] ?? 0;
  for (let slot = 0; slot < statuses; slot++) {
    const at = operation * statuses + slot;
    const more = counted.done[at]! - (before?.done[at] ?? 0);
    sum.operations += more;
    if (slot > 0) sum.failures += more;
  }
  if (sum.operations === 0) return sum;
  const bytes = counted.bytes[operation]! - (before?.bytes[operation] ?? 0);
  if (name === "READ") sum.readBytes = bytes;
  else if (name === "WRITE") sum.writtenBytes = bytes;
  for (let bucket = 0; bucket < durationBuckets; bucket++) {
    const at = operation * durationBuckets + bucket;
    sum.durations[bucket] = counted.durations[at]! - (before?.durations[at] ?? 0);
  }
  return sum;
}
