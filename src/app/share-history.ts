import { hostname } from "node:os";
import type { SharePlan } from "#control/index.ts";
import { History } from "#history/index.ts";
import type { SqliteStore } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Surroundings } from "./open-share.ts";
import type { SharePlaces } from "./places.ts";

const lagMsDefault = 1_000;

/** Whether a share's history goes into its block store. */
export function keepsHistory({ metadata, blocks }: SharePlan): boolean {
  const wished = blocks.config["history"];
  if (metadata.type !== "sqlite") return false;
  return blocks.type === "s3" ? wished !== false : blocks.type === "filesystem" && wished === true;
}

interface HistoryParts {
  readonly plan: SharePlan;
  readonly places: SharePlaces;
  /** Opened with a journal. */
  readonly store: MetadataStore;
  readonly blocks: BlockStore;
  /** The same without compression and encryption. */
  readonly unwrapped: BlockStore;
  readonly lost: (error: Error) => void;
  readonly unshippedBytesMax: number;
}

export function openHistory({ plan, places, store, blocks, unwrapped, lost, unshippedBytesMax }: HistoryParts, around: Surroundings): History {
  const { journal } = store as SqliteStore;
  if (journal === null) throw new Error("a share with a history has metadata with a journal");
  const lagMs = plan.blocks.config["history_lag_ms"];
  return new History({
    ...around,
    blocks,
    unwrapped,
    journal,
    instance: Buffer.from(store.identity.instance).toString("hex"),
    share: plan.name,
    host: hostname(),
    lagMs: typeof lagMs === "number" ? lagMs : lagMsDefault,
    unshippedBytesMax,
    snapshotPath: `${places.database}-snapshot`,
    lost,
  });
}
