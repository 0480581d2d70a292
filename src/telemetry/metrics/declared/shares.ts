import { declare } from "../declaration.ts";

const share = "the shares of the server";
const shareStore = "the shares of the server, each with its stores";
const kinds = "the kinds of jobs";
const one = "one";

/** How the shares are doing as an operator sees them: served, whole, published, on a disk with room; and what clients hold in them. */
export const shareMetrics = declare({
  dittofs_share_served: { type: "gauge", help: "1 where the share is served, 0 where it should be and is not: dittofs share status says why.", unit: "0 or 1", labels: ["share"], bound: share },
  dittofs_share_files: { type: "gauge", help: "Files, directories and other objects in the share.", unit: "files", labels: ["share"], bound: share },
  dittofs_share_stored_bytes: { type: "gauge", help: "Bytes of the share's files as they are stored, those that two files share counted for each.", unit: "bytes", labels: ["share"], bound: share },
  dittofs_store_reachable: {
    type: "gauge",
    help: "1 where a store of a served share did the last of what was asked of it, 0 where it does not answer or refuses to work. It is not asked for this alone.",
    unit: "0 or 1",
    labels: ["share", "store", "kind"],
    bound: `${shareStore}; block and metadata`,
  },
  dittofs_damaged_objects: { type: "gauge", help: "Objects and places in them that are known to be missing or damaged in the block store: reads of them fail.", unit: "objects", labels: ["share"], bound: share },
  dittofs_damage_found_total: { type: "counter", help: "Reads that found stored content missing or damaged, again and again the same where it is.", unit: "reads", labels: ["share"], bound: share },
  dittofs_scrub_running: { type: "gauge", help: "1 while all content is being read in the background and compared with its checksums.", unit: "0 or 1", labels: ["share"], bound: share },
  dittofs_scrub_checked_bytes: { type: "gauge", help: "Bytes the present pass of scrubbing has read.", unit: "bytes", labels: ["share"], bound: share },
  dittofs_scrub_damaged: { type: "gauge", help: "Damages the present pass of scrubbing has found.", unit: "damages", labels: ["share"], bound: share },
  dittofs_scrub_last_end_timestamp_seconds: { type: "gauge", help: "When the last pass of scrubbing that read everything came to its end.", unit: "seconds", labels: ["share"], bound: share },
  dittofs_scrub_last_damaged: { type: "gauge", help: "Damages that pass found.", unit: "damages", labels: ["share"], bound: share },
  dittofs_history_lag_seconds: { type: "gauge", help: "How long the oldest change has waited to be published in the share's history: what a recovery from the bucket would lack; 0: nothing.", unit: "seconds", labels: ["share"], bound: share },
  dittofs_history_waiting_bytes: { type: "gauge", help: "Bytes of changes that are not published yet.", unit: "bytes", labels: ["share"], bound: share },
  dittofs_history_waiting_segments: { type: "gauge", help: "Segments of the history that are not published yet, one that is being gathered included.", unit: "segments", labels: ["share"], bound: share },
  dittofs_history_published_segments_total: { type: "counter", help: "Segments of the history that were published; those in which a server takes the share are not counted.", unit: "segments", labels: ["share"], bound: share },
  dittofs_history_published_bytes_total: { type: "counter", help: "Bytes of those segments.", unit: "bytes", labels: ["share"], bound: share },
  dittofs_history_ready: { type: "gauge", help: "1 where the share could be recovered from its bucket, 0 where it could not yet.", unit: "0 or 1", labels: ["share"], bound: share },
  dittofs_history_owner_epoch: { type: "gauge", help: "Ownership epoch of the share's history: it rises whenever a server takes the share.", unit: "number", labels: ["share"], bound: share },
  dittofs_data_directory_free_bytes: { type: "gauge", help: "Bytes free on the file system of the data directory, where logs, caches and local databases lie.", unit: "bytes", labels: [], bound: one },
  dittofs_data_directory_size_bytes: { type: "gauge", help: "Bytes of that file system.", unit: "bytes", labels: [], bound: one },
  dittofs_jobs_running: { type: "gauge", help: "Jobs of this server under way: checks, scrubs, collections, moves.", unit: "jobs", labels: ["kind"], bound: kinds },
  dittofs_jobs_ended_total: { type: "counter", help: "Jobs that ended, by how: done, cancelled or failed.", unit: "jobs", labels: ["kind", "state"], bound: `${kinds}; three states` },
  dittofs_open_files: { type: "gauge", help: "Files of the share that clients have open.", unit: "files", labels: ["share"], bound: share },
  dittofs_byte_range_locks: { type: "gauge", help: "Locks of ranges that clients hold.", unit: "locks", labels: ["share"], bound: share },
  dittofs_leases: { type: "gauge", help: "What lets clients cache files on their side: leases and oplocks.", unit: "leases", labels: ["share", "kind"], bound: `${share}; lease and oplock` },
  dittofs_lease_breaks_total: { type: "counter", help: "Breaks sent: clients that were told to give up something of what they cache.", unit: "breaks", labels: ["share"], bound: share },
  dittofs_lease_break_timeouts_total: { type: "counter", help: "Breaks that a client did not answer within 35 s; whoever waited went on without it.", unit: "breaks", labels: ["share"], bound: share },
  dittofs_smb_sessions: { type: "gauge", help: "SMB sessions, those whose log-in is under way included.", unit: "sessions", labels: [], bound: one },
  dittofs_smb_trees: { type: "gauge", help: "Connections of SMB sessions to shares.", unit: "trees", labels: [], bound: one },
  dittofs_smb_opens: { type: "gauge", help: "Files that SMB sessions have open.", unit: "opens", labels: [], bound: one },
  dittofs_smb_durable_opens_waiting: { type: "gauge", help: "Open files whose SMB client is gone and may come back.", unit: "opens", labels: [], bound: one },
  dittofs_smb_requests_pending: { type: "gauge", help: "SMB requests that wait for other clients: for locks, breaks, changes of a directory.", unit: "requests", labels: [], bound: one },
  dittofs_nfs_duplicate_cache_hits_total: { type: "counter", help: "Calls that clients repeated and that were answered with what they were answered before.", unit: "calls", labels: [], bound: one },
  dittofs_nfs_duplicate_cache_joined_total: { type: "counter", help: "Calls that clients repeated while they were being done, and that shared the answer.", unit: "calls", labels: [], bound: one },
  dittofs_nfs_duplicate_cache_entries: { type: "gauge", help: "Answers that are kept for calls that may be repeated.", unit: "answers", labels: [], bound: one },
  dittofs_nfs_duplicate_cache_bytes: { type: "gauge", help: "Bytes of those answers.", unit: "bytes", labels: [], bound: one },
});
