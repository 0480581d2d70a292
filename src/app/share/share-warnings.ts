import type { Config } from "#config/index.ts";
import type { SharePlan } from "#control/index.ts";
import { keepsHistory } from "./share-history.ts";
import type { Logger } from "#telemetry/logger.ts";

/** Logs what an operator should know of a share though it is allowed; of the configuration's shares that was said by whoever read it. */
export function warnOf({ shares }: Config, { name, metadata, blocks, durability }: SharePlan, log: Logger): void {
  if (shares.some((share) => share.name === name)) return;
  const logger = log.child({ share: name });
  if (metadata.type === "memory") logger.warn({}, "its metadata is in memory: everything in it is gone when the server stops");
  else if (blocks.type === "memory") logger.warn({}, "its blocks are in memory: names stay when the server stops, but the content is gone");
  if (blocks.type === "s3" && blocks.config["history_unfenced"] === true && keepsHistory({ metadata, blocks })) logger.warn({}, "its block store is said to ignore conditional writes (history_unfenced): nothing keeps a second server from taking the share, and neither would notice");
  if (durability === "remote" && (metadata.type === "memory" || blocks.type === "memory")) logger.warn({}, `its durability is remote, which nothing in memory can keep: dittofs share edit ${name} --durability local, or move it to stores that last`);
  if (durability === "writeback") logger.warn({}, "its durability is writeback: a power cut loses the last seconds, even what a COMMIT answered");
}
