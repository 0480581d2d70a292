/**
 * Stores, constructed: a plan of the control plane is turned into metadata or blocks, with everything that is wrapped around them, tried, and
 * given other keys. PostgreSQL and S3 are loaded by the first share that needs them.
 */
export { openBlocks } from "./open-blocks.ts";
export { openMetadata } from "./open-metadata.ts";
export { tryStore } from "./try-store.ts";
