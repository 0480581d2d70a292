/**
 * What the commands of the control plane share. A command is data (`Verb`): name, flags and which field of the contract's body each
 * fills; types, choices and their complaints come from the contract. `Call` is one run of it: reads flags, asks what is missing,
 * talks to the server (`Session`) and prints. Log-ins are kept in `contexts.ts`; every refusal becomes a message and an exit status
 * in `failure.ts`.
 */
export { Call, inPath, longOf } from "./call.ts";
export { ContextStore, contextsPath, type Contexts, type SavedContext, withContext, withoutTokens, withTokens, wrongContextName } from "./contexts.ts";
export { CommandFailure, notLoggedIn, report, statusOfCode, UsageError } from "./failure.ts";
export { changes, creates, lists, removes, shows } from "./kinds.ts";
export { approximateSize } from "#config/index.ts";
export { asText, type Column, facts, shown } from "./print.ts";
export { type Connection, Session } from "./session.ts";
export { addTo, connectionFlagNames, type Flag, type Noun, type Verb } from "./verb.ts";
