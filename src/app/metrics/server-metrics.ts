import { statfs } from "node:fs/promises";
import type { NfsStats } from "#nfs/index.ts";
import type { SmbHeld } from "#smb/index.ts";
import type { NamesOf } from "#telemetry/metrics/declared.ts";
import { type Metrics, noMetrics } from "#telemetry/metrics/metrics.ts";
import type { JobTable } from "../server/jobs.ts";
import type { OpenShare } from "../share/open-share.ts";
import { collectContent } from "./content-metrics.ts";
import { asNumber, Readers } from "./readers.ts";
import { collectShares } from "./share-metrics.ts";
import { collectStores } from "./store-metrics.ts";

/** What a running server is asked for at a scrape. */
export interface Measured {
  readonly open: Iterable<OpenShare>;
  /** Names of the shares that should be served. */
  readonly wanted: Iterable<string>;
  readonly jobs: JobTable;
  /** Null: not served. */
  readonly held: SmbHeld | null;
  readonly duplicates: NfsStats["duplicates"] | null;
}

/** Has metrics ask a server for everything below its protocols. */
export function collectServer(metrics: Metrics, server: () => Measured, dataDirectory: string): void {
  if (metrics === noMetrics) return;
  metrics.collect("dittofs_share_served", () => {
    const { open, wanted } = server();
    const served = new Set([...open].map(({ plan }) => plan.name));
    return [...new Set([...wanted, ...served])].map((name) => ({ labels: [name], value: asNumber(served.has(name)) }));
  });
  const shares = new Readers<OpenShare>(metrics, () => server().open, ({ plan }) => plan.name);
  collectShares(shares);
  collectContent(shares);
  collectStores(shares);
  collectJobs(metrics, () => server().jobs);
  collectProtocols(metrics, server);
  collectDisk(metrics, dataDirectory);
}

function collectJobs(metrics: Metrics, jobs: () => JobTable): void {
  metrics.collect("dittofs_jobs_running", () => jobs().kinds().map(({ kind, running }) => ({ labels: [kind], value: running })));
  metrics.collect("dittofs_jobs_ended_total", () => jobs().kinds().flatMap(({ kind, ended }) => Object.entries(ended).map(([state, value]) => ({ labels: [kind, state], value }))));
}

function collectProtocols(metrics: Metrics, server: () => Measured): void {
  type Plain = NamesOf<"counter" | "gauge">;
  const held = (name: Plain, read: (held: SmbHeld) => number): void => void metrics.collect(name, () => ofOne(server().held, read));
  held("dittofs_smb_sessions", ({ sessions }) => sessions);
  held("dittofs_smb_trees", ({ trees }) => trees);
  held("dittofs_smb_opens", ({ opens }) => opens);
  held("dittofs_smb_durable_opens_waiting", ({ durable }) => durable);
  held("dittofs_smb_requests_pending", ({ pending }) => pending);
  const duplicates = (name: Plain, read: (duplicates: NfsStats["duplicates"]) => number): void => void metrics.collect(name, () => ofOne(server().duplicates, read));
  duplicates("dittofs_nfs_duplicate_cache_hits_total", ({ hits }) => hits);
  duplicates("dittofs_nfs_duplicate_cache_joined_total", ({ joined }) => joined);
  duplicates("dittofs_nfs_duplicate_cache_entries", ({ entries }) => entries);
  duplicates("dittofs_nfs_duplicate_cache_bytes", ({ bytes }) => bytes);
}

function ofOne<T>(part: T | null, read: (part: T) => number): readonly { readonly labels: readonly string[]; readonly value: number }[] {
  return part === null ? [] : [{ labels: [], value: read(part) }];
}

/** A scrape is told what the disk had at the one before: asking it may take its time. */
function collectDisk(metrics: Metrics, directory: string): void {
  let last: { readonly free: number; readonly size: number } | null = null;
  let reading = false;
  const read = (): void => {
    if (reading) return;
    reading = true;
    statfs(directory)
      .then(
        ({ bavail, bsize, blocks }) => (last = { free: bavail * bsize, size: blocks * bsize }),
        () => (last = null),
      )
      .finally(() => (reading = false));
  };
  read();
  metrics.collect("dittofs_data_directory_free_bytes", () => {
    const known = last;
    read();
    return ofOne(known, ({ free }) => free);
  });
  metrics.collect("dittofs_data_directory_size_bytes", () => ofOne(last, ({ size }) => size));
}
