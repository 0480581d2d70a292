/**
 * One share: put together of its metadata, its log, its caches and its blocks, served, and closed again with nothing lost. It is opened only where its tree
 * is the one that is known, and nobody else has its directories; why one is not served is said in words.
 */
export type { OpenShare, Surroundings } from "./open-share.ts";
export { openShare } from "./share-opening.ts";
