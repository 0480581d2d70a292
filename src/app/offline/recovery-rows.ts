import { noAttempts } from "#model/identity.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import type { RecoverRequest } from "#cli/ports.ts";
import type { Config, Loaded } from "#config/index.ts";
import { type ControlPlane, type SharePlan, type Store, type StorePlan } from "#control/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { openControl, type RunningControl } from "../control/control.ts";
import { examineControlDatabase } from "../control/control-database.ts";
import type { Surroundings } from "../share/open-share.ts";
import { builtInStore, placesOf, realPlaces } from "../share/places.ts";
import { type FoundShare, planOfRecovered } from "../stores/recovery-store.ts";
import { noTelemetry } from "../telemetry/telemetry.ts";
import { OneShareRuntime } from "./one-share-runtime.ts";

const actor = { name: "recover", address: "" } as const;

/** Works with the control plane of the data directory, which opens no share but this one, and that once it is started. */
async function withControl<T>(loaded: Loaded, share: string, work: (control: RunningControl) => Promise<T>): Promise<T> {
  const around: Surroundings = {
    clock: systemClock, random: systemRandom, logger: silentLogger, telemetry: noTelemetry(systemClock),
    fatal: (error) => {
      throw error;
    },
  };
  // The shares of a first start belong to a server that begins with nothing.
  const alone: Loaded = { ...loaded, config: { ...loaded.config, shares: [] } };
  let identify = (_id: string, _instance: string): Promise<string> => Promise.reject(new Error("the control plane is not open yet"));
  const runtime = new OneShareRuntime(share, { attempts: noAttempts, config: alone.config, around, recovered: () => {}, identify: (id, instance) => identify(id, instance), setLogLevel: () => {}, changed: () => {} });
  const control = await openControl({ loaded: alone, runtime, around, begin: true });
  identify = (id, instance) => control.identify(id, instance);
  try {
    return await work(control);
  } finally {
    const { shutdown_timeout } = loaded.config.server;
    await runtime.stopShares(shutdown_timeout);
    await control.stop(shutdown_timeout);
  }
}

/**
 * Where a share is going to be served from once it is recovered: where the control plane has it, if a backup of that was put back which knows the
 * share, and in its built-in store otherwise. Throws where that is not what is recovered: the share would be served from something else, or empty.
 */
export async function planFor(loaded: Loaded, request: RecoverRequest, { instance }: Pick<FoundShare, "instance">, name: string): Promise<SharePlan> {
  const fresh = planOfRecovered(request, name);
  if ((await examineControlDatabase(loaded.config, systemClock)) === null) return fresh;
  return await withControl(loaded, name, async ({ plane: { shares, stores } }) => {
    if (shares.list().some((share) => share.name === name)) {
      const known = shares.movePlan(name, {});
      refuseOther(loaded.config, known, fresh, instance);
      return known;
    }
    const store = metadataFor({ stores, shares }, name);
    return { ...fresh, metadata: { ...fresh.metadata, name: store.name, config: store.config } };
  });
}

/** The metadata store of a share that the control plane has not, or knows as one that was deleted: where that was, else the built-in one, or another of its type. */
function metadataFor({ stores, shares }: Pick<ControlPlane, "stores" | "shares">, name: string): Store {
  const all = stores.list("metadata");
  const deleted = shares.deleted().find((share) => share.name === name);
  if (deleted !== undefined) {
    const kept = all.find((each) => each.name === deleted.metadata);
    if (kept?.type === "sqlite") return kept;
    throw new Error(
      `share ${name} was deleted here and had its metadata in metadata store ${deleted.metadata} (${kept?.type ?? "which there is not"}), not in one of type sqlite, into which a share is recovered. ` +
        `Give it another name with --name; or, if what is left of it may go, start the server, run: dittofs share delete ${name} --purge, stop it and recover again. Nothing was changed`,
    );
  }
  const sqlite = all.filter(({ type }) => type === "sqlite");
  const found = sqlite.find((each) => each.name === builtInStore) ?? sqlite[0];
  if (found !== undefined) return found;
  throw new Error(
    `a share is recovered into a metadata store of type sqlite, and the control plane here has none (${all.map((each) => `${each.name}: ${each.type}`).join(", ")}). ` +
      "Start the server, run: dittofs store metadata add recovered --type sqlite, stop it and recover again. Nothing was changed",
  );
}

