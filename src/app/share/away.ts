import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { SharePlan } from "#control/index.ts";
import { DataDirectoryError } from "../process/data-directory.ts";

/**
 * A disk that isn't mounted looks like an empty directory. A share that began anew in one would serve without what it has
 * acknowledged, and write to the wrong disk: it must not start.
 */

/** Checks that a share with a log has its database: the log is of one database, and of no other. */
export function checkDatabaseIsThere(share: string, content: string, database: string): void {
  const log = join(content, "log");
  if (existsSync(database) || !existsSync(log) || !readdirSync(log).some((name) => segment.test(name))) return;
  throw new DataDirectoryError(
    `share ${share} has been in use, as its write-ahead log in ${log} shows, but there is no database ${database}. Mount the disk it lies on, or put the database back. ` +
      `If it is lost for good, move what is in ${log} away to begin the share anew`,
  );
}

/** Checks that a share whose metadata is nowhere is one that never was in use. */
export function checkMetadataIsThere({ name, metadata, instance }: SharePlan, content: string): void {
  const log = join(content, "log");
  const used = existsSync(log) && readdirSync(log).some((file) => segment.test(file));
  if (!used && instance === null) return;
  throw new DataDirectoryError(
    `share ${name} has been in use, but its metadata is not in the database of metadata store ${metadata.name}. Correct the store's settings, or put the database back, then: dittofs share enable ${name}. ` +
      `If it is lost for good, ${used ? `move what is in ${log} away and ` : ""}begin the share anew, empty: dittofs share accept ${name}`,
  );
}

const segment = /^[0-9a-f]{16}\.log$/;

/** Checks that a share with files, its root at least, has its write-ahead log, which is made before them. */
export function checkLogIsThere(share: string, content: string, hasFiles: boolean): void {
  const log = join(content, "log");
  if (!hasFiles || existsSync(log)) return;
  throw new DataDirectoryError(
    `share ${share} has been in use, but there is no write-ahead log in ${log}, which may hold content that is nowhere else. ` +
      `Mount the disk it lies on, or move log/ and packs/ along if cache.path was changed. If the log is lost for good, make that directory to go on without it`,
  );
}

/** Checks that a share with content in packs has the block store these are in. */
export function checkBlocksAreThere(share: string, directory: string, hasPacks: boolean): void {
  if (!hasPacks || existsSync(join(directory, "format"))) return;
  throw new DataDirectoryError(`share ${share} has content, but there is no block store in ${directory}. Mount the disk it lies on, or correct the share's blocks.path. Nothing was changed there`);
}
