/**
 * Watching requests: what each protocol's dispatcher tells while somebody wants to know, in tables of numbers that are as long as its
 * procedures, statuses and a bounded number of shares. Metrics read them at a scrape, live views by the second. A request costs one
 * reading of the clock and some additions while it is watched, and the test of a field while it isn't.
 */
export * from "./durations.ts";
export * from "./share-requests.ts";
export * from "./switch.ts";
export * from "./watch.ts";
