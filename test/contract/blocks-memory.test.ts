import { openMemoryBlocks } from "#blocks/memory/index.ts";
import { blocksContract } from "./blocks.ts";

blocksContract({ name: "memory", open: async () => openMemoryBlocks(), keeps: false, readsNow: true });
