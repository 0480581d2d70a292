import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import { currentSpan, Kind, Links, type Span, spanned, tracer } from "#telemetry/tracing/index.ts";
import type { Job } from "./gathered.ts";
import type { OpenPackRef } from "./pack-table.ts";

/** Something whose bytes are stored later, for requests that were answered by then. */
interface Followed {
  /** The requests that wrote them, as far as they are followed; null: none is. */
  followed: Links | null;
}

/** The request in hand, if it is followed, has changed it. */
export function follow(what: Followed): void {
  const span = currentSpan();
  if (span !== null) (what.followed ??= new Links()).add(span);
}

/** It has bytes of the other's from here on. */
export function followAlso(what: Followed, others: Links | null): void {
  if (others !== null) (what.followed ??= new Links()).merge(others);
}

/** Runs a flush: a trace of its own where it carries what followed requests wrote, or such a request waits for it. */
export function flushed(jobs: readonly Job[], waiting: readonly Span[] | null, run: () => Promise<FsError | null>): Maybe<FsError | null> {
  const span = flushSpan(jobs, waiting ?? []);
  return span === null ? run() : spanned(span, run, outcome);
}

function flushSpan(jobs: readonly Job[], waiting: readonly Span[]): Span | null {
  if (tracer === null) return null;
  const writes = new Links();
  for (const { cut } of jobs) if (cut.followed !== null) writes.merge(cut.followed);
  if (writes.count === 0 && waiting.length === 0) return null;
  const waits = new Links();
  for (const one of waiting) waits.add(one);
  const span = tracer.begin("cache.flush", Kind.internal, { "dittofs.files": jobs.length });
  for (const context of waits.contexts) span.link(context, "waits");
  span.serve(writes, "wrote");
  for (const one of waiting) one.link(span.context, "waits for");
  return span;
}

function outcome(span: Span, result: FsError | null): void {
  if (result !== null) span.fail(result.code);
}

/** Puts a pack: a part of the flush, or a trace of its own where it goes ahead of one; with links to the requests whose bytes it carries. */
export function uploaded(pack: OpenPackRef, put: () => Promise<void>): Maybe<void> {
  const parent = currentSpan();
  const links = pack.followed;
  if (tracer === null || (links === null && parent === null)) return put();
  const span = tracer.together("cache.upload", { "dittofs.pack.id": pack.id, "dittofs.bytes": pack.file?.size ?? 0 }, parent, links ?? new Links(), "wrote");
  return spanned(span, put);
}
