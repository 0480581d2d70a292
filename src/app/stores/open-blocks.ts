import { join } from "node:path";
import { openFilesystemBlocks } from "#blocks/index.ts";
import { type DiskCacheLimits, openDiskCache } from "#cache/disk/index.ts";
import { parseSize } from "#config/index.ts";
import type { SharePlan, StorePlan } from "#control/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { checkBlocksAreThere } from "../share/away.ts";
import { claimBlocks } from "./claim.ts";
import { makeDirectory } from "../process/durable-files.ts";
import { gatherPacks } from "../share/gather-packs.ts";
import type { Lifecycle } from "../process/lifecycle.ts";
import { blockFilesWithin, openFilesMax } from "../process/open-files.ts";
import type { ShareSurroundings, Surroundings } from "../share/open-share.ts";
import { diskCacheFolder, type SharePlaces } from "../share/places.ts";
import { s3OptionsOf } from "./s3.ts";
import { instanceOf } from "../share/tree.ts";
import { type WrappedBlocks, wrapBlocks } from "./wrap-blocks.ts";

/** A share's block store, as its content uses it, as it is below its cache, and with what its wrappers tell. */
export interface OpenBlocks {
  readonly blocks: BlockStore;
  readonly uncached: BlockStore;
  readonly wrapped: WrappedBlocks;
}

/** `cacheLimits` null: without a cache on the local disk. `begins`: what the share has in packs is not in this store yet. */
export async function openBlocks(plan: SharePlan, places: SharePlaces, store: MetadataStore, parts: Lifecycle, cacheLimits: DiskCacheLimits | null, around: Surroundings & Pick<ShareSurroundings, "volatile">, begins = false): Promise<OpenBlocks> {
  const instance = instanceOf(store);
  const keyPrefix = `${instance}/`;
  const filled = !begins && (await store.packs(0, 1)).length > 0;
  const wrap = (blocks: BlockStore) => wrapBlocks(plan.blocks, blocks, { keyPrefix, filled, serves: true }, around);
  if (plan.blocks.type === "memory") {
    const wrapped = await wrap(around.volatile.blocks(plan, memoryBytesMax(plan.blocks)));
    parts.started("blocks", () => wrapped.blocks.close());
    return { blocks: wrapped.blocks, uncached: wrapped.blocks, wrapped };
  }
  if (plan.blocks.type === "s3") {
    const { openS3Blocks } = await import("#blocks/s3/index.ts");
    const wrapped = await wrap(await openS3Blocks(s3OptionsOf(plan.blocks, around)));
    if (cacheLimits === null) {
      parts.started("blocks", () => wrapped.blocks.close());
      return { blocks: wrapped.blocks, uncached: wrapped.blocks, wrapped };
    }
    const { clock, logger } = around;
    const blocks = await openDiskCache({ blocks: wrapped.blocks, directory: join(places.content, diskCacheFolder), keyPrefix, limits: cacheLimits, clock, logger });
    parts.started("blocks", () => blocks.close());
    return { blocks, uncached: wrapped.blocks, wrapped };
  }
  if (plan.blocks.type !== "filesystem") throw new Error(unknownType(plan.blocks));
  checkBlocksAreThere(plan.name, places.blocks, filled);
  makeDirectory(places.blocks);
  const owner = { instance, ephemeral: plan.metadata.type === "memory" };
  const claim = claimBlocks(places.blocks, owner);
  parts.started(`hold on ${places.blocks}`, () => claim.release());
  const wrapped = await wrap(await openFilesystemBlocks({ directory: places.blocks, openFilesMax: blockFilesWithin(openFilesMax()) }));
  parts.started("blocks", () => wrapped.blocks.close());
  // What is being filled belongs to the store the share is open on.
  if (begins) return { blocks: wrapped.blocks, uncached: wrapped.blocks, wrapped };
  const [staging, packs] = [join(places.blocks, "staging"), join(places.content, "packs")];
  await ("stagingDirectory" in wrapped.blocks ? gatherPacks(packs, staging) : gatherPacks(staging, packs));
  return { blocks: wrapped.blocks, uncached: wrapped.blocks, wrapped };
}

/** The objects of a store as they lie there: not decompressed or decrypted, and without a claim on them. The caller closes it. `beside`: a share is open on it. */
export async function openBareBlocks(plan: SharePlan, { blocks }: SharePlaces, around: Pick<Surroundings, "clock" | "random" | "logger">, beside = false): Promise<BlockStore> {
  if (plan.blocks.type === "filesystem") return await openFilesystemBlocks({ directory: blocks, openFilesMax: blockFilesWithin(openFilesMax()), beside });
  const { openS3Blocks } = await import("#blocks/s3/index.ts");
  return await openS3Blocks(s3OptionsOf(plan.blocks, around));
}

export function unknownType(plan: StorePlan): string {
  return `the ${plan.kind} store ${plan.name} is of type ${plan.type}, which this program doesn't know; start the newer program that it was made with`;
}

const memoryBytesDefault = 2 ** 30;

/** What a memory store holds at most: bytes, or a size as the configuration has them. */
function memoryBytesMax(plan: StorePlan): number {
  const { size } = plan.config;
  if (typeof size === "number") return size;
  return typeof size === "string" ? (parseSize(size) ?? memoryBytesDefault) : memoryBytesDefault;
}

