/**
 * The control plane of a server, opened: its database, its secrets, its first administrator. A start that finds files of shares and no control plane
 * that knows them is refused, for it was lost.
 */
export { openControl, type RunningControl } from "./control.ts";
