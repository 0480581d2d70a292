import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { openFilesystemBlocks, openMemoryBlocks } from "#blocks/index.ts";
import { openDiskCache } from "#cache/disk/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { blocksContract } from "./blocks.ts";

const MiB = 2 ** 20;

const cached = (blocks: BlockStore, directory: string, bytesMax: number) =>
  openDiskCache({
    blocks,
    directory: join(directory, "cache"),
    keyPrefix: "",
    limits: { bytesMax, freeBytesMin: 0, aheadBytesMax: 16 * MiB },
    clock: systemClock,
    logger: silentLogger,
  });

blocksContract({ name: "memory behind a disk cache", open: (directory) => cached(openMemoryBlocks(), directory, 64 * MiB), keeps: false, readsNow: false });
blocksContract({ name: "memory behind a disk cache with room for one object", open: (directory) => cached(openMemoryBlocks(), directory, 2 * MiB + 400_000), keeps: false, readsNow: false });
blocksContract({ name: "memory behind a cache without a disk", open: (directory) => cached(openMemoryBlocks(), directory, 0), keeps: false, readsNow: false });
blocksContract({
  name: "filesystem behind a disk cache",
  open: async (directory) => cached(await openFilesystemBlocks({ directory: join(directory, "store") }), directory, 64 * MiB),
  keeps: true,
  readsNow: false,
});
