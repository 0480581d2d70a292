import { hostname } from "node:os";
import { join } from "node:path";
import type { Config, Limits } from "#config/index.ts";
import type { SharePlan } from "#control/index.ts";
import { History } from "#history/index.ts";
import { SqliteStore } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Lifecycle } from "../process/lifecycle.ts";
import { unfenced } from "../stores/fence.ts";
import { restoreLostLog, takeRestored } from "./lost-log.ts";
import type { ShareSurroundings } from "./open-share.ts";
import type { SharePlaces } from "./places.ts";

const lagMsDefault = 1_000;

/** Whether a share's history goes into its block store. */
export function keepsHistory({ metadata, blocks }: Pick<SharePlan, "metadata" | "blocks">): boolean {
  const wished = blocks.config["history"];
  if (metadata.type !== "sqlite") return false;
  return blocks.type === "s3" ? wished !== false : blocks.type === "filesystem" && wished === true;
}

/** With what becomes of the share until that is put right. */
async function whyUnfenced({ name, blocks }: SharePlan, around: ShareSurroundings): Promise<string | null> {
  const why = await unfenced(blocks, around, around.fences);
  return why === null ? null : `${why}. Until then share ${name} is closed. It is tried again by itself every few minutes, and at once by: dittofs share enable ${name}`;
}

interface HistoryParts {
  readonly plan: SharePlan;
  readonly places: SharePlaces;
  readonly store: MetadataStore;
  readonly blocks: BlockStore;
  /** The same without compression and encryption. */
  readonly unwrapped: BlockStore;
  readonly config: Config;
  readonly limits: Limits;
  readonly parts: Lifecycle;
}

/** The history of a share that keeps one, before its log is read; null for others. */
export async function openHistory({ plan, places, store, blocks, unwrapped, config, limits, parts }: HistoryParts, around: ShareSurroundings): Promise<History | null> {
  takeRestored(join(places.content, "log"));
  const journal = store instanceof SqliteStore ? store.journal : null;
  if (journal === null || !keepsHistory(plan)) return null;
  const { instance } = store.identity;
  const lagMs = plan.blocks.config["history_lag_ms"];
  const history = new History({
    ...around,
    blocks,
    unwrapped,
    journal,
    instance: Buffer.from(instance).toString("hex"),
    share: plan.name,
    host: hostname(),
    lagMs: typeof lagMs === "number" ? lagMs : lagMsDefault,
    unshippedBytesMax: limits.dirtyBytesMaxPerShare,
    snapshotPath: `${places.database}-snapshot`,
    unfenced: () => whyUnfenced(plan, around),
    lost: around.broken,
  });
  parts.started("history", () => history.close());
  await restoreLostLog({ share: plan.name, instance, directory: join(places.content, "log"), segmentBytes: config.cache.log_segment_size, blocks, mark: journal.mark }, around);
  return history;
}
