/**
 * Block stores: immutable objects under keys, written once. What each method means is `test/contract/blocks.ts`, which runs on
 * every store; wrappers are stores made of stores.
 */
export { faultyBlocks, PlannedFaults, type FaultPlan, type Faults, type Operation } from "./fault/index.ts";
export { openFilesystemBlocks, type FilesystemBlocks, type FilesystemOptions } from "./filesystem/index.ts";
export { openMemoryBlocks, type MemoryOptions } from "./memory/index.ts";
export { checkS3, openS3Blocks, type S3Blocks, type S3Credentials, type S3Limits, type S3Options, type S3Report } from "./s3/index.ts";
