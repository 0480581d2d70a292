import { declare, requestSeconds } from "../declaration.ts";

const shares = "128 shares, the requests of more under the share other";

/** Requests of the protocols, as `telemetry/requests` counts them. */
export const requestMetrics = declare({
  dittofs_nfs_requests_total: {
    type: "counter",
    help: "NFS and MOUNT calls answered, repeated ones answered from the duplicate-request cache aside; a call that led to no share has the share \"\".",
    unit: "requests",
    labels: ["procedure", "share", "status"],
    bound: `the protocol's procedures and statuses; ${shares}`,
  },
  dittofs_nfs_request_duration_seconds: {
    type: "histogram",
    help: "Time from taking up an NFS or MOUNT call until its answer left, or was made where it had to be waited for.",
    unit: "seconds",
    labels: ["procedure", "share"],
    bound: `the protocol's procedures; ${shares}`,
    buckets: requestSeconds,
  },
  dittofs_nfs_requests_in_flight: {
    type: "gauge",
    help: "NFS and MOUNT calls that wait for a store, a disk or memory now.",
    unit: "requests",
    labels: ["procedure", "share"],
    bound: `the protocol's procedures; ${shares}`,
  },
  dittofs_nfs_file_bytes_total: {
    type: "counter",
    help: "Bytes of files that NFS clients read (READ) and wrote (WRITE).",
    unit: "bytes",
    labels: ["procedure", "share"],
    bound: `READ and WRITE; ${shares}`,
  },
  dittofs_nfs_rejected_calls_total: {
    type: "counter",
    help: "Calls answered by an error of RPC before they were a request: of a credential or verifier (credential), of another program, version, procedure or form (call).",
    unit: "calls",
    labels: ["reason"],
    bound: "credential and call",
  },
  dittofs_smb_requests_total: {
    type: "counter",
    help: "SMB requests done, each of a compound; one that waits for other clients when its last answer is sent, not when STATUS_PENDING is. A request that led to no share has the share \"\", one without an answer the status NO_ANSWER.",
    unit: "requests",
    labels: ["command", "share", "status"],
    bound: `the protocol's commands and this server's statuses; ${shares}`,
  },
  dittofs_smb_request_duration_seconds: {
    type: "histogram",
    help: "Time from taking up an SMB request until its answer left, or its last one was made where it had to be waited for; of LOCK and CHANGE_NOTIFY with the wait for other clients.",
    unit: "seconds",
    labels: ["command", "share"],
    bound: `the protocol's commands; ${shares}`,
    buckets: requestSeconds,
  },
  dittofs_smb_requests_in_flight: {
    type: "gauge",
    help: "SMB requests that wait for a store, a disk, memory or other clients now.",
    unit: "requests",
    labels: ["command", "share"],
    bound: `the protocol's commands; ${shares}`,
  },
  dittofs_smb_file_bytes_total: {
    type: "counter",
    help: "Bytes of files that SMB clients read (READ) and wrote (WRITE).",
    unit: "bytes",
    labels: ["command", "share"],
    bound: `READ and WRITE; ${shares}`,
  },
});
