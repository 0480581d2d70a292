import { noAttempts } from "#model/identity.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import type { RecoverRequest } from "#cli/ports.ts";
import type { Loaded } from "#config/index.ts";
import type { ControlPlane, Store } from "#control/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { openControl } from "../control/control.ts";
import type { Surroundings } from "../share/open-share.ts";
import { ServerRuntime } from "../server/runtime.ts";
import { noTelemetry } from "../telemetry/telemetry.ts";

const actor = { name: "recover", address: "" } as const;

/**
 * Enters a recovered share and its store into the control plane of the data directory, as far as a backup of it that was put back doesn't
 * have them. The share is opened in doing so: what can't be served is said now.
 */
export async function registerShare(loaded: Loaded, request: RecoverRequest, name: string): Promise<void> {
  const around: Surroundings = {
    clock: systemClock, random: systemRandom, logger: silentLogger, telemetry: noTelemetry(systemClock),
    fatal: (error) => {
      throw error;
    },
  };
  // The shares of a first start belong to a server that begins with nothing.
  const alone: Loaded = { ...loaded, config: { ...loaded.config, shares: [] } };
  let identify = (_id: string, _instance: string): Promise<string> => Promise.reject(new Error("the control plane is not open yet"));
  const runtime = new ServerRuntime({ attempts: noAttempts, config: alone.config, around, recovered: () => {}, identify: (id, instance) => identify(id, instance), setLogLevel: () => {}, changed: () => {} });
  const control = await openControl({ loaded: alone, runtime, around, begin: true });
  identify = (id, instance) => control.identify(id, instance);
  try {
    await control.start();
    await enter(control.plane, request, name);
  } finally {
    const { shutdown_timeout } = loaded.config.server;
    await runtime.stopShares(shutdown_timeout);
    await control.stop(shutdown_timeout);
  }
}

async function enter({ stores, shares }: ControlPlane, request: RecoverRequest, name: string): Promise<void> {
  if (shares.list().some((share) => share.name === name)) return;
  const { type, config } = request;
  const history = { ...config, ...(type === "filesystem" ? { history: true } : {}) };
  const { store, isThere } = storeFor(stores.list("block"), request);
  if (!isThere) await stores.create(actor, "block", { name: store, type, config: history });
  await shares.create(actor, { name, blocks: store, adopt: true });
}

/** What says where a store's objects lie. */
const placeKeys = ["endpoint", "bucket", "prefix", "path"] as const;

/**
 * The store a recovered share is entered with: the one of the name that was asked for. A store of that name that lies elsewhere is not it,
 * and a share opened on it would be without its content and begin another history there: then the next free name, `NAME-2` and so on.
 */
export function storeFor(known: readonly Pick<Store, "name" | "type" | "config">[], { storeName, type, config }: Pick<RecoverRequest, "storeName" | "type" | "config">): { readonly store: string; readonly isThere: boolean } {
  for (let number = 1; ; number++) {
    const store = number === 1 ? storeName : `${storeName}-${number}`;
    const found = known.find((each) => each.name === store);
    if (found === undefined) return { store, isThere: false };
    if (found.type === type && placeKeys.every((key) => (found.config[key] ?? "") === (config[key] ?? ""))) return { store, isThere: true };
  }
}
