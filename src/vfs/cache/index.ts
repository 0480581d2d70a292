/**
 * Inodes, names and directory listings in memory: bounded, and exact, as the store's applied listener and content alone write
 * them. A read that had to wait for the store is kept only if what it read did not change meanwhile.
 */
export * from "./inode-cache.ts";
export * from "./name-cache.ts";
export * from "./node.ts";
export * from "./pages.ts";
