/**
 * Copies on the local disk of what a remote block store gave, in front of that store (docs/formats/disk-cache.md).
 *
 * Invariants
 * - Nothing depends on it: a copy that is missing, damaged or can't be written costs a request to the store, never an error.
 * - Nothing here is synced. Whoever reads verifies frames, and calls `distrust` for what does not match: such a copy is never given
 *   twice.
 * - It takes no more of the disk than `bytesMax` and leaves `freeBytesMin` free: room is made before anything is written.
 * - Readers wait for no write, and for no removal.
 * - A range that is on its way is not asked for twice; what of it has come is given while the rest is still to come.
 * - What is read ahead comes into page buffers of whoever reads, which are never written again once any of them was given.
 */
import fs from "node:fs";
import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type CacheFiles, systemCacheFiles } from "./cache-files.ts";
import { CachedBlocks, type DiskCacheLimits } from "./cached-blocks.ts";
import { DiskFiles } from "./disk-files.ts";
import { IndexDatabase } from "./index-database.ts";
import { makeDirectories } from "./reconcile.ts";

export { CachedBlocks, type DiskCacheLimits, type DiskCacheStats } from "./cached-blocks.ts";
export { type CacheFiles, systemCacheFiles } from "./cache-files.ts";
export { warm, type Warmed } from "./warm.ts";
export { blockBytes } from "./entry.ts";

export interface DiskCacheOptions {
  readonly blocks: BlockStore;
  /** Of this share and nobody else. */
  readonly directory: string;
  /** What the keys of the share's objects begin with. */
  readonly keyPrefix: string;
  readonly limits: DiskCacheLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The file operations, for tests. */
  readonly files?: CacheFiles;
}

/** Wraps `blocks`, which it closes with itself. Where the directory can't be used it goes on without, and says so. */
export async function openDiskCache(options: DiskCacheOptions): Promise<CachedBlocks> {
  const { blocks, limits, clock } = options;
  return new CachedBlocks(blocks, await openFiles(options), limits, clock);
}

async function openFiles({ directory, keyPrefix, limits, clock, logger, files = systemCacheFiles }: DiskCacheOptions): Promise<DiskFiles | null> {
  try {
    if (limits.bytesMax === 0) {
      await fs.promises.rm(directory, { recursive: true, force: true });
      return null;
    }
    await makeDirectories(files, directory);
    const { index, entries } = IndexDatabase.open(join(directory, "index.db"), clock, logger);
    return new DiskFiles({ directory, keyPrefix, limits, files, clock, logger }, index, entries);
  } catch (error) {
    logger.warn({ error, directory }, "the disk cache can't be opened; reads of what is not in memory go to the block store");
    return null;
  }
}
