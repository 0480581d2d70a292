/**
 * Log-ins: who may try how often, the tokens that are given out, and when they end. An access token is checked in memory alone; its
 * user's row is looked at each time, so that whatever changes there holds from the next request on. A refresh token is good once:
 * the row of its session holds the hash of the one that is good now, and any other one of that session ends it.
 */
export * from "./logins.ts";
export type * from "./port.ts";
export * from "./throttle.ts";
export { accessLifetimeSec, refreshLifetimeSec } from "./tokens.ts";
