import { Database } from "bun:sqlite";
import { existsSync, readdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Config } from "#config/index.ts";
import { ControlError, type SharePlan } from "#control/index.ts";
import { endedKey, type HistoryError, historyPrefix, leavingKey, shareKey, takenElsewhere } from "#history/index.ts";
import { wrapBlocks } from "../stores/wrap-blocks.ts";
import type { HistoryMark } from "#model/history.ts";
import { parseMark } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { StoreFault, StoreRefusedError } from "#model/block-store.ts";
import { checkBlocksAreThere } from "../share/away.ts";
import { isFilled, removeContent, removeIfEmpty } from "../share/block-content.ts";
import { claimBlocks, ownerOf } from "../stores/claim.ts";
import { syncDirectory } from "../process/durable-files.ts";
import { openBareBlocks } from "../stores/open-blocks.ts";
import type { Surroundings } from "../share/open-share.ts";
import { damageFile } from "./damage-record.ts";
import { scrubFile } from "./scrubber.ts";
import { strayFile } from "./stray-file.ts";
import { restoreFolders } from "../share/lost-log.ts";
import { openRecordsFolder } from "../share/open-records.ts";
import { collision, diskCacheFolder, placesOf, realPlaces, type SharePlaces } from "../share/places.ts";

/**
 * Removes the data of a share that is closed: its blocks, its log and packs, its database, from which it is known whose the blocks
 * are, and last the claim on the directory of its blocks. It can be cut off at any moment and be repeated. Nothing is removed that
 * another share or another server claims, nothing in which one of `others` lies, and no directory with anything else in it; a share
 * whose disk is away is refused, since its data would come back with the disk.
 */
export async function purgeShare(config: Config, plan: SharePlan, others: readonly SharePlan[], around: Surroundings): Promise<void> {
  const places = placesOf(config, plan);
  for (const other of others) refuseNested(plan, places, other, placesOf(config, other));
  const sqlite = plan.metadata.type === "sqlite";
  if (sqlite) checkPurgeable(places);
  const postgres = plan.metadata.type === "postgres" ? await import("../stores/postgres.ts") : null;
  const known = sqlite ? identityIn(places.database) : ((await postgres?.findPostgres(plan, around)) ?? null);
  if (plan.instance !== null && known !== null && known.instance !== plan.instance) throw otherTree(plan, sqlite ? places.database : `what metadata store ${plan.metadata.name} has`);
  const blocks = plan.blocks.type === "filesystem" ? places.blocks : null;
  if (blocks !== null && known?.hasPacks === true) checkBlocksPurgeable(plan.name, blocks);
  if (blocks !== null && existsSync(blocks)) await removeBlocks(places, plan, known, around);
  if (plan.blocks.type === "s3" && known !== null) await removeObjects(plan, places, known, around);
  for (const name of [scrubFile, strayFile, damageFile]) await rm(join(places.content, name), { force: true });
  for (const folder of [diskCacheFolder, openRecordsFolder, ...restoreFolders.map((name) => join("log", name))]) await rm(join(places.content, folder), { recursive: true, force: true });
  for (const part of ["log", "packs"]) await removeFiles(join(places.content, part));
  if (sqlite) await removeDatabase(places.database);
  for (const place of new Set([dirname(places.database), places.content])) await removeMovedAway(place, known?.instance ?? plan.instance);
  await postgres?.removePostgres(plan, around);
  if (blocks !== null && existsSync(blocks)) await removeClaim(blocks);
  await removeEmptied(config, places);
}

/** Symlinks may lead from one share's place into another's, whatever the paths say. */
function refuseNested(plan: SharePlan, places: SharePlaces, other: SharePlan, theirs: SharePlaces): void {
  const place = collision(realPlaces(places), realPlaces(theirs));
  if (place === null) return;
  throw new ControlError("conflict", `share ${plan.name} and share ${other.name} both lie in ${place}; nothing was removed`, {
    hint: `Delete and purge share ${other.name} first if it may go, too; else remove what is share ${plan.name}'s alone by hand.`,
  });
}

