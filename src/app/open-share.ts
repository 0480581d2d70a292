import { dirname, join } from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { openFilesystemBlocks, openMemoryBlocks } from "#blocks/index.ts";
import { type Content, type ContentOptions, deriveContentLimits, openContent, type Recovered } from "#cache/index.ts";
import { CachedBlocks, type DiskCacheLimits, type DiskCacheStats, openDiskCache, warm, type Warmed } from "#cache/disk/index.ts";
import { type Config, formatSize, type Limits, parseSize } from "#config/index.ts";
import type { SharePlan, ShareState, StorePlan } from "#control/index.ts";
import { openMemoryStore, openSqliteStore, type SqliteStore } from "#metadata/index.ts";
import { type History, TurnWriter } from "#history/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { Durability } from "#model/credentials.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { createShare, type Share } from "#vfs/index.ts";
import { checkBlocksAreThere, checkDatabaseIsThere, checkLogIsThere } from "./away.ts";
import { claimBlocks } from "./claim.ts";
import { makeDirectory } from "./durable-files.ts";
import { Lifecycle } from "./lifecycle.ts";
import { blockFilesWithin, openFilesMax } from "./open-files.ts";
import { restoreLostLog } from "./lost-log.ts";
import { diskCacheFolder, placesOf, type SharePlaces } from "./places.ts";
import { keepsHistory, openHistory } from "./share-history.ts";
import { s3OptionsOf } from "./s3.ts";

/** What every part of the server is handed. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Something acknowledged is at risk if the process goes on: it must end at once. */
  readonly fatal: (error: Error) => void;
}

/** Another machine took the share: it must be closed, and nothing of it be acknowledged. */
export type OnTaken = (error: Error) => void;

/** A start waits so long for the word that the share is still ours; while its store is away it serves without. */
const takeMsMax = 5_000;

/** The part of a share's time to stop that its requests in hand may take; the rest is for content on its way into its store. */
const drainPart = 0.5;

/** What an acknowledgement means at present. */
interface Tier {
  durability: Durability;
}

/** A share that is served, with what it is made of. */
export class OpenShare {
  plan: SharePlan;
  readonly share: Share;
  readonly places: SharePlaces;
  /** What recovery did, in words; null where there was nothing to do. */
  readonly recovered: string | null;
  private readonly config: Config;
  private readonly content: Content;
  private readonly tier: Tier;
  /** Null: the share keeps none. */
  readonly history: History | null;
  /** Of a remote block store alone. */
  private readonly diskCache: CachedBlocks | null;
  private readonly parts: Lifecycle;

  constructor(plan: SharePlan, opened: { tier: Tier; history: History | null; share: Share; places: SharePlaces; recovered: string | null; config: Config; content: Content; diskCache: CachedBlocks | null; parts: Lifecycle }) {
    this.plan = plan;
    this.share = opened.share;
    this.places = opened.places;
    this.recovered = opened.recovered;
    this.config = opened.config;
    this.content = opened.content;
    this.tier = opened.tier;
    this.history = opened.history;
    this.diskCache = opened.diskCache;
    this.parts = opened.parts;
  }

  get dirtyBytes(): number {
    return this.content.dirtyBytes;
  }

  get unstoredBytes(): number {
    return this.content.unstoredBytes;
  }

  /** What is not in its stores yet, and why. */
  get backlog(): Omit<ShareState, "state" | "error"> {
    const { dirtyBytes, unstoredBytes, oldestUnstoredMs, storeError } = this.content;
    return { dirtyBytes, unstoredBytes, oldestUnstoredMs, storeError, history: this.history?.status ?? null };
  }

  get progress(): Content["progress"] {
    return this.content.progress;
  }

  /** What the cache on disk does; null where the block store needs none. */
  get diskCacheStats(): DiskCacheStats | null {
    return this.diskCache?.stats ?? null;
  }

  /** Has the disk hold copies of what the share stores; null where its block store needs none. */
  async warm(): Promise<Warmed | null> {
    return this.diskCache === null ? null : await warm(this.diskCache, this.share.store);
  }

  /** Removes the copies that the disk holds, and gives their bytes; null where there are none to hold. */
  async evict(): Promise<number | null> {
    return (await this.diskCache?.evict()) ?? null;
  }

