/**
 * Passwords: what is allowed as one, their hashes (bcrypt for log-ins, the NT hash for SMB), and the queue that lets one bcrypt run
 * at a time, so that log-ins never take the cores from file service. Passwords themselves are kept nowhere.
 */
export * from "./generate.ts";
export * from "./nt-hash.ts";
export * from "./passwords.ts";
export * from "./rules.ts";