function checkPurgeable({ database, content }: SharePlaces): void {
  const log = join(content, "log");
  if (existsSync(database) || !existsSync(log) || readdirSync(log).length === 0) return;
  throw new ControlError("conflict", `the share has been in use, but its metadata ${database} is not there; nothing was removed`, {
    hint: `Mount the disk it lies on and purge again. If it is lost for good, remove ${log} by hand and purge again.`,
  });
}

function checkBlocksPurgeable(share: string, directory: string): void {
  try {
    checkBlocksAreThere(share, directory, true);
  } catch (error) {
    throw new ControlError("conflict", (error as Error).message, { hint: `Mount the disk it lies on and purge again. If it is lost for good, make an empty file ${join(directory, "format")} and purge again.` });
  }
}

function otherTree({ name }: SharePlan, database: string): ControlError {
  return new ControlError("conflict", `${database} is not of the share ${name} that the control plane knows; nothing was removed`, {
    hint: "Purge it at the server that has it. What lies here is removed by hand, if it may go.",
  });
}

export interface Known {
  /** In hexadecimal. */
  readonly instance: string;
  readonly hasPacks: boolean;
  /** How far its history was published; absent where it kept none. */
  readonly mark?: HistoryMark;
}

/** What a metadata database says of the share it is of; null where there is none. */
export function identityIn(path: string): Known | null {
  if (!existsSync(path)) return null;
  let db: Database | null = null;
  try {
    // Not read-only: of a server that was killed there may be a write-ahead file to take in.
    db = new Database(path, { create: false, readwrite: true });
    const row = db.query<{ value: Uint8Array }, []>("SELECT value FROM meta WHERE key = 'instance'").get();
    const hasPacks = db.query("SELECT 1 FROM pack LIMIT 1").get() !== null;
    const published = db.query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'history'").get();
    return row === null ? null : { instance: Buffer.from(row.value).toString("hex"), hasPacks, ...(published === null ? {} : { mark: parseMark(published.value) }) };
  } catch (error) {
    // A share that never got to be opened has a database without anything in it.
    if (/no such table/.test((error as Error).message)) return null;
    throw new ControlError("conflict", `${path} can't be read (${(error as Error).message}), so it is not known what belongs to it`, { hint: "Make it readable, or remove the share's files by hand and purge again." });
  } finally {
    db?.close();
  }
}

/** Where files lie that a new share with this plan would bring to light, of one that the control plane doesn't know any more; null: nowhere. */
export function leftBehind(config: Config, plan: SharePlan): string | null {
  const { database } = placesOf(config, plan);
  return plan.metadata.type === "sqlite" && existsSync(database) && holdsTree(database) ? database : null;
}

/** Whether somebody was served from a metadata database: it has a root at least. One that can't be read is taken for one that has. */
export function holdsTree(database: string): boolean {
  let db: Database | null = null;
  try {
    db = new Database(database, { create: false, readwrite: true });
    // Of a share that never got to be served there is a database with nothing in it.
    return db.query("SELECT 1 FROM inode LIMIT 1").get() !== null;
  } catch (error) {
    return !/no such table/.test((error as Error).message);
  } finally {
    db?.close();
  }
}

async function removeBlocks(places: SharePlaces, plan: SharePlan, known: Known | null, around: Surroundings): Promise<void> {
  const directory = places.blocks;
  const owner = ownerOf(directory);
  if (!isFilled(directory)) return;
  const ours = owner !== null && (plan.metadata.type === "memory" ? owner.ephemeral : owner.instance === (known?.instance ?? null));
  if (!ours) {
    throw new ControlError("conflict", `${directory} holds ${owner === null ? "content that nobody claims" : `the content of another share (instance ${owner.instance})`}; nothing was removed`, {
      hint: `If it may go, remove ${directory} by hand and purge again.`,
    });
  }
  if (known?.mark !== undefined) await refuseTaken(plan, places, known.instance, known.mark, around);
  // Held meanwhile: no server may begin to serve from it.
  const claim = claimBlocks(directory, owner);
  try {
    await removeContent(directory, owner.instance);
  } finally {
    claim.release();
  }
}

