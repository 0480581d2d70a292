import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Time } from "#base/time.ts";
import { openFilesystemBlocks } from "#blocks/index.ts";
import type { RecoverRequest } from "#cli/ports.ts";
import type { SharePlan, StorePlan } from "#control/index.ts";
import { HistoryError, type Leaving, leavingOf, listGone, listShares, type Manifest, newestSnapshot } from "#history/index.ts";
import { type BlockStore, DamagedObjectError, StoreUnavailableError } from "#model/block-store.ts";
import { Durability } from "#model/credentials.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { nobodyKnown } from "#model/identity.ts";
import { SharePolicy } from "#vfs/index.ts";
import { safeName } from "../process/data-directory.ts";
import { blockFilesWithin, openFilesMax } from "../process/open-files.ts";
import { builtInStore } from "../share/places.ts";
import { s3OptionsOf } from "./s3.ts";
import { type GoneShare, isCalled, whyGone } from "./gone-share.ts";
import { wrapBlocks } from "./wrap-blocks.ts";

/** A share as its store has it. */
export interface FoundShare {
  readonly instance: string;
  /** As it was called when its newest snapshot was made. */
  readonly name: string;
  /** Null: no snapshot of it is whole. */
  readonly manifest: Manifest | null;
  /** The share was being moved out of the store, and whether it was is not known there. */
  readonly leaving: Leaving | null;
  /** Why its history can't be read; null: it can. */
  readonly error: string | null;
  /** Its objects; the caller closes it. */
  open(): Promise<BlockStore>;
}

/** A store that shares are recovered from: one bucket, or the directories of a filesystem store. */
export interface RecoveryStore {
  readonly plan: StorePlan;
  readonly parts: readonly { readonly name: string | null; open(): Promise<BlockStore> }[];
}

const noHistory =
  "this store has no share's history: was it kept there? It is of shares with metadata in SQLite: by default on s3 stores, on others where `history` in the store's configuration says so. " +
  "Of a share with metadata in PostgreSQL the names are in that database alone: put it back. Of one with metadata in memory nothing can be recovered";

const around = { clock: systemClock, random: systemRandom, logger: silentLogger };

export function storePlan({ type, config, storeName }: RecoverRequest): StorePlan {
  const secrets: Record<string, string> = {};
  const shown: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries(config)) {
    if (value === null) continue;
    if (key === "secret_key" || key === "session_token") secrets[key] = String(value);
    else shown[key] = value;
  }
  return { kind: "block", name: storeName, type, config: shown, secrets };
}

export async function openRecoveryStore(request: RecoverRequest): Promise<RecoveryStore> {
  const plan = storePlan(request);
  if (plan.type === "s3") {
    const { openS3Blocks } = await import("#blocks/s3/index.ts");
    return { plan, parts: [{ name: null, open: () => openS3Blocks(s3OptionsOf(plan, around)) }] };
  }
  if (plan.type !== "filesystem") throw new Error(`shares can be recovered from stores of type s3 and filesystem, not from ${plan.type}`);
  const { path } = plan.config;
  if (typeof path !== "string" || !existsSync(path)) throw new Error(`${path === undefined ? "--path is missing: the directory" : `${String(path)} is not there: it should be the directory`} that the filesystem store lies in`);
  // A server may have any of them.
  const openAt = (directory: string) => (): Promise<BlockStore> => openFilesystemBlocks({ directory, openFilesMax: blockFilesWithin(openFilesMax()), beside: true });
  const within = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory() && existsSync(join(path, entry.name, "format")));
  return { plan, parts: within.map(({ name }) => ({ name, open: openAt(join(path, name)) })) };
}

/** Every share that left a store, and has no history there any more. */
export async function goneFrom(store: RecoveryStore): Promise<readonly GoneShare[]> {
  const found: GoneShare[] = [];
  for (const part of store.parts) {
    const blocks = await part.open();
    found.push(...(await listGone(blocks).finally(() => blocks.close())).map((gone) => ({ ...gone, place: part.name })));
  }
  return found;
}

/** Every share a store has the history of. */
export async function sharesOf(store: RecoveryStore): Promise<readonly FoundShare[]> {
  const found: FoundShare[] = [];
  for (const part of store.parts) {
    const blocks = await part.open();
    const instances = await leavingsOf(blocks).finally(() => blocks.close());
    for (const [instance, leaving] of instances) {
      const open = async () => (await wrapBlocks(store.plan, await part.open(), { keyPrefix: `${instance}/`, filled: true, serves: false }, around)).blocks;
      try {
        const wrapped = await open();
        const manifest = await newestSnapshot(wrapped, instance).finally(() => wrapped.close());
        found.push({ instance, name: manifest?.share ?? "", manifest, leaving, error: null, open });
      } catch (error) {
        if (error instanceof StoreUnavailableError) throw error;
        // What is wrong with one share keeps no other from being recovered.
        found.push({ instance, name: "", manifest: null, leaving, error: (error as Error).message, open });
      }
    }
  }
  return found;
}

