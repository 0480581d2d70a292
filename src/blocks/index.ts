/**
 * Block stores: immutable objects under keys, written once. What each method means is `test/contract/blocks.ts`, which runs on
 * every store; wrappers are stores made of stores. `s3/` is entered by itself, when a store of that type is opened: few servers have one.
 */
export { faultyBlocks, PlannedFaults, type FaultPlan, type Faults, type Operation } from "./fault/index.ts";
export { openFilesystemBlocks, type FilesystemBlocks, type FilesystemOptions } from "./filesystem/index.ts";
export { FramedBlocks, type FramedOptions, openFramedBlocks } from "./framed/index.ts";
export { Keyring, KeyringError, type KeyringOptions, type MasterKeys, parseMasterKeys, type RingState } from "./keyring/index.ts";
export { limitBlocks, type Rates } from "./limit/index.ts";
export { type Counts, MeteredBlocks, type MeteredOperation, meteredOperations, type Outcome } from "./meter/index.ts";
export { openMemoryBlocks, type MemoryOptions } from "./memory/index.ts";
export type { S3Action, S3Blocks, S3Counts, S3Credentials, S3Limits, S3Options, S3Report } from "./s3/index.ts";
