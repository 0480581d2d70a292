import { Database } from "bun:sqlite";
import { existsSync, readdirSync, statSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Config } from "#config/index.ts";
import { ControlError, type SharePlan } from "#control/index.ts";
import { claimBlocks, ownerOf } from "./claim.ts";
import { syncDirectory } from "./durable-files.ts";
import { openS3Blocks } from "#blocks/index.ts";
import type { Surroundings } from "./open-share.ts";
import { s3OptionsOf } from "./s3.ts";
import { contentFolders, placesOf, type SharePlaces } from "./places.ts";

/**
 * Removes the data of a share that is closed: its blocks, its log and packs, and last its database, from which it is known whose
 * the blocks are. It can be cut off at any moment and be repeated. Nothing is removed that another share or another server
 * claims, and no directory with anything else in it.
 */
export async function purgeShare(config: Config, plan: SharePlan, around: Surroundings): Promise<void> {
  const places = placesOf(config, plan);
  const instance = plan.metadata.type === "sqlite" ? instanceIn(places.database) : null;
  if (plan.blocks.type === "filesystem" && existsSync(places.blocks)) await removeBlocks(places.blocks, plan, instance);
  if (plan.blocks.type === "s3" && instance !== null) await removeObjects(plan, instance, around);
  for (const part of ["log", "packs"]) await removeAll(join(places.content, part));
  if (plan.metadata.type === "sqlite") await removeDatabase(places.database);
  await removeEmptied(config, places);
}

/** The share instance a metadata database is of, in hexadecimal; null where there is none. */
function instanceIn(path: string): string | null {
  if (!existsSync(path)) return null;
  let db: Database | null = null;
  try {
    // Not read-only: of a server that was killed there may be a write-ahead file to take in.
    db = new Database(path, { create: false, readwrite: true });
    const row = db.query<{ value: Uint8Array }, []>("SELECT value FROM meta WHERE key = 'instance'").get();
    return row === null ? null : Buffer.from(row.value).toString("hex");
  } catch (error) {
    // A share that never got to be opened has a database without anything in it.
    if (/no such table/.test((error as Error).message)) return null;
    throw new ControlError("conflict", `${path} can't be read (${(error as Error).message}), so it is not known what belongs to it`, { hint: "Make it readable, or remove the share's files by hand and purge again." });
  } finally {
    db?.close();
  }
}

async function removeBlocks(directory: string, plan: SharePlan, instance: string | null): Promise<void> {
  const owner = ownerOf(directory);
  const filled = contentFolders.some((folder) => existsSync(join(directory, folder)));
  if (owner === null && !filled) return;
  const ours = owner !== null && (plan.metadata.type === "memory" ? owner.ephemeral : owner.instance === instance);
  if (!ours) {
    throw new ControlError("conflict", `${directory} holds ${owner === null ? "content that nobody claims" : `the content of another share (instance ${owner.instance})`}; nothing was removed`, {
      hint: `If it may go, remove ${directory} by hand and purge again.`,
    });
  }
  // Held meanwhile: no server may begin to serve from it.
  const claim = claimBlocks(directory, owner);
  try {
    for (const folder of contentFolders) await removeAll(join(directory, folder));
    await rm(join(directory, "format"), { force: true });
    syncDirectory(directory);
    await rm(join(directory, "OWNER"), { force: true });
    syncDirectory(directory);
  } finally {
    claim.release();
  }
}

/** Keys begin with the share's instance, so that these are this share's and nobody else's. */
async function removeObjects(plan: SharePlan, instance: string, around: Surroundings): Promise<void> {
  try {
    const blocks = await openS3Blocks(s3OptionsOf(plan.blocks, around));
    try {
      let keys: string[] = [];
      for await (const { key } of blocks.list(`${instance}/`)) {
        if (keys.push(key) < deletedAtOnce) continue;
        await blocks.delete(keys);
        keys = [];
      }
      await blocks.delete(keys);
    } finally {
      await blocks.close();
    }
  } catch (error) {
    throw new ControlError("store_unreachable", `The content of ${plan.name} could not be removed from the block store ${plan.blocks.name}: ${(error as Error).message}`, { hint: "Purge again once the store answers." });
  }
}

/** What one request deletes at most. */
const deletedAtOnce = 1000;

/** The write-ahead file of a database goes with it: beside a new database of that name it would be taken for its own. */
async function removeDatabase(path: string): Promise<void> {
  const directory = dirname(path);
  if (!existsSync(directory)) return;
  for (const file of readdirSync(directory)) {
    if (file !== basename(path) && databaseParts.some((part) => file === basename(path) + part)) await rm(join(directory, file), { force: true });
  }
  // The database itself last: a purge that is repeated finds out from it what else is this share's.
  syncDirectory(directory);
  await rm(path, { force: true });
  syncDirectory(directory);
}

const databaseParts = ["-wal", "-shm", "-journal"];

async function removeAll(path: string): Promise<void> {
  if (!existsSync(path)) return;
  await rm(path, { recursive: true });
  syncDirectory(dirname(path));
}

/** The directories that were the share's alone, and those above them that exist for shares alone, where nothing is left in them. */
async function removeEmptied(config: Config, places: SharePlaces): Promise<void> {
  const stop = [config.data_dir, join(config.data_dir, "shares"), join(config.data_dir, "stores"), config.cache.path];
  for (const directory of [...places.own, places.content]) {
    if (stop.includes(directory) || statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) continue;
    if (readdirSync(directory).length > 0) continue;
    await rmdir(directory);
    syncDirectory(dirname(directory));
  }
}
