import { declare } from "../declaration.ts";

const one = "one";

/** What becomes of requests that are followed, and of what is told of them. Nothing where tracing is off. */
export const tracingMetrics = declare({
  dittofs_traces_followed_total: {
    type: "counter",
    help: "Requests of clients that are followed, those that their callers ask for included.",
    unit: "requests",
    labels: [],
    bound: one,
  },
  dittofs_traces_passed_over_total: {
    type: "counter",
    help: "Requests that telemetry.sample_rate would have had followed and that were not, since telemetry.max_traces_per_second were in that second already. Where it rises, traces are of the first requests of each second, not of all alike.",
    unit: "requests",
    labels: [],
    bound: one,
  },
  dittofs_spans_exported_total: {
    type: "counter",
    help: "Spans that the collector took.",
    unit: "spans",
    labels: [],
    bound: one,
  },
  dittofs_spans_dropped_total: {
    type: "counter",
    help: "Spans that nobody will see: for which there was no room, since the collector was away or too slow (full), and those it refused for good (refused).",
    unit: "spans",
    labels: ["reason"],
    bound: "full and refused",
  },
  dittofs_spans_waiting: {
    type: "gauge",
    help: "Spans that are kept until the collector takes them, 8192 at most.",
    unit: "spans",
    labels: [],
    bound: one,
  },
});
