/**
 * Protocol-neutral file semantics. `FileSystem` and `Shares` are what protocols see; a `Share` implements them over a metadata
 * store and content. Every operation is decided here, from cached reads, as one change set whose conditions make it right
 * whatever other clients do meanwhile; a refused set is decided anew.
 */
export { Absence, absentMsMax, type AbsentShare } from "./absent-shares.ts";
export { type Claim, credentialsOf } from "./access/credentials.ts";
export * from "./access/policy.ts";
export * from "./attributed.ts";
export * from "./create-share.ts";
export * from "./file-system.ts";
export { Share } from "./share.ts";
export { ShareTable } from "./share-table.ts";
