import { type Dashboard, ofInstance, ofShare, Unit } from "./grafana.ts";
import { latency, lines, rate, spread, width } from "./panels.ts";

/** What clients ask over NFS and SMB, how it ends, and what they hold. */
export const protocols: Dashboard = {
  uid: "dittofs-protocols",
  title: "DittoFS / NFS and SMB",
  description: "Requests by procedure and command, how they end, how long they take, and what clients hold.",
  rows: [
    {
      title: "NFS",
      panels: [
        lines("Calls", "By procedure.", Unit.perSecond, [{ expr: rate(["procedure"], `dittofs_nfs_requests_total{${ofShare}}`), legend: "{{procedure}}" }], { stacked: true }),
        lines("Calls that did not end well", "By status; NOENT is what looking for a name that is not there gives.", Unit.perSecond, [{ expr: rate(["status"], `dittofs_nfs_requests_total{${ofShare}, status!~"NFS3_OK|MNT3_OK|RPC_SUCCESS"}`), legend: "{{status}}" }]),
        latency("Latency by procedure", "From taking a call up to its answer.", ["procedure"], "dittofs_nfs_request_duration_seconds", ofShare),
        spread("Latency of all", "How many calls a second took how long.", "dittofs_nfs_request_duration_seconds", ofShare),
        lines("Waiting", "Calls that wait for a store, a disk or memory.", Unit.number, [{ expr: `sum by (procedure) (dittofs_nfs_requests_in_flight{${ofShare}})`, legend: "{{procedure}}" }], { width: width.third }),
        lines("Bytes of files", "Read and written.", Unit.bytesPerSecond, [{ expr: rate(["procedure"], `dittofs_nfs_file_bytes_total{${ofShare}}`), legend: "{{procedure}}" }], { width: width.third }),
        lines("Repeated calls", "Answered again, or together with the call that was under way: many speak of a network that loses.", Unit.perSecond, [
          { expr: rate(["instance"], `dittofs_nfs_duplicate_cache_hits_total{${ofInstance}}`), legend: "answered again {{instance}}" },
          { expr: rate(["instance"], `dittofs_nfs_duplicate_cache_joined_total{${ofInstance}}`), legend: "joined {{instance}}" },
        ], { width: width.third }),
      ],
    },
    {
      title: "SMB",
      panels: [
        lines("Requests", "By command.", Unit.perSecond, [{ expr: rate(["command"], `dittofs_smb_requests_total{${ofShare}}`), legend: "{{command}}" }], { stacked: true }),
        lines("Requests that did not end well", "By status.", Unit.perSecond, [{ expr: rate(["status"], `dittofs_smb_requests_total{${ofShare}, status!~"STATUS_SUCCESS|STATUS_MORE_PROCESSING_REQUIRED|STATUS_NO_MORE_FILES"}`), legend: "{{status}}" }]),
        latency("Latency by command", "From taking a request up to its last answer; LOCK and CHANGE_NOTIFY wait for other clients.", ["command"], "dittofs_smb_request_duration_seconds", ofShare),
        spread("Latency of all", "How many requests a second took how long; waits for locks and for changes of directories are left out.", "dittofs_smb_request_duration_seconds", `${ofShare}, command!~"LOCK|CHANGE_NOTIFY"`),
        lines("Waiting", "Requests that wait for a store, a disk, memory or other clients.", Unit.number, [{ expr: `sum by (command) (dittofs_smb_requests_in_flight{${ofShare}})`, legend: "{{command}}" }], { width: width.third }),
        lines("Bytes of files", "Read and written.", Unit.bytesPerSecond, [{ expr: rate(["command"], `dittofs_smb_file_bytes_total{${ofShare}}`), legend: "{{command}}" }], { width: width.third }),
        lines("Sessions", "And what they are connected to and have open.", Unit.number, [
          { expr: `dittofs_smb_sessions{${ofInstance}}`, legend: "sessions {{instance}}" },
          { expr: `dittofs_smb_trees{${ofInstance}}`, legend: "trees {{instance}}" },
          { expr: `dittofs_smb_opens{${ofInstance}}`, legend: "opens {{instance}}" },
          { expr: `dittofs_smb_durable_opens_waiting{${ofInstance}}`, legend: "opens whose client is gone {{instance}}" },
          { expr: `dittofs_smb_requests_pending{${ofInstance}}`, legend: "requests that wait for others {{instance}}" },
        ], { width: width.third }),
      ],
    },
    {
      title: "Connections and log-ins",
      panels: [
        lines("Connections", "Accepted, refused since there are too many, and closed by the server before their clients did.", Unit.perSecond, [
          { expr: rate(["protocol"], `dittofs_connections_accepted_total{${ofInstance}}`), legend: "accepted {{protocol}}" },
          { expr: rate(["protocol"], `dittofs_connections_refused_total{${ofInstance}}`), legend: "refused {{protocol}}" },
          { expr: rate(["protocol"], `dittofs_connections_force_closed_total{${ofInstance}}`), legend: "closed by force {{protocol}}" },
        ], { width: width.third }),
        lines("Network", "Bytes, headers included.", Unit.bytesPerSecond, [{ expr: rate(["protocol", "direction"], `dittofs_network_bytes_total{${ofInstance}}`), legend: "{{protocol}} {{direction}}" }], { width: width.third }),
        lines("Log-ins", "And those that failed.", Unit.perSecond, [
          { expr: rate(["mechanism"], `dittofs_authentication_attempts_total{${ofInstance}}`), legend: "{{mechanism}}" },
          { expr: rate(["mechanism"], `dittofs_authentication_failures_total{${ofInstance}}`), legend: "failed {{mechanism}}" },
        ], { width: width.third }),
      ],
    },
    {
      title: "What clients hold",
      panels: [
        lines("Open files and locks", "By share.", Unit.number, [
          { expr: `dittofs_open_files{${ofShare}}`, legend: "open files {{share}}" },
          { expr: `dittofs_byte_range_locks{${ofShare}}`, legend: "locked ranges {{share}}" },
        ], { width: width.third }),
        lines("Leases and oplocks", "What lets clients cache files on their side.", Unit.number, [{ expr: `dittofs_leases{${ofShare}}`, legend: "{{kind}} {{share}}" }], { width: width.third }),
        lines("Breaks", "Clients that were told to give up what they cache, and those that did not answer: whoever opened the file waited 35 s for each.", Unit.perSecond, [
          { expr: rate(["share"], `dittofs_lease_breaks_total{${ofShare}}`), legend: "sent {{share}}" },
          { expr: rate(["share"], `dittofs_lease_break_timeouts_total{${ofShare}}`), legend: "not answered {{share}}" },
        ], { width: width.third }),
      ],
    },
  ],
};
