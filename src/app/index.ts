/**
 * The composition root: the only place that constructs stores, content, shares and listeners and puts them together. Start in
 * order (logger, lock of the data directory, control plane, shares, REST interface, protocols), stop in the opposite order. What is
 * desired comes from the control plane, which knows the server as `Runtime`; `offline` works on its database without a server.
 */
import { systemClock } from "#base/clock.ts";
import type { ServerControl } from "#cli/ports.ts";
import { makeDataDirectory } from "./process/data-directory.ts";
import { findInstance, waitUntilGone } from "./process/instance.ts";
import { offline } from "./offline/offline.ts";
import { runServer } from "./process/run.ts";

export { DataDirectoryError } from "./process/data-directory.ts";

export const serverControl: ServerControl = {
  run: runServer,
  makeDataDirectory,
  find: findInstance,
  offline,
  waitUntilGone: (dataDirectory, pid, timeoutMs) => waitUntilGone(dataDirectory, pid, timeoutMs, systemClock),
};
