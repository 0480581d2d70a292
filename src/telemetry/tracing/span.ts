import type { Maybe } from "#base/brand.ts";
import type { Time } from "#base/time.ts";
import { currentSpan } from "./current.ts";
import type { Links } from "./links.ts";
import type { Tracer } from "./tracer.ts";

/** What is said of a span. */
export type Attributes = Record<string, string | number | boolean>;

/** What a request is called in the log. */
export const requestAttribute = "dittofs.request";

/** A span, for others that know it: ids in hexadecimal. */
export interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
}

/** `as`: what the other span is to the one that has the link. */
export interface Link {
  readonly to: SpanContext;
  readonly as: string;
}

/** What a span is to its neighbours: OpenTelemetry's SpanKind. */
export const Kind = { internal: 0, server: 1, client: 2 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** A part of what is done for a request that is followed. To be ended exactly once; a second end does nothing. */
export class Span implements SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  /** "": none. */
  readonly parentId: string;
  /** The parent is another process's. */
  readonly isParentRemote: boolean;
  name: string;
  readonly kind: Kind;
  readonly attributes: Attributes;
  links: Link[] | null = null;
  failed = false;
  readonly beganAt: Time;
  endedAt: Time;
  /** The span its trace has here as a whole: that of the request, mostly. */
  readonly request: Span;
  ended = false;
  /** The requests it serves together. */
  serves: Links | null = null;
  private readonly tracer: Tracer;
  private known: SpanContext | null = null;

  /** `parent`: one of this process, another's, or null: it begins a trace. The attributes are its own from now on. */
  constructor(tracer: Tracer, name: string, kind: Kind, attributes: Attributes, parent: Span | SpanContext | null) {
    this.tracer = tracer;
    this.name = name;
    this.kind = kind;
    this.attributes = attributes;
    this.traceId = parent === null ? tracer.ids.trace() : parent.traceId;
    this.spanId = tracer.ids.span();
    this.parentId = parent === null ? "" : parent.spanId;
    this.isParentRemote = parent !== null && !(parent instanceof Span);
    this.request = parent instanceof Span ? parent.request : this;
    this.beganAt = this.endedAt = tracer.now();
  }

  /** To be kept, where the span would be too much. */
  get context(): SpanContext {
    return (this.known ??= { traceId: this.traceId, spanId: this.spanId });
  }

  child(name: string, attributes: Attributes = {}, kind: Kind = Kind.internal): Span {
    return this.tracer.childOf(this, name, attributes, kind);
  }

  set(key: string, value: string | number | boolean): void {
    this.attributes[key] = value;
  }

  rename(name: string): void {
    this.name = name;
  }

  /** `as`: what the other span is to this one. */
  link(to: SpanContext, as: string): void {
    (this.links ??= []).push({ to, as });
  }

  /** It serves these, or carries what they wrote. */
  serve(links: Links, as: string): void {
    this.serves = links;
    for (const context of links.contexts) this.link(context, as);
    this.set("dittofs.links", links.count);
  }

  /** It failed; `type` is a code or the name of an error, never a text: that may name a file. */
  fail(type: string): void {
    this.set("error.type", type);
    this.failed = true;
  }

  failWith(error: unknown): void {
    const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
    this.fail(typeof code === "string" ? code : typeof name === "string" ? name : "unknown");
  }

  /** Runs `work` with this as the current span, also where it goes on after it waited. */
  run<T>(work: () => T): T {
    return this.tracer.within(this, work);
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.endedAt = this.tracer.now();
    this.tracer.end(this, this.request === this);
  }
}

/** Runs `work` as what `span` is about, and ends that with it; `seen` is told of the result before. */
export function spanned<T>(span: Span, work: () => Promise<T>, seen?: (span: Span, result: T) => void): Promise<T>;
export function spanned<T>(span: Span, work: () => Maybe<T>, seen?: (span: Span, result: T) => void): Maybe<T>;
export function spanned<T>(span: Span, work: () => Maybe<T>, seen?: (span: Span, result: T) => void): Maybe<T> {
  let result: Maybe<T>;
  try {
    result = span.run(work);
  } catch (error) {
    span.failWith(error);
    span.end();
    throw error;
  }
  if (result instanceof Promise) return settled(span, result, seen);
  seen?.(span, result);
  span.end();
  return result;
}

async function settled<T>(span: Span, result: Promise<T>, seen?: (span: Span, result: T) => void): Promise<T> {
  try {
    const value = await result;
    seen?.(span, value);
    return value;
  } catch (error) {
    span.failWith(error);
    throw error;
  } finally {
    span.end();
  }
}

/** What the current request waits for, as a span of that name; as it is where none is followed or nothing is waited for. */
export function waited<T>(name: string, value: Maybe<T>): Maybe<T> {
  if (!(value instanceof Promise)) return value;
  const span = currentSpan()?.child(name) ?? null;
  return span === null ? value : settled(span, value);
}
