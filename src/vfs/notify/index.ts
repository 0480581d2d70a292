/**
 * Tells whoever watches a directory what became of its entries, by whatever protocol. Reports come from the applied listener, for
 * names and attributes, and from writes to content; where nobody watches they cost one look at `Notifier.size`. A watch buffers
 * what its owner has not taken yet, up to a bound; past it the owner learns that it has to list the directory anew. Of what changes below
 * the watched directory's own entries it is told what its owner could find by listing, at the time it is told.
 */
export { Action, Concern } from "./concern.ts";
export { Notifier } from "./notifier.ts";
export type { WatchedChange, WatchOptions, Watch } from "./watch.ts";