/** Keys begin with the share's instance, so that these are this share's and nobody else's. */
async function removeObjects(plan: SharePlan, places: SharePlaces, { instance, mark }: Known, around: Surroundings): Promise<void> {
  try {
    if (mark !== undefined) await refuseTaken(plan, places, instance, mark, around);
    const blocks = await openBareBlocks(plan, places, around);
    try {
      // By this the share is found by who recovers one.
      let keys: string[] = [shareKey(instance), leavingKey(instance), endedKey(instance)];
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
    if (error instanceof ControlError) throw error;
    if (error instanceof StoreRefusedError && error.fault === StoreFault.bucket) {
      around.logger.warn({ share: plan.name, store: plan.blocks.name, error, keys: `${instance}/` }, "purging a share whose bucket is not there: if it is elsewhere, objects with these keys are left in it");
      return;
    }
    throw new ControlError("store_unreachable", `The content of ${plan.name} could not be removed from the block store ${plan.blocks.name}: ${(error as Error).message}`, { hint: "Purge again once the store answers." });
  }
}

/** Of a share that was recovered elsewhere, the objects are what it is served from there. */
async function refuseTaken(plan: SharePlan, places: SharePlaces, instance: string, mark: HistoryMark, around: Surroundings): Promise<void> {
  const bare = await openBareBlocks(plan, places, around);
  let blocks = bare;
  let taken: HistoryError | null = null;
  try {
    // A purge that was cut off may have taken the keys with which the rest could be read.
    if (!(await hasAny(bare, historyPrefix(instance)))) return;
    ({ blocks } = await wrapBlocks(plan.blocks, bare, { keyPrefix: `${instance}/`, filled: true, serves: false }, around));
    taken = await takenElsewhere(blocks, instance, mark);
  } finally {
    await blocks.close();
  }
  if (taken === null) return;
  throw new ControlError("conflict", `The objects of share ${plan.name} are not this server's to remove: ${taken.message}`, {
    hint: "Purge it at the server that has it. What lies here is removed by hand, if it may go.",
  });
}

async function hasAny(blocks: BlockStore, prefix: string): Promise<boolean> {
  for await (const _ of blocks.list(prefix)) return true;
  return false;
}

/** What one request deletes at most. */
const deletedAtOnce = 1000;

/** What says that a directory is a store of blocks, and whose: last of all, so that a purge that was cut off still knows. */
async function removeClaim(directory: string): Promise<void> {
  if (isFilled(directory)) return;
  for (const file of ["format", "OWNER"]) await rm(join(directory, file), { force: true });
  syncDirectory(directory);
}

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

/** Begins the name of a log that a move of the share left; the share's instance follows. */
export const leftLog = "log.";

/** Databases and logs that moves of the share left in a directory, and no other share's. */
async function removeMovedAway(directory: string, instance: string | null): Promise<void> {
  if (instance === null || !existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (!/\.moved-\d+$/.test(entry.name)) continue;
    if (!entry.isDirectory() && identityIn(path)?.instance === instance) await removeDatabase(path);
    if (entry.isDirectory() && entry.name.startsWith(`${leftLog}${instance}.`)) await removeFiles(path);
  }
}

const databaseParts = ["-wal", "-shm", "-journal"];

/** Removes a directory's files and, where nothing else is in it, the directory. */
async function removeFiles(directory: string): Promise<void> {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) if (!entry.isDirectory()) await rm(join(directory, entry.name), { force: true });
  removeIfEmpty(directory);
}

/** The directories that were the share's alone, and those above them that exist for shares alone, where nothing is left in them. */
async function removeEmptied(config: Config, places: SharePlaces): Promise<void> {
  const stop = [config.data_dir, join(config.data_dir, "shares"), join(config.data_dir, "stores"), config.cache.path];
  for (const directory of [...places.own, places.content]) {
    if (stop.includes(directory) || statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) continue;
    removeIfEmpty(directory);
  }
}
