/**
 * Metrics of what lies below the protocols: at a scrape they are read from what the parts of the running server count anyway. What
 * is gone by then gives nothing, so that no share is counted that is not there. Nothing here holds or changes any state of the server.
 */
export { collectServer, type Measured } from "./server-metrics.ts";
