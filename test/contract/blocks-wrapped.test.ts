import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { limitBlocks, MeteredBlocks, openFilesystemBlocks, openMemoryBlocks } from "#blocks/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { blocksContract } from "./blocks.ts";
import { readsNow } from "./reads-now.ts";

const ample = { requests: 1e6, uploadBytes: 2 ** 40, downloadBytes: 2 ** 40 };
const wrapped = (blocks: BlockStore) => limitBlocks(new MeteredBlocks(blocks, systemClock), ample, systemClock);

blocksContract({ name: "memory, metered and limited", open: async () => wrapped(openMemoryBlocks()), keeps: false, readsNow: true });
blocksContract({ name: "filesystem, metered and limited", open: async (directory) => wrapped(await openFilesystemBlocks({ directory: join(directory, "store") })), keeps: true, readsNow });
