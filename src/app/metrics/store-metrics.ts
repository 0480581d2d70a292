import { type MeteredOperation, meteredOperations, type Outcome, type S3Action, type S3Counts } from "#blocks/index.ts";
import { countsOf, type MetadataStats, type SessionStats } from "#metadata/index.ts";
import type { HistogramSample, Sample } from "#telemetry/metrics/index.ts";
import type { Distribution } from "#telemetry/distribution.ts";
import type { OpenShare } from "../share/open-share.ts";
import { histogramOf, type Readers } from "./readers.ts";

/** The words operators know these by. */
const operationNames: Readonly<Record<MeteredOperation, string>> = { put: "put", get: "get", size: "head", delete: "delete", list: "list" };
const resultNames: Readonly<Record<Outcome, string>> = { ok: "ok", missing: "not_found", unavailable: "unavailable", refused: "refused", full: "full", failed: "error" };

/** What the stores of shares count. */
export function collectStores(shares: Readers<OpenShare>): void {
  collectBlocks(shares);
  collectBucket(shares);
  collectMetadata(shares);
  collectPostgres(shares);
}

const blocksOf = ({ plan }: OpenShare): readonly [string, string] => [plan.name, plan.blocks.name];

function collectBlocks(shares: Readers<OpenShare>): void {
  shares.each("dittofs_blockstore_requests_total", (share) =>
    meteredOperations.flatMap((operation) =>
      Object.entries(resultNames).map(([outcome, result]) => ({ labels: [...blocksOf(share), operationNames[operation], result], value: share.requests[operation].results[outcome as Outcome] })),
    ),
  );
  shares.each("dittofs_blockstore_request_duration_seconds", (share) =>
    meteredOperations.map((operation) => histogramOf([...blocksOf(share), operationNames[operation]], share.requests[operation].durations)),
  );
  shares.each("dittofs_blockstore_bytes_total", (share) => [
    { labels: [...blocksOf(share), "read"], value: share.requests.get.bytes },
    { labels: [...blocksOf(share), "written"], value: share.requests.put.bytes },
  ]);
  shares.each("dittofs_blockstore_retries_total", (share) => [{ labels: blocksOf(share), value: share.wire?.attempts.retries ?? 0 }]);
  shares.each("dittofs_blockstore_throttled_total", (share) => [{ labels: blocksOf(share), value: share.wire?.attempts.throttled ?? 0 }]);
  shares.each("dittofs_blockstore_free_bytes", (share) => {
    const { freeBytes, totalBytes } = share.counts.space;
    return totalBytes === null ? [] : [{ labels: blocksOf(share), value: freeBytes }];
  });
  shares.each("dittofs_blockstore_size_bytes", (share) => {
    const { totalBytes } = share.counts.space;
    return totalBytes === null ? [] : [{ labels: blocksOf(share), value: totalBytes }];
  });
}

function collectBucket(shares: Readers<OpenShare>): void {
  /** Actions that were ever asked for: most buckets see few of them. */
  const used = (attempts: S3Counts): readonly S3Action[] => (Object.keys(attempts.actions) as S3Action[]).filter((action) => attempts.actions[action].durations.count > 0);
  shares.each("dittofs_s3_requests_total", (share) => {
    if (share.wire === null) return [];
    const { attempts } = share.wire;
    return used(attempts).flatMap((action) => Object.entries(attempts.actions[action].results).map(([result, value]) => ({ labels: [...blocksOf(share), action, result], value })));
  });
  shares.each("dittofs_s3_request_duration_seconds", (share) => {
    if (share.wire === null) return [];
    const { attempts } = share.wire;
    return used(attempts).map((action) => histogramOf([...blocksOf(share), action], attempts.actions[action].durations));
  });
  shares.each("dittofs_s3_uploads", (share) => (share.wire === null ? [] : [{ labels: blocksOf(share), value: share.wire.uploads.busy }]));
  shares.each("dittofs_s3_uploads_limit", (share) => (share.wire === null ? [] : [{ labels: blocksOf(share), value: share.wire.uploads.limit }]));
}

function collectMetadata(shares: Readers<OpenShare>): void {
  const labelsOf = ({ plan }: OpenShare, ...more: readonly string[]) => [plan.name, plan.metadata.name, plan.metadata.type, ...more];
  const stats = (read: (share: OpenShare, stats: MetadataStats) => readonly Sample[]) => (share: OpenShare) => {
    const counted = countsOf(share.share.store);
    return counted === null ? [] : read(share, counted.stats);
  };
  shares.each("dittofs_metadata_reads_total", stats((share, { reads }) => Object.entries(reads).map(([kind, value]) => ({ labels: labelsOf(share, kind), value }))));
  shares.each("dittofs_metadata_changes_total", stats((share, { applied, refused }) => [
    { labels: labelsOf(share, "applied"), value: applied },
    { labels: labelsOf(share, "refused"), value: refused },
  ]));
  shares.each("dittofs_metadata_query_failures_total", stats((share, { queriesFailed }) => (share.plan.metadata.type === "postgres" ? [{ labels: labelsOf(share), value: queriesFailed }] : [])));
  const spread = (read: (stats: MetadataStats) => Distribution, only: string | null = null) => (share: OpenShare): readonly HistogramSample[] => {
    const counted = countsOf(share.share.store);
    return counted === null || (only !== null && share.plan.metadata.type !== only) ? [] : [histogramOf(labelsOf(share), read(counted.stats))];
  };
  shares.each("dittofs_metadata_commit_changes", spread(({ batches }) => batches));
  shares.each("dittofs_metadata_commit_duration_seconds", spread(({ commits }) => commits));
  shares.each("dittofs_metadata_sync_duration_seconds", spread(({ syncs }) => syncs, "sqlite"));
  shares.each("dittofs_metadata_query_duration_seconds", spread(({ queries }) => queries, "postgres"));
}

function collectPostgres(shares: Readers<OpenShare>): void {
  const sessions = (read: (sessions: SessionStats) => number) => ({ plan, share }: OpenShare): readonly Sample[] => {
    const counted = countsOf(share.store)?.sessions ?? null;
    return counted === null ? [] : [{ labels: [plan.name, plan.metadata.name], value: read(counted) }];
  };
  shares.each("dittofs_postgres_sessions", sessions(({ open }) => open));
  shares.each("dittofs_postgres_statements_running", sessions(({ running }) => running));
  shares.each("dittofs_postgres_changes_waiting", sessions(({ queued }) => queued));
}
