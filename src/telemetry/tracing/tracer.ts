import { AsyncLocalStorage } from "node:async_hooks";
import type * as Api from "@opentelemetry/api";
import type { Clock } from "#base/clock.ts";
import type { TraceParent } from "#base/traceparent.ts";
import type { Links } from "./links.ts";
import type { Sampling } from "./sampling.ts";
import { type Attributes, Kind, type Recorded, requestAttribute, Span } from "./span.ts";

/** TraceFlags. */
const flagNone = 0;
const flagSampled = 1;

/** Decides which requests are followed, and knows at every moment for which of them something is done. */
export class Tracer {
  /** Traces with a span that has not ended: while there are none, nobody asks for the current one. */
  live = 0;
  /** Requests that are or were followed. */
  followed = 0;
  private readonly api: typeof Api;
  private readonly recorder: Api.Tracer;
  private readonly sampling: Sampling;
  private readonly clock: Clock;
  private readonly storage = new AsyncLocalStorage<Span | null>();

  constructor(api: typeof Api, recorder: Api.Tracer, sampling: Sampling, clock: Clock) {
    this.api = api;
    this.recorder = recorder;
    this.sampling = sampling;
    this.clock = clock;
  }

  /** Whether the request that begins is followed. */
  samples(): boolean {
    return this.sampling.samples();
  }

  /** Begins a trace, or goes on with `parent`'s. */
  begin(name: string, kind: Kind, attributes: Attributes, parent: TraceParent | null = null): Span {
    this.live++;
    if (kind === Kind.server) this.followed++;
    const context = parent === null ? this.api.ROOT_CONTEXT : this.under({ traceId: parent.traceId, spanId: parent.spanId, traceFlags: parent.sampled ? flagSampled : flagNone, isRemote: true });
    const request = attributes[requestAttribute];
    return new Span(this, this.record(name, kind, context), attributes, null, typeof request === "string" ? request : null);
  }

  /** What is done for many requests together: a part of `parent` where it is one's work, else a trace of its own; with links to all. */
  together(name: string, attributes: Attributes, parent: Span | null, served: Links, as: string): Span {
    const span = parent === null ? this.begin(name, Kind.internal, attributes) : parent.child(name, attributes);
    span.serve(served, as);
    return span;
  }

  childOf(parent: Span, name: string, attributes: Attributes, kind: Kind): Span {
    return new Span(this, this.record(name, kind, this.under(parent.context)), attributes, parent);
  }

  private record(name: string, kind: Kind, context: Api.Context): Recorded {
    return this.recorder.startSpan(name, { kind, startTime: this.now() }, context) as Recorded;
  }

  /** Finer than the milliseconds of the SDK's own clock: most spans are shorter. */
  now(): [number, number] {
    const { sec, nsec } = this.clock.now();
    return [sec, nsec];
  }

  private under(context: Api.SpanContext): Api.Context {
    return this.api.trace.setSpanContext(this.api.ROOT_CONTEXT, context);
  }

  /** A continuation keeps its span for as long as it goes on; one that goes on after that ended, as a loop may that it began, has none. */
  current(): Span | null {
    const span = this.storage.getStore() ?? null;
    return span === null || span.ended ? null : span;
  }

  within<T>(span: Span | null, work: () => T): T {
    return this.storage.run(span, work);
  }
}
