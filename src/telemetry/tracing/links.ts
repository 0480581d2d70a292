import type { SpanContext } from "@opentelemetry/api";
import type { Span } from "./span.ts";

/** Spans one span links to at most; beyond them only their number is said. */
export const linksMax = 32;

/** Requests that are served together, later: a bounded list of their spans and how many they were. */
export class Links {
  readonly contexts: SpanContext[] = [];
  /** Those that are not listed included; of these one that is added between others again counts again. */
  count = 0;
  private last = "";
  private readonly merged = new Set<Links>();

  /** The request that a span is a part of. */
  add(span: Span): void {
    this.put(span.request.context);
  }

  /** The requests a span serves, where it is one of several together; else the span itself. */
  addServed(span: Span): void {
    if (span.serves === null) this.add(span);
    else this.merge(span.serves);
  }

  /** Once, however often it is asked for. */
  merge(others: Links): void {
    if (others === this || this.merged.has(others)) return;
    this.merged.add(others);
    const listed = others.contexts.length;
    for (let i = 0; i < listed; i++) this.put(others.contexts[i] as SpanContext);
    this.count += others.count - listed;
  }

  private put(context: SpanContext): void {
    if (context.spanId === this.last) return;
    this.last = context.spanId;
    for (let i = 0; i < this.contexts.length; i++) if (this.contexts[i]?.spanId === context.spanId) return;
    this.count++;
    if (this.contexts.length < linksMax) this.contexts.push(context);
  }

  /** Both; null where there are none. */
  static both(some: Links | null, more: Links | null): Links | null {
    if (some === null || more === null) return some ?? more;
    some.merge(more);
    return some;
  }
}