  /** Takes over what of another plan needs no closing: the policy, and what an acknowledgement means. */
  follow(plan: SharePlan): void {
    this.plan = plan;
    if (this.share.policy !== plan.policy) this.share.setPolicy(plan.policy);
    this.tier.durability = plan.durability;
    this.content.setDurability(plan.durability);
  }

  /** Another part of what all shares have together. */
  setLimits(limits: Limits): void {
    const given = contentLimits(this.config, limits);
    this.content.setLimits(deriveContentLimits(given), given.cacheBytes);
    this.diskCache?.setLimits(diskCacheLimits(this.config, limits));
    this.share.resizeCaches(limits.filesMaxPerShare, limits.filesMaxPerShare);
  }

  /** Stores what is accepted by now, or as far as it came when `givenUp` says so. */
  drain(givenUp: () => boolean): Promise<void> {
    return this.content.drain(givenUp);
  }

  async usage(): Promise<{ readonly bytes: number; readonly files: number }> {
    const { bytes, inodes } = await this.share.store.usage();
    return { bytes, files: inodes };
  }

  /** When nothing of it runs any more, once it is being closed. */
  get ended(): Promise<void> {
    return this.parts.ended;
  }

  /** Closes it once no table has it any more: requests in hand are answered, content is stored. False: not in time; it goes on until `ended`. */
  async close(timeoutMs: number, clock: Clock): Promise<boolean> {
    const deadline = clock.monotonicMs() + timeoutMs;
    await this.share.drain(timeoutMs * drainPart);
    return await this.parts.stop(Math.max(0, deadline - clock.monotonicMs()));
  }
}

/** Opens one share: metadata, blocks, content with its recovery, and the file semantics over them. Where that fails nothing stays open. */
export async function openShare(config: Config, plan: SharePlan, limits: Limits, around: Surroundings, onTaken: OnTaken = () => {}): Promise<OpenShare> {
  const logger = around.logger.child({ share: plan.name });
  const parts = new Lifecycle(around.clock, logger);
  try {
    return await open(config, plan, limits, { ...around, logger }, parts, onTaken);
  } catch (error) {
    await parts.stop(config.server.shutdown_timeout);
    throw error;
  }
}

async function open(config: Config, plan: SharePlan, limits: Limits, around: Surroundings, parts: Lifecycle, onTaken: OnTaken): Promise<OpenShare> {
  const { clock, random, logger, fatal } = around;
  const places = placesOf(config, plan);
  makeDirectory(places.content);
  if (plan.metadata.type === "sqlite") {
    checkDatabaseIsThere(plan.name, places.content, places.database);
    makeDirectory(dirname(places.database));
  }
  const keeps = keepsHistory(plan);
  const store = openStore(plan.metadata, places, around, keeps);
  parts.started("metadata", () => store.close());
  checkLogIsThere(plan.name, places.content, (await store.usage()).inodes > 0);
  // Its entry must be as durable as what the log is going to hold.
  makeDirectory(join(places.content, "log"));
  const { blocks, bucket } = await openBlocks(plan, places, store, parts, diskCacheLimits(config, limits), around);
  const history = keeps ? openHistory({ plan, places, store, blocks: bucket, lost: onTaken, unshippedBytesMax: limits.dirtyBytesMaxPerShare }, around) : null;
  if (history !== null) {
    parts.started("history", () => history.close());
    const { identity, journal } = store as SqliteStore;
    await restoreLostLog({ share: plan.name, instance: identity.instance, directory: join(places.content, "log"), segmentBytes: config.cache.log_segment_size, blocks: bucket, mark: journal?.mark ?? null }, around);
  }
  const diskCache = blocks instanceof CachedBlocks ? blocks : null;
  const { content, recovered, shipped } = await openContent({
    store,
    blocks,
    directory: places.content,
    durability: plan.durability,
    ephemeral: plan.metadata.type === "memory",
    ...contentLimits(config, limits),
    garbage: { graceMs: config.gc.grace, intervalMs: config.gc.interval },
    ...(history === null ? {} : { history }),
    clock,
    random,
    logger,
    fatal,
  });
  parts.started("content", () => content.close());
  await history?.start(shipped, takeMsMax);
  const tier: Tier = { durability: plan.durability };
  const share = await createShare({
    ...(history === null ? {} : { publication: history.publication(() => tier.durability === Durability.remote) }),
    name: plan.name,
    store,
    content,
    clock,
    random,
    logger,
    policy: plan.policy,
    rootMode: plan.rootMode,
    inodesMax: limits.filesMaxPerShare,
    namesMax: limits.filesMaxPerShare,
  });
  parts.started("share", () => share.close());
  return new OpenShare(plan, { tier, history, share, places, recovered: describeRecovered(recovered), config, content, diskCache, parts });
}

