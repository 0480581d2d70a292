import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Content, openContent, type Recovered } from "#cache/index.ts";
import { CachedBlocks } from "#cache/disk/index.ts";
import { approximateSize, type Config, type Limits } from "#config/index.ts";
import type { SharePlan } from "#control/index.ts";
import { Durability } from "#model/credentials.ts";
import { createShare } from "#vfs/index.ts";
import { checkDatabaseIsThere, checkLogIsThere } from "./away.ts";
import { refuseContent } from "../stores/claim.ts";
import { makeDirectory } from "../process/durable-files.ts";
import { Lifecycle } from "../process/lifecycle.ts";
import { openBlocks } from "../stores/open-blocks.ts";
import { openMetadata } from "../stores/open-metadata.ts";
import { type LastWork, OpenShare, type ShareSurroundings, type Tier } from "./open-share.ts";
import { placesOf, recoveredEnd } from "./places.ts";
import { scrubFile, Scrubber } from "../work/scrubber.ts";
import { StrayFile, strayFile } from "../work/stray-file.ts";
import { OpenRecordFiles } from "./open-records.ts";
import { openHistory } from "./share-history.ts";
import { contentLimits, diskCacheLimits } from "./share-limits.ts";
import { checkMayOpen, checkTree, instanceOf, lasts } from "./tree.ts";

/** A start waits so long for the word that the share is still ours; while its store is away it serves without. */
const takeMsMax = 5_000;
/** So long where the store kept another share of this start waiting in vain. */
const takeMsMaxAway = 100;

/**
 * Opens one share: metadata, blocks, content with its recovery, and the file semantics over them. Where that fails nothing stays open. `away`:
 * names of block stores that did not answer when shares were opened just now, to which this one's is added where it doesn't.
 */
export async function openShare(config: Config, plan: SharePlan, limits: Limits, around: ShareSurroundings, away: Set<string>): Promise<OpenShare> {
  const logger = around.logger.child({ share: plan.name });
  const parts = new Lifecycle(around.clock, logger);
  try {
    return await open(config, plan, limits, { ...around, logger }, parts, away);
  } catch (error) {
    await parts.stop(config.server.shutdown_timeout);
    throw error;
  }
}

async function open(config: Config, plan: SharePlan, limits: Limits, around: ShareSurroundings, parts: Lifecycle, away: Set<string>): Promise<OpenShare> {
  const { clock, random, logger, fatal } = around;
  const places = placesOf(config, plan);
  if (plan.metadata.type === "sqlite") checkDatabaseIsThere(plan.name, places.content, places.database);
  checkMayOpen(plan, places);
  // What is begun and then refused would lie in the place of what is to be put back.
  if (plan.metadata.type === "sqlite" && plan.blocks.type === "filesystem" && !existsSync(places.database)) refuseContent(places.blocks);
  makeDirectory(places.content);
  if (plan.metadata.type === "sqlite") makeDirectory(dirname(places.database));
  const store = await openMetadata(config, plan, places, around);
  parts.started("metadata", () => store.close());
  checkTree(plan, instanceOf(store), places);
  checkLogIsThere(plan.name, places.content, (await store.usage()).inodes > 0);
  // Its entry must be as durable as what the log is going to hold.
  makeDirectory(join(places.content, "log"));
  const { blocks, uncached, wrapped } = await openBlocks(plan, places, store, parts, diskCacheLimits(config, limits), around);
  const history = await openHistory({ plan, places, store, blocks: uncached, unwrapped: wrapped.meter, config, limits, parts }, around);
  const diskCache = blocks instanceof CachedBlocks ? blocks : null;
  const { content, upkeep, recovered, shipped, stats } = await openContent({
    store,
    blocks,
    uncached,
    directory: places.content,
    durability: plan.durability,
    ephemeral: plan.metadata.type === "memory",
    ...contentLimits(config, limits),
    garbage: { graceMs: config.gc.grace, intervalMs: config.gc.interval, ...(lasts(plan) ? { strays: new StrayFile(join(places.content, strayFile), logger) } : {}) },
    ...(history === null ? {} : { history }),
    clock,
    random,
    logger,
    fatal,
  });
  const last: LastWork = { run: () => Promise.resolve() };
  parts.started("last work", () => last.run());
  parts.started("content", () => closeContent(content, plan, around));
  if ((await history?.start(shipped, away.has(plan.blocks.name) ? takeMsMaxAway : takeMsMax)) === false) away.add(plan.blocks.name);
  if (plan.instance !== null) rmSync(places.database + recoveredEnd, { force: true });
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
    ...(lasts(plan) ? { openRecords: new OpenRecordFiles(places.content) } : {}),
    inodesMax: limits.filesMaxPerShare,
    namesMax: limits.filesMaxPerShare,
  });
  parts.started("share", () => share.close());
  const checkTarget = { store, blocks: uncached, content: upkeep, clock };
  const scrubber = new Scrubber(checkTarget, join(places.content, scrubFile), logger);
  parts.started("scrubbing", () => scrubber.close());
  scrubber.setRate(plan.scrubRate);
  return new OpenShare(plan, { tier, history, share, places, recovered: describeRecovered(recovered), config, content, counts: stats, diskCache, wrapped, upkeep, scrubber, checkTarget, last, parts });
}

/** What can't be stored is nowhere else, where there is no log: names without it would show what was there before as if it were the newest. */
async function closeContent(content: Content, plan: SharePlan, { volatile, logger }: ShareSurroundings): Promise<void> {
  await content.close();
  if (lasts(plan) || (content.unstoredBytes === 0 && content.oldestUnstoredMs === null)) return;
  logger.warn({}, "content that its block store did not take is lost, since the share's metadata is in memory: the share begins anew, empty");
  volatile.forget(plan);
}

/** What a start found in the log and did about it. */
export function describeRecovered(recovered: Recovered): string | null {
  if (recovered.records === 0 && recovered.tornBytes === 0 && recovered.damage === null) return null;
  const parts = [`${recovered.records} log records read, ${recovered.replayed} of them replayed (${approximateSize(recovered.replayedBytes)})`];
  if (recovered.unfinished > 0) parts.push(`${recovered.unfinished} writes that were never acknowledged left out`);
  if (recovered.tornBytes > 0) parts.push(`a torn tail of ${approximateSize(recovered.tornBytes)} dropped${recovered.tornWhole > 0 ? ` with ${recovered.tornWhole} whole records in it (see the log's warning)` : ""}`);
  if (recovered.damage !== null) parts.push(`damage done by the disk to ${recovered.damage.lost + recovered.damage.unknown + recovered.damage.mended} acknowledged records (see the log's error)`);
  return parts.join(", ");
}
