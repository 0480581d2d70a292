import { Distribution, Durations, sizesBounds } from "#telemetry/distribution.ts";
import type { MetadataStore } from "#model/metadata-store.ts";

/** What is asked of a store by key, by kind; a cache above it answers most look-ups before they come here. */
export class ReadCounts {
  inode = 0;
  dirent = 0;
  /** Pages of a directory. */
  directory = 0;
  extents = 0;
  pack = 0;
  xattr = 0;
}

/** What a metadata store did since it was opened. */
export class MetadataStats {
  readonly reads: ReadCounts = new ReadCounts();
  /** Change sets, and those whose conditions failed. */
  applied = 0;
  refused = 0;
  /** Change sets of a commit. */
  readonly batches: Distribution = new Distribution(sizesBounds);
  /** Of transactions: on SQLite what holds the event loop, on PostgreSQL from the statement to its answer. */
  readonly commits: Durations = new Durations();
  /** Of SQLite's write-ahead log. */
  readonly syncs: Durations = new Durations();
  /** Of reads that PostgreSQL answered. */
  readonly queries: Durations = new Durations();
  /** Reads that PostgreSQL did not answer in time, or at all. */
  queriesFailed = 0;
}

/** How the sessions with a server are doing. */
export interface SessionStats {
  /** Open ones. */
  readonly open: number;
  /** Statements that wait for their answer, and change sets that wait for a statement. */
  readonly running: number;
  readonly queued: number;
  /** The server does not do what it is asked. */
  readonly away: boolean;
}

/** The ability of a store that counts. */
export interface CountsOperations {
  readonly stats: MetadataStats;
  /** Of a store that is on a server; null for others. */
  readonly sessions: SessionStats | null;
}

export function countsOf(store: MetadataStore): CountsOperations | null {
  return "stats" in store ? (store as unknown as CountsOperations) : null;
}
