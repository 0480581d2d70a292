import type { Span as RecordedSpan, SpanContext } from "@opentelemetry/api";
import type { Maybe } from "#base/brand.ts";
import { currentSpan } from "./current.ts";
import type { Links } from "./links.ts";
import type { Tracer } from "./tracer.ts";


export type Attributes = Record<string, string | number | boolean>;

/** What a request is called in the log. */
export const requestAttribute = "dittofs.request";

/** What a span is to its neighbours: OpenTelemetry's SpanKind. */
export const Kind = { internal: 0, server: 1, client: 2 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** SpanStatusCode.ERROR. */
const statusError = 2;

/** Bounds of one span, whatever is said of it. */
const attributesMax = 64;
const valueCharsMax = 256;

/**
 * What the SDK records. Attributes are put where it keeps them: whatever else is handed to it, it looks through twice for arrays and maps,
 * with a set of what it has seen for every number, which is most of what a span costs. Ours are texts, numbers and booleans by their types.
 */
export type Recorded = RecordedSpan & { readonly attributes: Attributes };

/** A part of what is done for a request that is followed. To be ended exactly once; a second end does nothing. */
export class Span {
  private readonly tracer: Tracer;
  private readonly recorded: Recorded;
  /** It begins a trace, or goes on with one that another process began. */
  private readonly isFirst: boolean;
  /** The span its trace has here as a whole: that of the request, mostly. */
  readonly request: Span;
  ended = false;
  /** Attributes that there are or were to be. */
  private told = 0;
  /** The requests it serves together. */
  serves: Links | null = null;

  /** Of a first one: what its request is called in the log. */
  private readonly name: string | null;

  /** `parent` null: the first. */
  constructor(tracer: Tracer, recorded: Recorded, attributes: Attributes, parent: Span | null, name: string | null = null) {
    this.name = name;
    this.tracer = tracer;
    this.recorded = recorded;
    this.isFirst = parent === null;
    this.request = parent === null ? this : parent.request;
    for (const key in attributes) this.set(key, attributes[key] as string | number | boolean);
  }

  /** What the request is called in the log, if it has a name there. */
  get requestName(): string | null {
    return this.request.name;
  }

  get context(): SpanContext {
    return this.recorded.spanContext();
  }

  child(name: string, attributes: Attributes = {}, kind: Kind = Kind.internal): Span {
    return this.tracer.childOf(this, name, attributes, kind);
  }

  set(key: string, value: string | number | boolean): void {
    if (this.ended) return;
    const { attributes } = this.recorded;
    if (attributes[key] === undefined && ++this.told > attributesMax) return;
    attributes[key] = typeof value === "string" && value.length > valueCharsMax ? value.slice(0, valueCharsMax) : value;
  }

  rename(name: string): void {
    this.recorded.updateName(name);
  }

  /** `as`: what the other span is to this one. */
  link(to: SpanContext, as: string): void {
    this.recorded.addLink({ context: to, attributes: { "dittofs.link": as } });
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
    this.recorded.setStatus({ code: statusError });
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
    this.recorded.end(this.tracer.now());
    if (this.isFirst) this.tracer.live--;
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
