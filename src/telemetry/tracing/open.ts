import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Logger } from "../logger.ts";
import { tracer as current, useTracer } from "./current.ts";
import { collectorAt } from "./collector.ts";
import { type ExportStats, ExportQueue } from "./export-queue.ts";
import { Sampling } from "./sampling.ts";
import { Tracer } from "./tracer.ts";

/** Of one span. */
const linksRecordedMax = 64;

export interface TracingOptions {
  /** Where an OTLP gRPC receiver listens: host:port. */
  readonly endpoint: string;
  /** Without TLS. */
  readonly insecure: boolean;
  /** The part of the requests that is followed, from 0 to 1. */
  readonly sampleRate: number;
  /** So many requests are followed in a second at most. */
  readonly perSecondMax: number;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What became of requests that were drawn, and of the spans of those that are followed. */
export interface TracingStats extends ExportStats {
  /** Requests that are followed, those that their callers ask for included. */
  readonly followed: number;
  /** Requests that were drawn and not followed, since there were too many of them. */
  readonly passedOver: number;
  /** Spans that wait to be sent. */
  readonly waiting: number;
}

/** Tracing that is on. */
export interface OpenTracing {
  readonly stats: TracingStats;
  /** Turns it off, and sends what it can of the rest within a bound. */
  close(): Promise<void>;
}

/** Turns tracing on. What it takes is loaded here: a server without it keeps neither code nor memory for it. */
export async function openTracing(options: TracingOptions): Promise<OpenTracing> {
  const { endpoint, insecure, clock, random, logger } = options;
  const [api, sdk, { resourceFromAttributes }, { ProtobufTraceSerializer }, { default: grpc }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-trace"),
    import("@opentelemetry/resources"),
    import("@opentelemetry/otlp-transformer"),
    import("@grpc/grpc-js"),
  ]);
  const queue = new ExportQueue(collectorAt(endpoint, insecure, grpc, ProtobufTraceSerializer, clock), endpoint, clock, logger);
  const instance = Buffer.from(random.bytes(16)).toString("hex");
  const provider = new sdk.TracerProvider({
    sampler: new sdk.AlwaysOnSampler(),
    resource: resourceFromAttributes({ "service.name": "dittofs", "service.version": options.version, "service.instance.id": instance }),
    spanLimits: { linkCountLimit: linksRecordedMax },
    spanProcessors: [queue],
  });
  const sampling = new Sampling(options.sampleRate, options.perSecondMax, clock, random, (requests) =>
    logger.warn({ requests, perSecondMax: options.perSecondMax, sampleRate: options.sampleRate }, "more requests were drawn than telemetry.max_traces_per_second lets be followed: traces are of the first of each second; lower telemetry.sample_rate, or allow more"),
  );
  const tracer = new Tracer(api, provider.getTracer("dittofs", options.version), sampling, clock);
  useTracer(tracer);
  let closing: Promise<void> | null = null;
  const shut = async (): Promise<void> => {
    if (current === tracer) useTracer(null);
    sampling.passedOver.end();
    await provider.shutdown();
  };
  return {
    get stats() {
      return { ...queue.stats, waiting: queue.waiting, followed: tracer.followed, passedOver: sampling.passedOver.total };
    },
    close: () => (closing ??= shut()),
  };
}
