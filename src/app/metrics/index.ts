/**
 * Metrics of the running server, its requests aside: at a scrape they are read from what the parts of the running server count anyway. What
 * is gone by then gives nothing, so that no share is counted that is not there. Nothing here holds or changes any state of the server.
 */
export { collectConnections, collectProtocols, countedLogins } from "./protocol-metrics.ts";
export { collectServer, type Measured } from "./server-metrics.ts";
