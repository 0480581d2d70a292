/**
 * The control plane's rows in memory, and how they change. Reading is synchronous. A change is decided on what is in memory, written
 * in one transaction with its line of the audit log and the raised revision, and only then shown in memory; changes run one at a
 * time. The revision is what holds several nodes together: a transaction that finds another one than it was decided on does nothing,
 * the rows are read anew and the change is decided again.
 */
export * from "./changes.ts";
export { Draft } from "./draft.ts";
export { type Retired, autoMax } from "./retired.ts";
export { Rows } from "./rows.ts";
export { type AnyRow, type Operation, revisionOf, State } from "./state.ts";
