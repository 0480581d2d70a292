import { durationBuckets, bucketFloorUs } from "../requests/durations.ts";
import type { ShareRequests } from "../requests/share-requests.ts";
import type { RequestWatch, WatchedProtocol, WatchedRequest } from "../requests/watch.ts";
import { requestSeconds } from "./declaration.ts";
import type { HistogramSample, Metrics, Sample } from "./metrics.ts";

/** For each fine bucket the coarse one of `requestSeconds` it lies in; past the last bound: none. */
const coarse: readonly number[] = Array.from({ length: durationBuckets }, (_, bucket) => requestSeconds.findIndex((seconds) => bucketFloorUs(bucket) < Math.round(seconds * 1e6)));

/** Operations of the two protocols that move bytes of files. */
const moving = new Set(["READ", "WRITE"]);

/** Gives the metrics what a watch has counted of a protocol's requests. Operations and statuses that never occurred give nothing. */
export function collectRequests<R extends WatchedRequest>(metrics: Metrics, protocol: "nfs" | "smb", watch: RequestWatch<R>): void {
  const each = <S>(read: (counted: ShareRequests, into: S[]) => void) => (): S[] => {
    const into: S[] = [];
    for (const counted of watch.counted()) read(counted, into);
    return into;
  };
  metrics.collect(`dittofs_${protocol}_requests_total`, each<Sample>((counted, into) => readDone(watch.protocol, counted, into)));
  metrics.collect(`dittofs_${protocol}_request_duration_seconds`, each<HistogramSample>((counted, into) => readDurations(watch.protocol, counted, into)));
  metrics.collect(`dittofs_${protocol}_requests_in_flight`, each<Sample>((counted, into) => readWaiting(watch.protocol, counted, into)));
  metrics.collect(`dittofs_${protocol}_file_bytes_total`, each<Sample>((counted, into) => readBytes(watch.protocol, counted, into)));
}

function readDone({ operations, statuses, statusName }: WatchedProtocol, { share, done }: ShareRequests, into: Sample[]): void {
  operations.forEach((name, operation) => {
    statuses.forEach((status, slot) => {
      const value = done[operation * statuses.length + slot]!;
      if (value > 0) into.push({ labels: [name, share, statusName(operation, status)], value });
    });
  });
}

function readDurations({ operations }: WatchedProtocol, { share, durations, totalMs }: ShareRequests, into: HistogramSample[]): void {
  operations.forEach((name, operation) => {
    const buckets = new Array<number>(requestSeconds.length).fill(0);
    let count = 0;
    for (let bucket = 0; bucket < durationBuckets; bucket++) {
      const done = durations[operation * durationBuckets + bucket]!;
      if (done === 0) continue;
      count += done;
      const at = coarse[bucket]!;
      if (at >= 0) buckets[at]! += done;
    }
    if (count > 0) into.push({ labels: [name, share], buckets, count, sum: totalMs[operation]! / 1000 });
  });
}

function readWaiting({ operations }: WatchedProtocol, { share, waiting, totalMs }: ShareRequests, into: Sample[]): void {
  operations.forEach((name, operation) => {
    const value = waiting[operation]!;
    // Once seen, an operation that rests has a 0: a gauge that vanishes would be taken for the last it was.
    if (value > 0 || totalMs[operation]! > 0) into.push({ labels: [name, share], value });
  });
}

function readBytes({ operations }: WatchedProtocol, { share, bytes, totalMs }: ShareRequests, into: Sample[]): void {
  operations.forEach((name, operation) => {
    if (moving.has(name) && totalMs[operation]! > 0) into.push({ labels: [name, share], value: bytes[operation]! });
  });
}