function contentLimits(config: Config, limits: Limits): Pick<ContentOptions, "limits" | "cacheBytes" | "segmentBytes"> {
  return {
    cacheBytes: limits.cacheBytesPerShare,
    segmentBytes: config.cache.log_segment_size,
    limits: {
      dirtyBytesMax: limits.dirtyBytesMaxPerShare,
      unstoredBytesMax: limits.unstoredBytesMaxPerShare,
      flushAgeMs: config.cache.flush_age,
      flushBytes: limits.flushBytesPerShare,
    },
  };
}

function diskCacheLimits({ cache }: Config, limits: Limits): DiskCacheLimits {
  return { bytesMax: limits.diskCacheBytesPerShare, freeBytesMin: cache.disk_free_min, aheadBytesMax: limits.aheadBytesPerShare };
}

function openStore(plan: StorePlan, places: SharePlaces, { clock, random, logger, fatal }: Surroundings, keeps: boolean): MetadataStore {
  switch (plan.type) {
    case "memory":
      return openMemoryStore({ clock, random });
    case "sqlite":
      return openSqliteStore({ path: places.database, clock, random, logger, fatal, ...(keeps ? { journal: new TurnWriter() } : {}) });
    default:
      throw new Error(unknownType(plan));
  }
}

async function openBlocks(plan: SharePlan, places: SharePlaces, store: MetadataStore, parts: Lifecycle, cacheLimits: DiskCacheLimits, around: Surroundings): Promise<{ readonly blocks: BlockStore; readonly bucket: BlockStore }> {
  const instance = Buffer.from(store.identity.instance).toString("hex");
  if (plan.blocks.type === "memory") {
    const blocks = openMemoryBlocks({ bytesMax: memoryBytesMax(plan.blocks) });
    parts.started("blocks", () => blocks.close());
    return { blocks, bucket: blocks };
  }
  if (plan.blocks.type === "s3") {
    const { openS3Blocks } = await import("#blocks/s3/index.ts");
    const bucket = await openS3Blocks(s3OptionsOf(plan.blocks, around));
    const { clock, logger } = around;
    const blocks = await openDiskCache({ blocks: bucket, directory: join(places.content, diskCacheFolder), keyPrefix: `${instance}/`, limits: cacheLimits, clock, logger });
    parts.started("blocks", () => blocks.close());
    return { blocks, bucket };
  }
  if (plan.blocks.type !== "filesystem") throw new Error(unknownType(plan.blocks));
  checkBlocksAreThere(plan.name, places.blocks, (await store.packs(0, 1)).length > 0);
  makeDirectory(places.blocks);
  const owner = { instance, ephemeral: plan.metadata.type === "memory" };
  const claim = claimBlocks(places.blocks, owner);
  parts.started(`hold on ${places.blocks}`, () => claim.release());
  const blocks = await openFilesystemBlocks({ directory: places.blocks, openFilesMax: blockFilesWithin(openFilesMax()) });
  parts.started("blocks", () => blocks.close());
  return { blocks, bucket: blocks };
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

/** What a start found in the log and did about it. */
export function describeRecovered(recovered: Recovered): string | null {
  if (recovered.records === 0 && recovered.tornBytes === 0) return null;
  const parts = [`${recovered.records} log records read, ${recovered.replayed} of them replayed (${formatSize(recovered.replayedBytes)})`];
  if (recovered.unfinished > 0) parts.push(`${recovered.unfinished} writes that were never acknowledged left out`);
  if (recovered.tornBytes > 0) parts.push(`a torn tail of ${formatSize(recovered.tornBytes)} dropped`);
  return parts.join(", ");
}
