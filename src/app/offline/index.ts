/**
 * What is done without a server, under the lock of its data directory: passwords, secrets, backups, work on shares, and recovery of a share from its
 * block store alone.
 */
export { offline } from "./offline.ts";
