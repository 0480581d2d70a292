import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { TraceParent } from "#base/traceparent.ts";
import type { Ids } from "./ids.ts";
import type { Links } from "./links.ts";
import type { Sampling } from "./sampling.ts";
import { type Attributes, Kind, Span } from "./span.ts";

/** Decides which requests are followed, and knows at every moment for which of them something is done. */
export class Tracer {
  /** Traces with a span that has not ended: while there are none, nobody asks for the current one. */
  live = 0;
  readonly ids: Ids;
  private readonly sampling: Sampling;
  private readonly clock: Clock;
  private readonly report: (span: Span) => void;
  private readonly storage = new AsyncLocalStorage<Span | null>();

  /** `report` is handed each span that ended. */
  constructor(ids: Ids, sampling: Sampling, clock: Clock, report: (span: Span) => void) {
    this.ids = ids;
    this.sampling = sampling;
    this.clock = clock;
    this.report = report;
  }

  /** Whether the request that begins is followed. */
  samples(): boolean {
    return this.sampling.samples();
  }

  /** Begins a trace, or goes on with `parent`'s. */
  begin(name: string, kind: Kind, attributes: Attributes, parent: TraceParent | null = null): Span {
    this.live++;
    return new Span(this, name, kind, attributes, parent);
  }

  /** What is done for many requests together: a part of `parent` where it is one's work, else a trace of its own; with links to all. */
  together(name: string, attributes: Attributes, parent: Span | null, served: Links, as: string): Span {
    const span = parent === null ? this.begin(name, Kind.internal, attributes) : parent.child(name, attributes);
    span.serve(served, as);
    return span;
  }

  childOf(parent: Span, name: string, attributes: Attributes, kind: Kind): Span {
    return new Span(this, name, kind, attributes, parent);
  }

  /** A span has ended; `first`: the one that its trace has here as a whole. */
  end(span: Span, first: boolean): void {
    if (first) this.live--;
    this.report(span);
  }

  now(): Time {
    return this.clock.now();
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
