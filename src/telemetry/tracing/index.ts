/**
 * Spans in OpenTelemetry's terms, sent over OTLP gRPC. Null while tracing is off: `tracer` is the one field a hook tests. Whether a
 * request is followed is decided once, at its begin; of those that are, the current span travels with their continuations, and whoever
 * does something for them asks for it (`currentSpan`). What is done later, for several of them together, is a trace of its own with
 * links to their spans (`Links`). No attribute holds a name of a file, content, or the text of an error: file ids say which.
 */
export { childSpan, currentSpan, outside, tracer, useTracer } from "./current.ts";
export { instrument, type Operation } from "./instrument.ts";
export { Links, linksMax } from "./links.ts";
export { openTracing, type OpenTracing, type TracingOptions } from "./open.ts";
export { type Attributes, Kind, requestAttribute, type Span, spanned, waited } from "./span.ts";
export type { Tracer } from "./tracer.ts";
