/** Files a client has open: their ids, where a path leads, names against wildcards, and what closing does. */
export { closeOpen } from "./closing.ts";
export { Open } from "./open.ts";
export { Opens } from "./opens.ts";