async function leavingsOf(blocks: BlockStore): Promise<readonly (readonly [instance: string, leaving: Leaving | null])[]> {
  const found: (readonly [string, Leaving | null])[] = [];
  for (const instance of await listShares(blocks)) found.push([instance, await leavingOf(blocks, instance).catch(leavingUnread)]);
  return found;
}

/** There was a move, and where to can't be read: that is no reason to recover the share unawares, nor to recover none of the store. */
function leavingUnread(error: unknown): Leaving {
  if (!(error instanceof HistoryError) && !(error instanceof DamagedObjectError)) throw error;
  return { to: `another, of which it can't be read any more what it is (${error.message}),`, host: "(unknown)", at: new Time(0, 0) };
}

/** Refuses a share that may be served from another store by now: what is here is then as it once was. */
export function refuseMoved({ instance, leaving }: FoundShare, name: string): void {
  if (leaving === null) return;
  throw new HistoryError(
    `share ${name} (instance ${instance}) was being moved from this store to ${leaving.to} by the server on ${leaving.host}${leaving.at.sec === 0 ? "" : ` at ${new Date(leaving.at.sec * 1000).toISOString()}`}, and whether it was is not known here. ` +
      "If it was, what is here is an old state of it, and what was done since is where it went: start that server, which knows, or, if it is lost, look there first. If the move did not come to be: recover with --accept-moved",
  );
}

/** The share that is meant; where that is not clear, an error that lists them, and says of those that left the store why they are not had from it. */
export function chooseShare(found: readonly FoundShare[], gone: readonly GoneShare[], { share }: RecoverRequest): FoundShare {
  const whole = found.filter(({ manifest }) => manifest !== null);
  const meant = share === null ? whole : whole.filter(({ instance, name }) => instance === share || name === share);
  const [only] = meant;
  const unread = found.filter(({ error }) => error !== null);
  if (meant.length === 1 && only !== undefined && (share !== null || unread.length === 0)) return only;
  const because = unread.find(({ instance }) => instance === share || whole.length === 0);
  if (because !== undefined) throw new HistoryError(`the history of the share with instance ${because.instance} can't be read: ${because.error}`);
  const left = gone.filter((one) => (share === null ? whole.length === 0 : meant.length === 0 && isCalled(one, share)));
  if (left.length > 0) throw new HistoryError(left.map(whyGone).join("\n"));
  const list = [...unread.map(({ instance, error }) => `  (instance ${instance} can't be read: ${error})`), ...whole.map(({ instance, name, manifest }) => `  ${name}  (instance ${instance}, of ${manifest?.host}, snapshot of ${new Date((manifest?.at.sec ?? 0) * 1000).toISOString()})`)].join("\n");
  if (whole.length === 0) throw new HistoryError(found.length === 0 ? noHistory : "no share in this store has a whole snapshot yet: nothing can be recovered from it");
  throw new HistoryError(share === null ? `this store has several shares; name one with --share:\n${list}` : `${meant.length === 0 ? "no share" : "more than one share"} of this store is called ${share}; name one by its instance with --share:\n${list}`);
}

/** Where a share is going to lie that nobody knows here: its metadata in the built-in store of the data directory. */
export function planOfRecovered(request: RecoverRequest, name: string): SharePlan {
  if (request.type === "filesystem" && !existsSync(join(String(request.config["path"]), safeName(name)))) {
    throw new Error(`a share of a filesystem store keeps its name: ${name} has no directory in ${String(request.config["path"])}`);
  }
  return {
    id: "", name,
    metadata: { kind: "metadata", name: builtInStore, type: "sqlite", config: {}, secrets: {} },
    blocks: storePlan(request),
    instance: null, mayBegin: true, scrubRate: 0, metadataPath: "", blocksPath: "", durability: Durability.local, rootMode: 0,
    policy: new SharePolicy({ enabled: false, readOnly: true, squash: "root_to_guest", anonymousUid: 65534, anonymousGid: 65534, allowedClients: [], protocols: { nfs: false, smb: false }, defaultPermission: "none", grants: { users: new Map(), groups: new Map() }, identity: nobodyKnown, manageGroups: false }),
  };
}
