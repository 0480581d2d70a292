/**
 * From rows to a running server: what is desired is worked out from the state, and the runtime asked for it after every change.
 * Policies and the snapshot of identities stay the objects they were as long as nothing of them changed.
 */
export { KnownAccounts } from "./accounts.ts";
export * from "./clients.ts";
export * from "./effects.ts";
export * from "./identity.ts";
export * from "./plans.ts";
