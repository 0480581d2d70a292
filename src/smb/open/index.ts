/** Files a client has open: their ids, where a path leads, names against wildcards, and what closing does. */
export { Open, Opens } from "./open.ts";
export { closeAll, closeOpen } from "./closing.ts";
