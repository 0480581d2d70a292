/**
 * Block stores: immutable objects under keys, written once. What each method means is `test/contract/blocks.ts`, which runs on
 * every store; wrappers are stores made of stores.
 */
export { faultyBlocks, type Faults, type Operation } from "./fault/index.ts";
export { openFilesystemBlocks, type FilesystemBlocks, type FilesystemOptions } from "./filesystem/index.ts";
export { openMemoryBlocks, type MemoryOptions } from "./memory/index.ts";
