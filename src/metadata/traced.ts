import type { ApplyResult } from "#model/change-set.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { currentSpan, instrument, Links, type Operation, type Span, tracer } from "#telemetry/tracing/index.ts";

export { currentSpan };

const inode: Operation = [["dittofs.file.id", 0]];
const directory: Operation = [["dittofs.directory.id", 0]];

const operations: { readonly [Name in keyof MetadataStore]?: Operation } = {
  apply: [],
  inode,
  dirent: directory,
  direntsFolding: directory,
  directory,
  extents: inode,
  xattr: inode,
  xattrs: inode,
  pack: [["dittofs.pack.id", 0]],
};

/** Has what is asked of a store be spans of the requests it is asked for. `system` as OpenTelemetry calls the database. */
export function traceStore(store: MetadataStore, system: string): void {
  instrument(store, "metadata", operations, { "db.system.name": system }, refused);
}

function refused(span: Span, result: unknown): void {
  if ((result as ApplyResult | null)?.applied === false) span.set("dittofs.applied", false);
}

/** One of those that share a transaction, with the span of its `apply`, where it is done for a request that is followed. */
interface Traced {
  readonly span: Span | null;
}

/** The span of a transaction or statement of several sets: a part of the first one's that is followed, with links to and from each. Null: none is. */
export function batchSpan(sets: readonly Traced[]): Span | null {
  if (tracer === null) return null;
  const links = new Links();
  let first: Span | null = null;
  for (const { span } of sets) {
    if (span === null) continue;
    first ??= span;
    links.add(span);
  }
  if (first === null) return null;
  const batch = tracer.together("metadata.batch", { "db.operation.batch.size": sets.length }, first, links, "serves");
  for (const { span } of sets) if (span !== null && span !== first) span.link(batch.context, "served by");
  return batch;
}

/** Waits of those that are followed for what makes their transaction durable; null: none is. */
export function syncSpans(sets: readonly Traced[]): readonly Span[] | null {
  if (tracer === null) return null;
  const spans: Span[] = [];
  for (const { span } of sets) if (span !== null) spans.push(span.child("metadata.sync"));
  return spans.length === 0 ? null : spans;
}
