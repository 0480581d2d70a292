import { declare } from "../declaration.ts";

const one = "one";

/** The process itself. */
export const processMetrics = declare({
  dittofs_build_info: {
    type: "gauge",
    help: "1; what this server is, in its labels.",
    unit: "info",
    labels: ["version", "commit", "bun"],
    bound: one,
  },
});
