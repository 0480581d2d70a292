import { type Dashboard, ofInstance, ofShare, Unit } from "./grafana.ts";
import { badFrom, latency, lines, rate, width } from "./panels.ts";

const hitRatio = (tier: string): string =>
  `${rate(["share"], `dittofs_cache_hits_total{${ofShare}, tier="${tier}"}`)} / (${rate(["share"], `dittofs_cache_hits_total{${ofShare}, tier="${tier}"}`)} + ${rate(["share"], `dittofs_cache_misses_total{${ofShare}, tier="${tier}"}`)})`;

/** Caches, log, flushes, metadata, garbage, history and scrubbing. */
export const stores: Dashboard = {
  uid: "dittofs-stores",
  title: "DittoFS / Stores and caches",
  description: "Content and metadata on their way to and from their stores.",
  rows: [
    {
      title: "Caches",
      panels: [
        lines("Hits", "Reads that memory, or the local disk, could answer by itself.", Unit.ratio, [
          { expr: hitRatio("memory"), legend: "memory {{share}}" },
          { expr: hitRatio("disk"), legend: "disk {{share}}" },
        ], { max: 1, width: width.third }),
        lines("Size", "What the caches hold of what they may.", Unit.ratio, [{ expr: `dittofs_cache_bytes{${ofShare}} / dittofs_cache_limit_bytes{${ofShare}}`, legend: "{{tier}} {{share}}" }], { width: width.third }),
        lines("Evicted", "Bytes that made room for others.", Unit.bytesPerSecond, [{ expr: rate(["tier", "share"], `dittofs_cache_evicted_bytes_total{${ofShare}}`), legend: "{{tier}} {{share}}" }], { width: width.third }),
        lines("Stored content that was read", "From copies on the local disk, and from the block store; fetched ahead comes on top.", Unit.bytesPerSecond, [
          { expr: rate(["result"], `dittofs_disk_cache_read_bytes_total{${ofShare}}`), legend: "{{result}}" },
          { expr: rate(["instance"], `dittofs_disk_cache_prefetched_bytes_total{${ofShare}}`), legend: "fetched ahead {{instance}}" },
        ]),
        lines("Copies", "Objects the local disk has copies of, and copies that were damaged, an hour.", Unit.number, [
          { expr: `dittofs_disk_cache_objects{${ofShare}}`, legend: "copies {{share}}" },
          { expr: `increase(dittofs_disk_cache_damaged_copies_total{${ofShare}}[1h])`, legend: "damaged {{share}}" },
        ]),
      ],
    },
    {
      title: "Writes on their way",
      panels: [
        lines("Not stored yet", "Dirty bytes in memory, and all that the block store lacks.", Unit.bytes, [
          { expr: `dittofs_dirty_bytes{${ofShare}}`, legend: "dirty {{share}}" },
          { expr: `dittofs_upload_backlog_bytes{${ofShare}}`, legend: "backlog {{share}}" },
          { expr: `dittofs_dirty_limit_bytes{${ofShare}}`, legend: "dirty at most {{share}}" },
        ]),
        lines("Age of the oldest", "Change that is not in the block store.", Unit.seconds, [{ expr: `dittofs_upload_backlog_age_seconds{${ofShare}}`, legend: "{{share}}" }], { steps: badFrom(900, 300) }),
        lines("Log", "Bytes that are still needed, and how much of its limit log and packs take.", Unit.bytes, [
          { expr: `dittofs_log_bytes{${ofShare}}`, legend: "{{share}}" },
          { expr: `dittofs_log_limit_bytes{${ofShare}}`, legend: "at most {{share}}" },
        ], { width: width.third }),
        latency("Syncs of the log", "Every COMMIT waits for one.", ["share"], "dittofs_log_sync_duration_seconds", ofShare, { width: width.third }),
        lines("Appended", "To the log, and its records.", Unit.bytesPerSecond, [{ expr: rate(["share"], `dittofs_log_written_bytes_total{${ofShare}}`), legend: "{{share}}" }], { width: width.third }),
        lines("Records", "Writes, truncations, clones and punches accepted.", Unit.perSecond, [{ expr: rate(["share"], `dittofs_log_records_total{${ofShare}}`), legend: "{{share}}" }], { width: width.third }),
        lines("Writers that waited", "And those that were told to come back, or that there is no room.", Unit.perSecond, [
          { expr: rate(["share"], `dittofs_writes_delayed_total{${ofShare}}`), legend: "waited {{share}}" },
          { expr: rate(["share", "reason"], `dittofs_writes_turned_away_total{${ofShare}}`), legend: "turned away ({{reason}}) {{share}}" },
          { expr: `dittofs_writers_waiting{${ofShare}}`, legend: "waiting now {{share}}" },
        ], { width: width.third }),
        lines("Flushes", "Batches taken to the block store, by what came of them.", Unit.perSecond, [{ expr: rate(["share", "result"], `dittofs_flushes_total{${ofShare}}`), legend: "{{result}} {{share}}" }], { width: width.third }),
        latency("Time of a flush", "Of one batch.", ["share"], "dittofs_flush_duration_seconds", ofShare),
        lines("Packs stored", "Bytes put into the block store.", Unit.bytesPerSecond, [
          { expr: rate(["share"], `dittofs_packs_stored_bytes_total{${ofShare}}`), legend: "{{share}}" },
        ]),
      ],
    },
    {
      title: "Metadata",
      panels: [
        lines("Changes", "Applied, and refused since something had changed meanwhile.", Unit.perSecond, [{ expr: rate(["share", "type", "result"], `dittofs_metadata_changes_total{${ofShare}}`), legend: "{{result}} {{share}} ({{type}})" }], { width: width.third }),
        latency("Transactions", "On SQLite what holds the event loop; on PostgreSQL until its answer.", ["share", "type"], "dittofs_metadata_commit_duration_seconds", ofShare, { width: width.third }),
        lines("Changes a transaction", "On average.", Unit.number, [{ expr: `${rate(["share", "type"], `dittofs_metadata_commit_changes_sum{${ofShare}}`)} / ${rate(["share", "type"], `dittofs_metadata_commit_changes_count{${ofShare}}`)}`, legend: "{{share}} ({{type}})" }], { width: width.third }),
        lines("Look-ups", "That the caches above could not answer, by kind.", Unit.perSecond, [{ expr: rate(["kind"], `dittofs_metadata_reads_total{${ofShare}}`), legend: "{{kind}}" }], { width: width.third }),
        latency("Syncs of SQLite", "Every create, rename and removal waits for one.", ["share"], "dittofs_metadata_sync_duration_seconds", ofShare, { width: width.third }),
        latency("Reads of PostgreSQL", "With their tries.", ["share"], "dittofs_metadata_query_duration_seconds", ofShare, { width: width.third }),
        lines("PostgreSQL", "Sessions, and what waits.", Unit.number, [
          { expr: `dittofs_postgres_sessions{${ofShare}}`, legend: "sessions {{share}}" },
          { expr: `dittofs_postgres_statements_running{${ofShare}}`, legend: "statements running {{share}}" },
          { expr: `dittofs_postgres_changes_waiting{${ofShare}}`, legend: "changes waiting {{share}}" },
        ]),
        lines("Reads that PostgreSQL did not answer", "In time, or at all.", Unit.perSecond, [{ expr: rate(["share"], `dittofs_metadata_query_failures_total{${ofShare}}`), legend: "{{share}}" }]),
      ],
    },
    {
      title: "Garbage, history, scrubbing",
      panels: [
        lines("Packs", "Live bytes and garbage, as the last collection found them.", Unit.bytes, [
          { expr: `dittofs_packs_live_bytes{${ofShare}}`, legend: "live {{share}}" },
          { expr: `dittofs_packs_garbage_bytes{${ofShare}}`, legend: "garbage {{share}}" },
        ], { stacked: true, width: width.third }),
        lines("Freed", "Bytes of packs that were deleted.", Unit.bytesPerSecond, [{ expr: rate(["share"], `dittofs_gc_freed_bytes_total{${ofShare}}`), legend: "{{share}}" }], { width: width.third }),
        lines("Collections", "Done and failed, an hour.", Unit.number, [{ expr: `sum by (share, result) (increase(dittofs_gc_runs_total{${ofShare}}[1h]))`, legend: "{{result}} {{share}}" }], { width: width.third }),
        lines("History behind", "What a recovery from the bucket would lack.", Unit.seconds, [{ expr: `dittofs_history_lag_seconds{${ofShare}}`, legend: "{{share}}" }], { width: width.third, steps: badFrom(300, 60) }),
        lines("History published", "Bytes of segments; what waits beside them.", Unit.bytesPerSecond, [
          { expr: rate(["share"], `dittofs_history_published_bytes_total{${ofShare}}`), legend: "{{share}}" },
        ], { width: width.third }),
        lines("History waiting", "Bytes of changes that are not published.", Unit.bytes, [{ expr: `dittofs_history_waiting_bytes{${ofShare}}`, legend: "{{share}}" }], { width: width.third }),
        lines("Scrubbed", "Bytes of the present pass.", Unit.bytes, [{ expr: `dittofs_scrub_checked_bytes{${ofShare}}`, legend: "{{share}}" }], { width: width.third }),
        lines("Damage", "Known at present, and found by scrubbing.", Unit.number, [
          { expr: `dittofs_damaged_objects{${ofShare}}`, legend: "damaged objects {{share}}" },
          { expr: `dittofs_scrub_damaged{${ofShare}}`, legend: "found by this pass {{share}}" },
          { expr: `dittofs_scrub_last_damaged{${ofShare}}`, legend: "found by the last pass {{share}}" },
        ], { width: width.third }),
        lines("Disk", "Free bytes of the data directory, and of block stores on disks.", Unit.bytes, [
          { expr: `dittofs_data_directory_free_bytes{${ofInstance}}`, legend: "data directory {{instance}}" },
          { expr: `dittofs_blockstore_free_bytes{${ofShare}}`, legend: "{{store}} {{share}}" },
        ], { width: width.third }),
      ],
    },
  ],
};
