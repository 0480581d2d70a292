import { existsSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { contentsOf, copyContent, type Watch } from "#check/index.ts";
import { ControlError, type JobResult, type SharePlan } from "#control/index.ts";
import type { Config } from "#config/index.ts";
import { markBehind } from "#history/index.ts";
import { importIntoMemory, importIntoSqlite, openSqliteStore } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { PackId } from "#model/ids.ts";
import { makeDirectory, syncDirectory } from "../process/durable-files.ts";
import { Lifecycle } from "../process/lifecycle.ts";
import { type Fences, unfenced } from "../stores/fence.ts";
import { openBareBlocks, openBlocks } from "../stores/open-blocks.ts";
import type { OpenShare, Surroundings } from "../share/open-share.ts";
import { diskCacheFolder, placesOf, realPlaces, type SharePlaces } from "../share/places.ts";
import { MovedHistory } from "./moved-history.ts";
import { identityIn, leftLog } from "./purge.ts";
import { otherLogIn } from "../share/other-log.ts";
import { keepsHistory } from "../share/share-history.ts";
import { lasts } from "../share/tree.ts";
import type { Volatile } from "../share/volatile.ts";

/** Passes over the content while the share is served, until one has little to copy. */
const passesMax = 5;
const fewObjects = 8;
/** How long the last pass may wait for requests in hand, and for what they accepted. */
const drainMs = 30_000;
/** Pauses before the control plane is asked again that could not say whether it knows of the move, and how long that goes on. */
const commitPauseMsMin = 100;
const commitPauseMsMax = 5_000;
const commitMsMax = 120_000;

/** What a move asks of the server. */
export interface MoveHost {
  readonly config: Config;
  readonly around: Surroundings;
  readonly volatile: Volatile;
  readonly fences: Fences;
  /** Takes the share from the clients, who are told to come again, and lets nobody but a plan that `mayOpen` open it, until `release`. */
  hold(name: string, mayOpen: (plan: SharePlan) => boolean): void;
  /** Opens what should be served, if it is not. */
  release(name: string): void;
  /** Gives a share that is held, and was not closed, back to its clients; false where another has its name by now. */
  resume(share: OpenShare): boolean;
}

/** Where a share's data goes, and what of it. */
interface Move {
  readonly share: OpenShare;
  readonly to: SharePlan;
  readonly places: SharePlaces;
  readonly metadata: boolean;
  /** Null: content stays where it is. */
  readonly blocks: BlockStore | null;
  readonly verified: Set<PackId>;
}

/**
 * Moves a share to other stores. Content is copied while the share is served: objects never change, so that this can be cut off anywhere, and
 * done again without copying twice. Then clients are told to come again; when everything accepted is stored, the rest is copied and the rows of the
 * metadata are, and both are compared. The one change of the control plane that follows is the move: before it the share is where it was,
 * after it where it goes, whole in either.
 */
export async function moveShare(host: MoveHost, share: OpenShare, to: SharePlan, commit: () => Promise<unknown>, watch: Watch): Promise<JobResult> {
  const { config, around } = host;
  const from = share.plan;
  const places = placesOf(config, to);
  const what = await judge(share, to, places, around);
  const history = MovedHistory.of(share, to, what.blocks, around);
  if (keepsHistory(to)) await refuseUnfenced(to, host);
  if (what.blocks && from.blocks.type === "s3" && to.blocks.type === "s3") await refuseSameBucket(share, to, places, around);
  const parts = new Lifecycle(around.clock, around.logger);
  let result: JobResult;
  try {
    const blocks = what.blocks ? (await openBlocks(to, places, share.share.store, parts, null, { ...around, volatile: host.volatile }, true)).uncached : null;
    const move: Move = { share, to, places, metadata: what.metadata, blocks, verified: new Set() };
    result = await copyServing(move, watch);
    await history?.say();
    await refuseUnstored(share, host);
    host.hold(from.name, (plan) => sameStores(plan, to));
    result = { ...result, ...(await copyRest(move, host, watch)) };
  } catch (error) {
    // Clients don't wait for what is only noted.
    host.release(from.name);
    await history?.takeBack();
    throw error;
  } finally {
    await parts.stop(config.server.shutdown_timeout);
  }
  watch.step("opening", null, "share");
  await settled(commit, host, watch).catch(async (error: unknown) => {
    host.release(from.name);
    if (!isUnknown(error)) await history?.takeBack();
    throw error;
  });
  if (what.metadata) await leaveMetadata(share, to, around);
  await leaveCopies(share, to, places, around);
  await history?.end();
  return result;
}

/**
 * Has the control plane know of the move. Where its database went away meanwhile, nobody knows whether it does: a share that was opened where it
 * was then takes changes that are gone once the database is back. So it stays closed until the outcome is known, for as long as can be borne.
 */
async function settled(commit: () => Promise<unknown>, { around: { clock, logger } }: MoveHost, watch: Watch): Promise<void> {
  const untilMs = clock.monotonicMs() + commitMsMax;
  for (let pauseMs = commitPauseMsMin; ; pauseMs = Math.min(commitPauseMsMax, pauseMs * 2)) {
    try {
      await commit();
      return;
    } catch (error) {
      if (!isUnknown(error) || watch.cancelled || clock.monotonicMs() >= untilMs) throw error;
      logger.warn({ error }, "the control plane can't say yet whether a share was moved; it is asked again, and the share stays closed meanwhile");
    }
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
  }
}

/** Whether the control plane knows of the move may be known later. */
function isUnknown(error: unknown): boolean {
  return error instanceof ControlError && error.code === "unavailable";
}

/** A share in memory has no log: what its block store does not take when it is closed is nowhere. */
async function refuseUnstored(share: OpenShare, { around: { clock } }: MoveHost): Promise<void> {
  if (lasts(share.plan)) return;
  const untilMs = clock.monotonicMs() + drainMs;
  await share.drain(() => clock.monotonicMs() > untilMs);
  if (share.report.storeError !== null) throw unstored(share);
}

function unstored({ plan }: OpenShare): Error {
  return new Error(`share ${plan.name} has content that its block store does not take now; it stays where it is. dittofs share status says why`);
}

function sameStores(a: SharePlan, b: SharePlan): boolean {
  return Bun.deepEquals([a.metadata, a.blocks, a.metadataPath, a.blocksPath], [b.metadata, b.blocks, b.metadataPath, b.blocksPath]);
}

/** What is to be moved; refuses what can't be. */
async function judge(share: OpenShare, to: SharePlan, places: SharePlaces, around: Surroundings): Promise<{ readonly metadata: boolean; readonly blocks: boolean }> {
  const from = share.plan;
  const [is, goes] = [realPlaces(share.places), realPlaces(places)];
  const refuse = (message: string, hint: string): never => {
    throw new ControlError("conflict", message, { hint });
  };
  const stores = "dittofs store metadata list and dittofs store block list show what there is.";
  if (sameStores(from, to)) refuse(`Share ${from.name} is in these stores already.`, stores);
  const metadata = !Bun.deepEquals(from.metadata, to.metadata) || from.metadataPath !== to.metadataPath;
  if (metadata && to.metadata.type === "sqlite" && from.metadata.type === "sqlite" && is.database === goes.database) refuse(`The metadata of share ${from.name} is there already: ${is.database}.`, stores);
  // One of this share itself is what an earlier move left there.
  const there = !metadata || !lasts(to) ? null : to.metadata.type === "sqlite" ? identityIn(places.database) : await (await import("../stores/postgres.ts")).findPostgres(to, around);
  const place = to.metadata.type === "sqlite" ? places.database : `What metadata store ${to.metadata.name} has under this share's key`;
  if (there !== null && from.metadata.type === "postgres" && to.metadata.type === "postgres") refuse(`${place} is this share's metadata already, or another's: two stores seem to be the same database.`, stores);
  if (there !== null && there.instance !== share.instance) {
    refuse(`${place} is the metadata of another share (instance ${there.instance}); nothing was changed.`, "Give the store it is to go to another path, or, if that share is gone for good, move its files away.");
  }
  const log = join(places.content, "log");
  const whose = is.content === goes.content ? null : otherLogIn(log, share.instance);
  if (whose !== null) {
    refuse(`${log} is the log of another share (instance ${whose}); nothing was changed.`, `If that is what share ${from.name} was before it moved into memory, move it away: mv '${log}' '${join(places.content, `${leftLog}${whose}.moved-0`)}'`);
  }
  const blocks = !Bun.deepEquals(from.blocks, to.blocks) || (to.blocks.type === "filesystem" && is.blocks !== goes.blocks);
  if (lasts(from) && !lasts(to) && from.blocks.type === "filesystem" && to.blocks.type === "filesystem" && is.blocks === goes.blocks) {
    refuse(`The content of share ${from.name} lies in a directory of its own, ${is.blocks}, which a share in memory empties at each start.`, "Name a block store it goes to, too: what is in that directory stays.");
  }
  if (blocks && from.blocks.type === "filesystem" && to.blocks.type === "filesystem" && is.blocks === goes.blocks) {
    refuse(`The content of share ${from.name} is there already: ${is.blocks}.`, "Give the store it is to go to another path.");
  }
  return { metadata, blocks };
}

/** It would be moved, and then not be opened. */
async function refuseUnfenced({ name, blocks }: SharePlan, { around, fences }: MoveHost): Promise<void> {
  const why = await unfenced(blocks, around, fences);
  if (why !== null) throw new ControlError("conflict", `Share ${name} stays where it is: ${why}.`, { hint: `dittofs store block edit ${blocks.name} says it of the store.` });
}

/** Two stores with other names, addresses or keys may be one bucket: in what the share leaves, the history of what it goes to would be ended. */
async function refuseSameBucket({ plan, places, instance }: OpenShare, to: SharePlan, goes: SharePlaces, around: Surroundings): Promise<void> {
  const key = `${instance}/move-${Buffer.from(around.random.bytes(8)).toString("hex")}`;
  const source = await openBareBlocks(plan, places, around);
  const target = await openBareBlocks(to, goes, around);
  let same: boolean;
  try {
    await target.put(key, { from: "slices", slices: [new Uint8Array(1)] });
    same = (await source.size(key)) !== null;
    await target.delete([key]);
  } finally {
    await source.close();
    await target.close();
  }
  if (same) throw new ControlError("conflict", `Block stores ${plan.blocks.name} and ${to.blocks.name} are the same bucket, with the same prefix: the content of share ${plan.name} is there already.`, { hint: "Give the store it is to go to another prefix or bucket; dittofs store block edit changes address or keys of a store." });
}

/** Copies content while clients go on, again and again until little is left. */
async function copyServing({ share, blocks, verified }: Move, watch: Watch): Promise<JobResult> {
  let [objects, objectsPresent, bytes] = [0, 0, 0];
  for (let pass = 0; blocks !== null && pass < passesMax; pass++) {
    const done = await copyContent(share.checkTarget, blocks, verified, watch);
    objects += done.copied;
    objectsPresent += done.present;
    bytes += done.bytes;
    if (done.copied < fewObjects) break;
  }
  return { objects, objectsPresent, bytes };
}

/** Closes the share; when nothing changes any more, copies the rest of its content and its metadata. */
async function copyRest(move: Move, host: MoveHost, watch: Watch): Promise<JobResult> {
  const { share, blocks, verified } = move;
  const { clock } = host.around;
  watch.step("switching", null, "share");
  const untilMs = clock.monotonicMs() + drainMs;
  if (!lasts(share.plan)) await share.share.drain(drainMs);
  await share.drain(() => clock.monotonicMs() > untilMs);
  // Without a log it would end with being closed.
  if (!lasts(share.plan) && share.isUnstored && host.resume(share)) throw unstored(share);
  let [rows, closed] = [0, { copied: 0, bytes: 0 }];
  await share.closeAfter(async () => {
    if (share.isUnstored) throw unstored(share);
    if (blocks !== null) closed = await copyContent(share.checkTarget, blocks, verified, watch);
    if (move.metadata) rows = await copyMetadata(move, host, watch);
  }, drainMs);
  return { rows, objectsWhileClosed: closed.copied, bytesWhileClosed: closed.bytes };
}

/** Makes the share's metadata in its new place; gives the number of rows. */
async function copyMetadata({ share, places, to, blocks }: Move, { around, config, volatile }: MoveHost, watch: Watch): Promise<number> {
  const { clock, random, logger, fatal } = around;
  const source = share.share.store;
  // Whoever has files has a log; where the place of the log is another one, everything is stored, and it begins anew.
  makeDirectory(join(places.content, "log"));
  watch.step("reading metadata", null, "rows");
  const before = await contentsOf(source, clock, watch);
  watch.step("copying metadata", before.rows, "rows");
  const wrote = (count: number) => watch.advance(count);
  const verify = async (copy: MetadataStore): Promise<void> => {
    watch.step("comparing metadata", before.rows, "rows");
    const after = await contentsOf(copy, clock, watch);
    if (after.digest !== before.digest) throw new Error(`the metadata that was copied to ${to.metadata.name} is not what it was copied from (${after.rows} rows of ${before.rows}); the share stays where it is`);
  };
  if (to.metadata.type === "postgres") {
    await (await import("../stores/postgres.ts")).copyIntoPostgres(config, to, source, around, wrote, verify);
    return before.rows;
  }
  if (to.metadata.type === "memory") {
    const copy = await importIntoMemory({ source, clock, wrote });
    await verify(copy);
    volatile.put(to, copy);
    return before.rows;
  }
  makeDirectory(dirname(places.database));
  if (existsSync(places.database)) setAside(places.database, around);
  const verifyFile = async (path: string): Promise<void> => {
    const copy = openSqliteStore({ path, clock, random, logger, fatal });
    await verify(copy).finally(() => copy.close());
  };
  // What the share published before it was in a store that keeps no history is not gone on with, nor taken for somebody else's.
  const mark = keepsHistory(to) ? await markBehind(blocks ?? share.checkTarget.blocks, share.instance) : null;
  await importIntoSqlite({ path: places.database, source, mark, clock, random, wrote, verify: verifyFile });
  return before.rows;
}

/** What the share was moved away from is opened by nobody again: it would be the share as it once was. */
async function leaveMetadata({ plan, places, instance }: OpenShare, to: SharePlan, around: Surroundings): Promise<void> {
  // In memory the share is another one at each start. Should that move here, the log of this one, of which everything is stored, would be another share's.
  if (lasts(plan) && !lasts(to)) setAside(join(places.content, "log"), around, `${leftLog}${instance}`);
  if (plan.metadata.type === "sqlite") return setAside(places.database, around);
  if (plan.metadata.type !== "postgres") return;
  try {
    await (await import("../stores/postgres.ts")).setPostgresAside(plan, around);
  } catch (error) {
    around.logger.warn({ share: plan.name, store: plan.metadata.name, error }, "the rows of a share that was moved away from a database could not be set aside there");
  }
}

/** Nobody looks for copies of what a bucket has where the share has none, or has them elsewhere. */
async function leaveCopies({ places }: OpenShare, to: SharePlan, goes: SharePlaces, { logger }: Surroundings): Promise<void> {
  if (to.blocks.type === "s3" && realPlaces(goes).content === realPlaces(places).content) return;
  const path = join(places.content, diskCacheFolder);
  await rm(path, { recursive: true, force: true }).catch((error: unknown) => logger.warn({ error, path }, "copies on the disk of what a share had in its bucket could not be removed; delete them"));
}

/** A database or log that is not the share's keeps its content under another name: nobody is to take it for the one that is. */
function setAside(path: string, { clock, logger }: Surroundings, name = basename(path)): void {
  let { sec } = clock.now();
  while (existsSync(join(dirname(path), `${name}.moved-${sec}`))) sec++;
  const aside = join(dirname(path), `${name}.moved-${sec}`);
  try {
    for (const part of ["", "-wal"]) if (existsSync(path + part)) renameSync(path + part, aside + part);
    syncDirectory(dirname(path));
    logger.info({ path: aside }, "what a share was moved away from was set aside; it can be deleted");
  } catch (error) {
    logger.warn({ error, path }, "what a share was moved away from could not be set aside; delete it");
  }
}
