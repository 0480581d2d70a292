/**
 * The content of a share's files: pages in memory, a write-ahead log, packs on their way into the block store, and the flusher
 * that takes one to the other. Nothing acknowledged is lost; size and data of a file become durable in one log record and visible
 * in one change set. docs/ARCHITECTURE.md tells the write path end to end; docs/formats has the bytes.
 */
import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { AdoptsFiles, BlockStore } from "#model/block-store.ts";
import type { Durability } from "#model/credentials.ts";
import type { ShareHistory, ShippedContent } from "#model/history.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { Content } from "./content.ts";
import { deriveContentLimits, type GivenLimits } from "./content-limits.ts";
import type { ContentStats } from "./content-stats.ts";
import { FileTable } from "./file-table.ts";
import { Flusher } from "./flusher.ts";
import { Garbage, type GarbageOptions } from "./garbage.ts";
import { makeDirectory } from "./log/file-ops.ts";
import { asidePath, type LogDamage, nullLog, openLog, setAside, systemFiles } from "./log/index.ts";
import { describeDamage } from "./lost-bytes.ts";
import { PackTable } from "./pack-table.ts";
import { PackUploads } from "./pack-uploads.ts";
import { PageCache } from "./pages/index.ts";
import { PageFiller } from "./page-filler.ts";
import { Reader } from "./reader.ts";
import { type Recovered, Replay, removeLeftovers } from "./recovery.ts";
import { Shipped } from "./shipped-content.ts";
import { Space } from "./space.ts";
import { Upkeep } from "./upkeep.ts";
import { StoreHealth } from "./store-health.ts";
import { TappedLog } from "./tapped-log.ts";

export { Content } from "./content.ts";
export { type ContentLimits, deriveContentLimits, type GivenLimits } from "./content-limits.ts";
export type { ContentStats } from "./content-stats.ts";
export type { Recovered } from "./recovery.ts";
export type { StrayMarks, StrayMemory } from "./strays.ts";
export { Upkeep } from "./upkeep.ts";

export interface ContentOptions {
  readonly store: MetadataStore;
  readonly blocks: BlockStore;
  /** The store below every cache, where `blocks` is one in front of it. */
  readonly uncached?: BlockStore;
  /** Where the log and packs being filled lie. */
  readonly directory: string;
  readonly durability: Durability;
  /** The share's metadata does not outlive the process, so nothing of it is logged. */
  readonly ephemeral: boolean;
  readonly cacheBytes: number;
  readonly segmentBytes: number;
  readonly limits: GivenLimits;
  readonly garbage: GarbageOptions;
  /** Where every change goes, too; with it, durability `remote` means that it is published there. Absent: nowhere. */
  readonly history?: ShareHistory & { readonly markedSequence: number; publishedTo(reached: number): number };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The log could not be made durable: the process must stop acknowledging, that is, end. */
  readonly fatal: (error: Error) => void;
}

const stagingBytes = 4 * 1024 * 1024;
const verifierBytes = 8;

/** Opens a share's content, replaying its log. Nothing else may apply change sets to the store before it resolves. */
export async function openContent(options: ContentOptions): Promise<{ content: Content; upkeep: Upkeep; recovered: Recovered; shipped: ShippedContent; stats: ContentStats }> {
  const { store, blocks, clock, logger } = options;
  const packDirectory = "stagingDirectory" in blocks ? (blocks as unknown as AdoptsFiles).stagingDirectory : join(options.directory, "packs");
  await makeDirectory(systemFiles, packDirectory);
  const cache = new PageCache(options.cacheBytes);
  const files = new FileTable(cache, clock);
  const health = new StoreHealth(clock, logger);
  const packs = new PackTable(packDirectory, store, blocks, logger, { clock, fatal: options.fatal }, health);
  const history = options.history ?? null;
  packs.lendFrom(cache.pool);
  const replay = new Replay(logDirectory(options), files, packs, store, clock, history, history?.markedSequence);
  const { log: opened, torn, reached } = options.ephemeral ? { log: nullLog(await aboveEverything(options)), torn: { tornBytes: 0, tornWhole: 0, damage: null }, reached: Number.POSITIVE_INFINITY } : await openShareLog(options, replay, health);
  const log = history === null ? opened : new TappedLog(opened, history);
  await removeLeftovers(packs, logger);
  await replay.keepLeftOut();
  const uploads = new PackUploads(files, packs, store, blocks, clock, logger, health);
  const flusher = new Flusher(files, packs, log, store, uploads, clock, logger, health, history);
  const garbage = new Garbage(packs, store, blocks, flusher, clock, logger, options.garbage, health, history);
  const space = new Space(blocks);
  await space.read();
  const shipped = new Shipped(files, packs, flusher, log, reached, () => content.admission.letIn());
  const reader = new Reader(new PageFiller(cache, packs, store), clock);
  const content: Content = new Content({
    cache,
    history,
    shipped,
    files,
    packs,
    reader,
    flusher,
    health,
    garbage,
    log,
    store,
    space,
    clock,
    logger,
    limits: deriveContentLimits(options),
    durability: options.durability,
    writeVerifier: options.random.bytes(verifierBytes),
  });
  content.start(replay.oldest);
  garbage.start();
  const upkeep = new Upkeep({ damagedLog: () => (options.ephemeral ? [] : setAside(logDirectory(options))), content, files, packs, garbage, store, blocks: options.uncached ?? blocks, copies: blocks, clock });
  const stats: ContentStats = {
    reads: reader, pages: cache, log, writers: content.admission, flushes: content.flushes, packs: uploads, garbage: garbage.stats, health, space,
    get limits() {
      return content.limits;
    },
  };
  return { content, upkeep, recovered: { ...replay.result, ...torn }, shipped, stats };
}

/** Numbers that were published may be of files that are gone: no row speaks of them. */
async function aboveEverything({ store, history }: ContentOptions): Promise<number> {
  return Math.max(await store.lastContentSequence(), history?.publishedTo(Number.POSITIVE_INFINITY) ?? 0);
}

function logDirectory({ directory }: ContentOptions): string {
  return join(directory, "log");
}

/** The segments that are kept, or will be when what is in them is stored. */
function asideNow(directory: string, damage: LogDamage | null): readonly string[] {
  return [...new Set([...setAside(directory), ...(damage?.segments ?? []).map(asidePath)])];
}

async function openShareLog(options: ContentOptions, replay: Replay, health: StoreHealth) {
  const directory = logDirectory(options);
  const { segmentBytes, clock, logger, fatal, history } = options;
  const { log, recovered } = await openLog(
    { directory, instance: options.store.identity.instance, segmentBytes, stagingBytes, beginsAbove: () => aboveEverything(options), goesOnAbove: (reached) => history?.publishedTo(reached) ?? 0, clock, logger, fatal },
    (record) => replay.accept(record),
  );
  const { tornBytes, tornWhole, damage, reached } = recovered;
  health.damagedLog = describeDamage(directory, damage, replay.lostLeftOut, asideNow(directory, damage));
  if (damage !== null) logger.error({ ...damage, lostRanges: replay.lost }, health.damagedLog ?? "");
  else if (health.damagedLog !== null) logger.warn({ directory }, health.damagedLog);
  if (tornWhole > 0) {
    const message = "the log ends at a record that is not whole, with whole ones behind it, which were dropped: after a power cut nobody was told that those are stored; without one the disk damaged the log, and what was acknowledged in them is lost";
    logger.warn({ directory, records: tornWhole, bytes: tornBytes, lastSequence: recovered.lastSequence }, message);
  }
  return { log, torn: { tornBytes, tornWhole, damage }, reached };
}
