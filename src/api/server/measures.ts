import type { Histogram, Counter, Metrics } from "#telemetry/metrics/index.ts";
import type { Exchange } from "./exchange.ts";

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Counts the interface's calls by route. Paths and methods a caller made up are one route and one method. */
export class Measures {
  private readonly requests: Counter;
  private readonly seconds: Histogram;
  /** Calls in hand, by method and route. */
  private readonly inHand = new Map<string, number>();

  constructor(metrics: Metrics) {
    this.requests = metrics.counter("dittofs_api_requests_total");
    this.seconds = metrics.histogram("dittofs_api_request_duration_seconds");
    metrics.collect("dittofs_api_requests_in_flight", () => [...this.inHand].map(([key, value]) => ({ labels: key.split(" "), value })));
  }

  /** A call's route is known. */
  began({ request, pattern }: Exchange): void {
    const key = `${methodOf(request)} ${pattern}`;
    this.inHand.set(key, (this.inHand.get(key) ?? 0) + 1);
  }

  /** What `began` said is over. */
  done({ request, pattern }: Exchange): void {
    const key = `${methodOf(request)} ${pattern}`;
    this.inHand.set(key, (this.inHand.get(key) ?? 1) - 1);
  }

  answered({ request, pattern, startMs }: Exchange, status: number, nowMs: number): void {
    const method = methodOf(request);
    this.requests.add(1, method, pattern, String(status));
    this.seconds.observe((nowMs - startMs) / 1000, method, pattern);
  }
}

function methodOf({ method }: Request): string {
  return methods.has(method) ? method : "other";
}