function refuseOther(config: Config, known: SharePlan, fresh: SharePlan, instance: string): void {
  const { name, metadata, blocks } = known;
  const otherwise = "or recover it into an empty --data-dir, where its grants have to be made anew. Nothing was changed";
  if (metadata.type === "memory") {
    throw new Error(
      `the control plane here has share ${name} with its metadata in memory (metadata store ${metadata.name}), and would serve an empty one, not what is recovered. ` +
        `Start the server, run: dittofs share delete ${name} --purge, stop it and recover again; the share's grants have to be made anew. Nothing was changed`,
    );
  }
  if (metadata.type !== "sqlite") {
    throw new Error(
      `the control plane here has share ${name} with its metadata in metadata store ${metadata.name} (${metadata.type}), and would serve it from there, not from what is recovered. ` +
        `If that metadata is there, there is nothing to recover: start the server. If not, put back a backup of the control plane in which the share lies in a store of type sqlite, ${otherwise}`,
    );
  }
  if (known.instance !== null && known.instance !== instance) {
    throw new Error(`the control plane here knows share ${name} as another tree (instance ${known.instance}) than the one that would be recovered (instance ${instance}). Name the right one with --share, give this one another name with --name, ${otherwise}`);
  }
  if (!sameBlocks(config, known, fresh)) {
    throw new Error(
      `the control plane here has the content of share ${name} in block store ${blocks.name} (${describePlace(blocks)}), and would look for it there, not in what it is recovered from (${describePlace(fresh.blocks)}). ` +
        `Recover it from that store; if it is the same under another address, say the address that the control plane has, or change it: start the server, and dittofs store block edit ${blocks.name}; ${otherwise}`,
    );
  }
}

function sameBlocks(config: Config, known: SharePlan, fresh: SharePlan): boolean {
  if (known.blocks.type !== fresh.blocks.type) return false;
  if (fresh.blocks.type === "filesystem") return realPlaces(placesOf(config, known)).blocks === realPlaces(placesOf(config, fresh)).blocks;
  return samePlace(known.blocks, fresh.blocks);
}

/**
 * Enters a recovered share and its store into the control plane of the data directory, as far as a backup of it that was put back doesn't
 * have them. The share is opened in doing so: what can't be served is said now.
 */
export async function registerShare(loaded: Loaded, request: RecoverRequest, name: string): Promise<void> {
  await withControl(loaded, name, async (control) => {
    const failures = await control.start();
    const own = failures.find(({ target }) => target.type === "share" && target.name === name);
    if (own !== undefined) throw new Error(`share ${name} was recovered and can't be served: ${own.reason}`);
    await enter(control.plane, request, name);
  });
}

async function enter({ stores, shares }: ControlPlane, request: RecoverRequest, name: string): Promise<void> {
  if (shares.list().some((share) => share.name === name)) return;
  const { type, config } = request;
  const history = { ...config, ...(type === "filesystem" ? { history: true } : {}) };
  const { store, isThere } = storeFor(stores.list("block"), request);
  if (!isThere) await stores.create(actor, "block", { name: store, type, config: history });
  await shares.create(actor, { name, metadata: metadataFor({ stores, shares }, name).name, blocks: store, adopt: true });
}

/** What says where a store's objects lie. */
const placeKeys = ["endpoint", "bucket", "prefix", "path"] as const;

function placed({ config }: { readonly config: Readonly<Record<string, unknown>> }, key: (typeof placeKeys)[number]): string {
  return String(config[key] ?? "").replace(/\/+$/, "");
}

function samePlace(one: Pick<Store, "type"> & { readonly config: Readonly<Record<string, unknown>> }, other: typeof one): boolean {
  return one.type === other.type && placeKeys.every((key) => placed(one, key) === placed(other, key));
}

function describePlace(store: StorePlan): string {
  return [store.type, ...placeKeys.filter((key) => placed(store, key) !== "").map((key) => `${key} ${placed(store, key)}`)].join(", ");
}

/**
 * The store a recovered share is entered with: the one of the name that was asked for. A store of that name that lies elsewhere is not it,
 * and a share opened on it would be without its content and begin another history there: then the next free name, `NAME-2` and so on. Of one directory there
 * are no two stores: there it is the one there is, whatever its name.
 */
export function storeFor(known: readonly Pick<Store, "name" | "type" | "config">[], { storeName, type, config }: Pick<RecoverRequest, "storeName" | "type" | "config">): { readonly store: string; readonly isThere: boolean } {
  const there = type === "filesystem" ? known.find((each) => samePlace(each, { type, config })) : undefined;
  if (there !== undefined) return { store: there.name, isThere: true };
  for (let number = 1; ; number++) {
    const store = number === 1 ? storeName : `${storeName}-${number}`;
    const found = known.find((each) => each.name === store);
    if (found === undefined) return { store, isThere: false };
    if (samePlace(found, { type, config })) return { store, isThere: true };
  }
}
