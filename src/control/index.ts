/**
 * The control plane: users, groups, shares, stores, adapters, netgroups, settings and grants as rows of one database, held in
 * memory as well, changed one change at a time: checked, made durable, brought into effect, written to the audit log. It knows
 * the running server only as `Runtime` and nothing of HTTP.
 */
export * from "./errors.ts";
export type * from "./jobs.ts";
export type * from "./nouns.ts";
export type * from "./runtime.ts";
export type * from "./services.ts";
export * from "./start/index.ts";
export { type AdapterOverride, type AdapterOverrides, type Resolve } from "./server/index.ts";
