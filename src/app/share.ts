import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { openFilesystemBlocks, openMemoryBlocks } from "#blocks/index.ts";
import { openContent, type Recovered } from "#cache/index.ts";
import { type Config, deriveLimits, formatSize, type ShareConfig } from "#config/index.ts";
import { openMemoryStore, openSqliteStore } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { AccessLevel, nobodyKnown } from "#model/identity.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { createShare, noGrants, type Share, SharePolicy } from "#vfs/index.ts";
import { checkBlocksAreThere, checkLogIsThere } from "./away.ts";
import { claimBlocks } from "./claim.ts";
import { placesOf, type SharePlaces } from "./data-directory.ts";
import { makeDirectory } from "./durable-files.ts";
import type { Lifecycle } from "./lifecycle.ts";

/** What every part of the server is handed. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  /** Something acknowledged is at risk if the process goes on: it must end at once. */
  readonly fatal: (error: Error) => void;
}

export interface OpenedShare {
  readonly share: Share;
  /** What recovery did, in words; null where there was nothing to do. */
  readonly recovered: string | null;
}

/** Opens one share: metadata, blocks, content with its recovery, and the file semantics over them. */
export async function openShare(config: Config, share: ShareConfig, around: Surroundings): Promise<OpenedShare> {
  const logger = around.logger.child({ share: share.name });
  const inside: Surroundings = { ...around, logger };
  const places = placesOf(config, share);
  const store = openStore(share, places, inside);
  around.lifecycle.started(`metadata of ${share.name}`, () => store.close());
  checkLogIsThere(share.name, places.content, (await store.usage()).inodes > 0);
  // Its entry must be as durable as what the log is going to hold.
  makeDirectory(join(places.content, "log"));
  const blocks = await openBlocks(share, places, store, around.lifecycle);
  const limits = deriveLimits(config, config.shares.length);
  const { content, recovered } = await openContent({
    store,
    blocks,
    directory: places.content,
    durability: share.durability,
    ephemeral: share.metadata.type === "memory",
    cacheBytes: limits.cacheBytesPerShare,
    segmentBytes: config.cache.log_segment_size,
    limits: {
      dirtyBytesMax: limits.dirtyBytesMaxPerShare,
      unstoredBytesMax: limits.unstoredBytesMaxPerShare,
      flushAgeMs: config.cache.flush_age,
      flushBytes: limits.flushBytesPerShare,
    },
    garbage: { graceMs: config.gc.grace, intervalMs: config.gc.interval },
    clock: around.clock,
    random: around.random,
    logger,
    fatal: around.fatal,
  });
  around.lifecycle.started(`content of ${share.name}`, () => content.close());
  const opened = await createShare({
    name: share.name,
    store,
    content,
    clock: around.clock,
    random: around.random,
    logger: around.logger,
    policy: policyOf(share),
    inodesMax: limits.filesMaxPerShare,
    namesMax: limits.filesMaxPerShare,
  });
  around.lifecycle.started(`share ${share.name}`, () => opened.close());
  return { share: opened, recovered: describeRecovered(recovered) };
}

/** What the configuration says of a share; files' own permissions decide about callers. */
function policyOf(share: ShareConfig): SharePolicy {
  return new SharePolicy({
    enabled: true,
    readOnly: share.read_only,
    squash: share.squash,
    anonymousUid: share.anonymous_uid,
    anonymousGid: share.anonymous_gid,
    allowedClients: share.allowed_clients,
    protocols: { nfs: true, smb: false },
    defaultPermission: AccessLevel.readWrite,
    grants: noGrants,
    identity: nobodyKnown,
    manageGroups: false,
  });
}

function openStore(share: ShareConfig, places: SharePlaces, { clock, random, logger, fatal }: Surroundings): MetadataStore {
  if (share.metadata.type === "memory") return openMemoryStore({ clock, random });
  return openSqliteStore({ path: places.database, clock, random, logger, fatal });
}

async function openBlocks(share: ShareConfig, places: SharePlaces, store: MetadataStore, lifecycle: Lifecycle): Promise<BlockStore> {
  const part = `blocks of ${share.name}`;
  if (share.blocks.type === "memory") {
    const blocks = openMemoryBlocks({ bytesMax: share.blocks.size });
    lifecycle.started(part, () => blocks.close());
    return blocks;
  }
  checkBlocksAreThere(share.name, places.blocks, (await store.packs(0, 1)).length > 0);
  makeDirectory(places.blocks);
  const owner = { instance: Buffer.from(store.identity.instance).toString("hex"), ephemeral: share.metadata.type === "memory" };
  const claim = claimBlocks(places.blocks, owner);
  lifecycle.started(`hold on ${places.blocks}`, () => claim.release());
  const blocks = await openFilesystemBlocks({ directory: places.blocks });
  lifecycle.started(part, () => blocks.close());
  return blocks;
}

/** What a start found in the log and did about it. */
export function describeRecovered(recovered: Recovered): string | null {
  if (recovered.records === 0 && recovered.tornBytes === 0) return null;
  const parts = [`${recovered.records} log records read, ${recovered.replayed} of them replayed (${formatSize(recovered.replayedBytes)})`];
  if (recovered.unfinished > 0) parts.push(`${recovered.unfinished} writes that were never acknowledged left out`);
  if (recovered.tornBytes > 0) parts.push(`a torn tail of ${formatSize(recovered.tornBytes)} dropped`);
  return parts.join(", ");
}
