/**
 * The composition root: the only place that constructs stores, content, shares and listeners and puts them together. Start in
 * order (logger, lock of the data directory, each share from its stores up, listeners last), stop in the opposite order.
 */
import { systemClock } from "#base/clock.ts";
import type { ServerControl } from "#cli/ports.ts";
import { makeDirectory } from "./durable-files.ts";
import { findInstance, waitUntilGone } from "./instance.ts";
import { runServer } from "./run.ts";

export { DataDirectoryError } from "./data-directory.ts";

export const serverControl: ServerControl = {
  run: runServer,
  makeDataDirectory: makeDirectory,
  find: findInstance,
  waitUntilGone: (dataDirectory, pid, timeoutMs) => waitUntilGone(dataDirectory, pid, timeoutMs, systemClock),
};
