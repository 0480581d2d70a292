import { type Dashboard, ofInstance, ofShare, Unit } from "./grafana.ts";
import { badFrom, goodFrom, latency, lines, quantile, rate, stat, width } from "./panels.ts";

const minute = 60;

/** What to look at first: is everything served, whole and stored, and is it fast. */
export const overview: Dashboard = {
  uid: "dittofs-overview",
  title: "DittoFS / Overview",
  description: "Whether shares are served, whole and stored, and how fast.",
  rows: [
    {
      title: "Is all well?",
      panels: [
        stat("Shares served", "Each share that should be served. dittofs share status says why one is not.", Unit.number, { expr: `dittofs_share_served{${ofShare}}`, legend: "{{share}}" }, { width: width.third, steps: goodFrom(1), words: { "0": "not served", "1": "served" } }),
        stat("Stores", "Whether each store did the last of what was asked of it.", Unit.number, { expr: `dittofs_store_reachable{${ofShare}}`, legend: "{{share}} {{kind}}" }, { width: width.third, steps: goodFrom(1), words: { "0": "away", "1": "answers" } }),
        stat("Damage", "Objects known to be missing or damaged, and damages that scrubbing found.", Unit.number, [
          { expr: `dittofs_damaged_objects{${ofShare}}`, legend: "{{share}}" },
          { expr: `dittofs_scrub_damaged{${ofShare}} > 0 or dittofs_scrub_last_damaged{${ofShare}} > 0`, legend: "{{share}} by scrubbing" },
        ], { width: width.third, steps: badFrom(1) }),
        stat("Oldest change not stored", "How long it has waited for the block store.", Unit.seconds, { expr: `dittofs_upload_backlog_age_seconds{${ofShare}}`, legend: "{{share}}" }, { steps: badFrom(15 * minute, 5 * minute) }),
        stat("Oldest change not published", "What a recovery from the bucket would lack.", Unit.seconds, { expr: `dittofs_history_lag_seconds{${ofShare}}`, legend: "{{share}}" }, { steps: badFrom(5 * minute, minute) }),
        stat("Room for what is not stored", "How full it is: writers wait at 100 %.", Unit.ratio, { expr: `dittofs_log_full_ratio{${ofShare}}`, legend: "{{share}}" }, { steps: badFrom(0.8, 0.5) }),
        stat("Disk left", "Of the file system of the data directory.", Unit.ratio, { expr: `dittofs_data_directory_free_bytes{${ofInstance}} / dittofs_data_directory_size_bytes{${ofInstance}}`, legend: "{{instance}}" }, { steps: goodFrom(0.2, 0.1) }),
      ],
    },
    {
      title: "What clients ask for",
      panels: [
        lines("Requests", "Of NFS and SMB, by share.", Unit.perSecond, [
          { expr: rate(["share"], `dittofs_nfs_requests_total{${ofShare}}`), legend: "NFS {{share}}" },
          { expr: rate(["share"], `dittofs_smb_requests_total{${ofShare}}`), legend: "SMB {{share}}" },
        ], { stacked: true }),
        lines("Bytes of files", "Read and written by clients.", Unit.bytesPerSecond, [
          { expr: rate(["procedure", "share"], `dittofs_nfs_file_bytes_total{${ofShare}}`), legend: "NFS {{procedure}} {{share}}" },
          { expr: rate(["command", "share"], `dittofs_smb_file_bytes_total{${ofShare}}`), legend: "SMB {{command}} {{share}}" },
        ], { stacked: true }),
        latency("NFS latency", "From taking a call up to its answer.", ["share"], "dittofs_nfs_request_duration_seconds", ofShare),
        latency("SMB latency", "From taking a request up to its last answer; waits for locks and for changes of directories are left out.", ["share"], "dittofs_smb_request_duration_seconds", `${ofShare}, command!~"LOCK|CHANGE_NOTIFY"`),
      ],
    },
    {
      title: "The server",
      panels: [
        lines("Event loop lag", "How late the server is: one thread answers all clients.", Unit.seconds, [
          { expr: quantile(0.5, ["instance"], "dittofs_event_loop_lag_seconds", ofInstance), legend: "{{instance}} p50" },
          { expr: quantile(0.99, ["instance"], "dittofs_event_loop_lag_seconds", ofInstance), legend: "{{instance}} p99" },
          { expr: `dittofs_event_loop_lag_max_seconds{${ofInstance}}`, legend: "{{instance}} most" },
        ], { width: width.third }),
        lines("Processor", "Processors in use: 1 is one of them.", Unit.number, [{ expr: rate(["instance", "mode"], `dittofs_process_cpu_seconds_total{${ofInstance}}`), legend: "{{instance}} {{mode}}" }], { width: width.third, stacked: true }),
        lines("Memory", "In RAM, and what JavaScript's objects take of it.", Unit.bytes, [
          { expr: `dittofs_process_resident_memory_bytes{${ofInstance}}`, legend: "{{instance}}" },
          { expr: `dittofs_process_heap_bytes{${ofInstance}}`, legend: "{{instance}} {{part}}" },
        ], { width: width.third }),
        lines("Connections", "Open now.", Unit.number, [{ expr: `dittofs_connections{${ofInstance}}`, legend: "{{instance}} {{protocol}}" }], { width: width.third }),
        lines("Open files", "And how many may be.", Unit.number, [
          { expr: `dittofs_process_open_files{${ofInstance}}`, legend: "{{instance}}" },
          { expr: `dittofs_process_open_files_max{${ofInstance}}`, legend: "{{instance}} at most" },
        ], { width: width.third }),
        lines("REST interface", "Calls by status.", Unit.perSecond, [{ expr: rate(["status"], `dittofs_api_requests_total{${ofInstance}}`), legend: "{{status}}" }], { width: width.third }),
        lines("Traces", "Requests that are followed, and those that were drawn beyond telemetry.max_traces_per_second; none where tracing is off.", Unit.perSecond, [
          { expr: rate(["instance"], `dittofs_traces_followed_total{${ofInstance}}`), legend: "followed {{instance}}" },
          { expr: rate(["instance"], `dittofs_traces_passed_over_total{${ofInstance}}`), legend: "passed over {{instance}}" },
        ], { width: width.third }),
        lines("Spans", "That the collector of traces took, and that nobody will see.", Unit.perSecond, [
          { expr: rate(["instance"], `dittofs_spans_exported_total{${ofInstance}}`), legend: "taken {{instance}}" },
          { expr: rate(["instance", "reason"], `dittofs_spans_dropped_total{${ofInstance}}`), legend: "dropped {{instance}} {{reason}}" },
        ], { width: width.third }),
        lines("Spans waiting", "For the collector of traces; of more than 8192 the rest is dropped.", Unit.number, [{ expr: `dittofs_spans_waiting{${ofInstance}}`, legend: "{{instance}}" }], { width: width.third }),
      ],
    },
    {
      title: "What is stored",
      panels: [
        lines("Not stored yet", "Accepted, safe in the log, and not in the block store.", Unit.bytes, [{ expr: `dittofs_upload_backlog_bytes{${ofShare}}`, legend: "{{share}}" }], { stacked: true }),
        lines("Stored", "Bytes of the files of each share.", Unit.bytes, [{ expr: `dittofs_share_stored_bytes{${ofShare}}`, legend: "{{share}}" }], { stacked: true }),
        lines("Files", "Files, directories and other objects.", Unit.number, [{ expr: `dittofs_share_files{${ofShare}}`, legend: "{{share}}" }]),
        lines("Jobs", "Checks, scrubs, collections and moves under way.", Unit.number, [{ expr: `sum by (kind) (dittofs_jobs_running{${ofInstance}})`, legend: "{{kind}}" }]),
      ],
    },
  ],
};
