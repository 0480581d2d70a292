import type { Attributes, Kind, Span } from "./span.ts";
import type { Tracer } from "./tracer.ts";

/** Null while tracing is off. One a process: what is done for a request passes through every layer. */
export let tracer: Tracer | null = null;

/** Turns tracing on, or off (null). What was begun by another tracer before is not followed any more. */
export function useTracer(given: Tracer | null): void {
  tracer = given;
}

/** The span of what is being done, where that is done for a request that is followed and not answered yet; else null. */
export function currentSpan(): Span | null {
  return tracer === null || tracer.live === 0 ? null : tracer.current();
}

/** A new part of the current span; null where there is none. */
export function childSpan(name: string, attributes?: Attributes, kind?: Kind): Span | null {
  return currentSpan()?.child(name, attributes, kind) ?? null;
}

/** Runs what no request is to be charged with although it asked for it. */
export function outside<T>(work: () => T): T {
  return tracer === null || tracer.live === 0 ? work() : tracer.within(null, work);
}
