/**
 * The control plane as a whole: opened over a database, filled at the first start, following other nodes, closed. From the first
 * start on the database rules; the configuration file's shares are then only compared with it.
 */
export { type FirstAdmin, type FirstStart } from "./first-start.ts";
export type { FileShare } from "./import-shares.ts";
export { followIntervalMs } from "./follower.ts";
export { type OfflineParts, resetPasswordOffline } from "./offline.ts";
export { restoreBackup } from "./restored.ts";
export * from "./open.ts";
