import { secondsBounds, sizesBounds } from "../../distribution.ts";
import { declare } from "../declaration.ts";

const shareStore = "the shares of the server, each with its store";
const typed = `${shareStore} and that store's type`;

/** Block stores and metadata stores. */
export const storeMetrics = declare({
  dittofs_blockstore_requests_total: {
    type: "counter",
    help: "Requests to a block store, each once however often it was tried: put, get, head, delete (of any number of keys), list (of any number of pages). A request that is no problem of the store may end with not_found; unavailable and refused heal or are an operator's to heal; full is one for more room.",
    unit: "requests",
    labels: ["share", "store", "operation", "result"],
    bound: `${shareStore}; five operations and six results`,
  },
  dittofs_blockstore_request_duration_seconds: {
    type: "histogram",
    help: "Time of one such request with all its tries; reads answered from the system's page cache at once are not in it.",
    unit: "seconds",
    labels: ["share", "store", "operation"],
    bound: `${shareStore}; five operations`,
    buckets: secondsBounds,
  },
  dittofs_blockstore_bytes_total: {
    type: "counter",
    help: "Bytes of objects that were read or written by requests that went well, as they are in the store: compressed and encrypted where they are.",
    unit: "bytes",
    labels: ["share", "store", "direction"],
    bound: `${shareStore}; read and written`,
  },
  dittofs_blockstore_retries_total: { type: "counter", help: "Tries of requests after one that failed.", unit: "requests", labels: ["share", "store"], bound: shareStore },
  dittofs_blockstore_throttled_total: { type: "counter", help: "Answers by which the block store asked for fewer requests (status 429 or 503).", unit: "requests", labels: ["share", "store"], bound: shareStore },
  dittofs_blockstore_free_bytes: { type: "gauge", help: "Bytes free for content where a block store of type filesystem lies, as last read.", unit: "bytes", labels: ["share", "store"], bound: shareStore },
  dittofs_blockstore_size_bytes: { type: "gauge", help: "Bytes of the file system a block store of type filesystem lies on.", unit: "bytes", labels: ["share", "store"], bound: shareStore },
  dittofs_s3_requests_total: {
    type: "counter",
    help: "Requests to a bucket over the wire, each try by itself, by the S3 action (what providers charge for) and the answer; taken is a key that exists, unreachable no answer at all. UploadPart counts the parts of objects that are put in parts.",
    unit: "requests",
    labels: ["share", "store", "action", "result"],
    bound: `${shareStore}; eleven actions and seven results`,
  },
  dittofs_s3_request_duration_seconds: {
    type: "histogram",
    help: "Time of one such request, from its first byte to the last of its answer, the wait for a connection included.",
    unit: "seconds",
    labels: ["share", "store", "action"],
    bound: `${shareStore}; eleven actions`,
    buckets: secondsBounds,
  },
  dittofs_s3_uploads: { type: "gauge", help: "Uploads on their way to a bucket at present.", unit: "uploads", labels: ["share", "store"], bound: shareStore },
  dittofs_s3_uploads_limit: { type: "gauge", help: "How many uploads may be: it falls when the bucket throttles and rises again while it does not.", unit: "uploads", labels: ["share", "store"], bound: shareStore },
  dittofs_metadata_reads_total: {
    type: "counter",
    help: "Look-ups asked of a metadata store, by what was asked for; the caches above it answer most before they come here.",
    unit: "reads",
    labels: ["share", "store", "type", "kind"],
    bound: `${typed}; six kinds`,
  },
  dittofs_metadata_changes_total: {
    type: "counter",
    help: "Change sets, one for each operation that changes anything: applied, or refused because something had changed meanwhile or was not so.",
    unit: "changes",
    labels: ["share", "store", "type", "result"],
    bound: `${typed}; applied and refused`,
  },
  dittofs_metadata_commit_changes: { type: "histogram", help: "Change sets that share a transaction.", unit: "changes", labels: ["share", "store", "type"], bound: typed, buckets: sizesBounds },
  dittofs_metadata_commit_duration_seconds: {
    type: "histogram",
    help: "Time of one transaction: memory and SQLite without its sync, which is how long it held the event loop; PostgreSQL from sending it to its answer.",
    unit: "seconds",
    labels: ["share", "store", "type"],
    bound: typed,
    buckets: secondsBounds,
  },
  dittofs_metadata_sync_duration_seconds: { type: "histogram", help: "Time of one sync of SQLite's write-ahead log, which all who wait for it share.", unit: "seconds", labels: ["share", "store", "type"], bound: typed, buckets: secondsBounds },
  dittofs_metadata_query_duration_seconds: { type: "histogram", help: "Time of one read that PostgreSQL answered, tries included.", unit: "seconds", labels: ["share", "store", "type"], bound: typed, buckets: secondsBounds },
  dittofs_metadata_query_failures_total: { type: "counter", help: "Reads that PostgreSQL did not answer in time, or refused.", unit: "reads", labels: ["share", "store", "type"], bound: typed },
  dittofs_postgres_sessions: { type: "gauge", help: "Open sessions with the PostgreSQL server; a share that is well has up to three.", unit: "sessions", labels: ["share", "store"], bound: shareStore },
  dittofs_postgres_statements_running: { type: "gauge", help: "Statements that wait for PostgreSQL's answer at present.", unit: "statements", labels: ["share", "store"], bound: shareStore },
  dittofs_postgres_changes_waiting: { type: "gauge", help: "Change sets that wait for a transaction at present.", unit: "changes", labels: ["share", "store"], bound: shareStore },
});
