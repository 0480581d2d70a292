import { declare, requestSeconds } from "../declaration.ts";

const one = "one";

/** The process itself. */
export const processMetrics = declare({
  dittofs_event_loop_lag_seconds: {
    type: "histogram",
    help: "How much later than asked for a timer fires, looked at ten times a second: for so long nobody was answered.",
    unit: "seconds",
    labels: [],
    bound: one,
    buckets: requestSeconds,
  },
  dittofs_event_loop_lag_max_seconds: {
    type: "gauge",
    help: "The longest of them in the last minute, whoever scrapes and how often.",
    unit: "seconds",
    labels: [],
    bound: one,
  },
  dittofs_process_cpu_seconds_total: {
    type: "counter",
    help: "CPU time the process has used, all threads together.",
    unit: "seconds",
    labels: ["mode"],
    bound: "user and system",
  },
  dittofs_process_resident_memory_bytes: {
    type: "gauge",
    help: "Memory of the process that is in RAM.",
    unit: "bytes",
    labels: [],
    bound: one,
  },
  dittofs_process_heap_bytes: {
    type: "gauge",
    help: "Memory of JavaScript's objects: used of what is held (used), held (held), and outside of the heap behind them, such as buffers (external).",
    unit: "bytes",
    labels: ["part"],
    bound: "used, held and external",
  },
  dittofs_process_open_files: {
    type: "gauge",
    help: "Files and sockets the process has open. Linux alone.",
    unit: "files",
    labels: [],
    bound: one,
  },
  dittofs_process_open_files_max: {
    type: "gauge",
    help: "How many it may have open (ulimit -n).",
    unit: "files",
    labels: [],
    bound: one,
  },
  dittofs_process_start_time_seconds: {
    type: "gauge",
    help: "When the server was started, in seconds since 1970.",
    unit: "seconds",
    labels: [],
    bound: one,
  },
  dittofs_build_info: {
    type: "gauge",
    help: "1; what this server is, in its labels.",
    unit: "info",
    labels: ["version", "commit", "bun"],
    bound: one,
  },
});
