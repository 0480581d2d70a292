import { currentSpan, Kind, Links, outside, spanned, tracer } from "#telemetry/tracing/index.ts";
import type { Segment } from "./segment.ts";

/** The request in hand has changed something that is gathered, if it is followed; or several have that share a transaction. */
export function follow(what: { followed: Links | null }): void {
  const span = currentSpan();
  if (span !== null) (what.followed ??= new Links()).addServed(span);
}

/** Takes a segment into the bucket: a trace of its own with links to the requests whose changes it has, where any of them is followed. */
export function published(segment: Segment, send: () => Promise<void>): Promise<void> {
  const { followed, bytes, head } = segment;
  if (tracer === null || followed === null) return outside(send);
  const span = tracer.begin("history.upload", Kind.internal, { "dittofs.bytes": bytes, "dittofs.history.epoch": head.place.epoch, "dittofs.history.segment": head.place.number });
  span.serve(followed, "changed");
  return spanned(span, send);
}
