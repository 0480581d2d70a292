/**
 * The process of a server: how it begins, holds its data directory alone, is told to stop, and ends, whatever becomes of its parts. What
 * the system is asked for directly lies here, too. An Error that leaves from here is read by whoever started the server.
 */
export { DataDirectoryError } from "./data-directory.ts";
export { findInstance, waitUntilGone } from "./instance.ts";
export { Lifecycle } from "./lifecycle.ts";
export { runServer } from "./run.ts";
