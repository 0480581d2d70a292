import type { Config } from "#config/index.ts";
import type { SharePlan } from "#control/index.ts";
import { TurnWriter } from "#history/index.ts";
import { openSqliteStore, traceStore } from "#metadata/index.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { tracer } from "#telemetry/tracing/index.ts";
import { unknownType } from "./open-blocks.ts";
import type { ShareSurroundings } from "../share/open-share.ts";
import type { SharePlaces } from "../share/places.ts";
import { keepsHistory } from "../share/share-history.ts";

/** Opens a share's metadata, or begins it. */
export async function openMetadata(config: Config, plan: SharePlan, places: SharePlaces, around: ShareSurroundings): Promise<MetadataStore> {
  const store = await openUntraced(config, plan, places, around);
  if (tracer !== null) traceStore(store, plan.metadata.type === "postgres" ? "postgresql" : plan.metadata.type);
  return store;
}

async function openUntraced(config: Config, plan: SharePlan, places: SharePlaces, around: ShareSurroundings): Promise<MetadataStore> {
  const { clock, random, logger, fatal, volatile } = around;
  switch (plan.metadata.type) {
    case "memory":
      return volatile.metadata(plan, { clock, random });
    case "sqlite":
      return openSqliteStore({ path: places.database, clock, random, logger, fatal, ...(keepsHistory(plan) ? { journal: new TurnWriter() } : {}) });
    case "postgres": {
      const { openPostgres } = await import("./postgres.ts");
      return await openPostgres(config, plan, places, around);
    }
    default:
      throw new Error(unknownType(plan.metadata));
  }
}
