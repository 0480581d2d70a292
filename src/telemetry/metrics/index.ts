/**
 * Metrics for Prometheus: `declared.ts` lists every one there is, `metrics.ts` is what the layers measure into, `registry.ts` what is
 * printed at a scrape. The registry and its package are loaded when metrics are switched on, and not before.
 */
export * from "./declaration.ts";
export * from "./declared.ts";
export * from "./loop-lag.ts";
export * from "./metrics.ts";
export * from "./process-metrics.ts";
export * from "./request-metrics.ts";
