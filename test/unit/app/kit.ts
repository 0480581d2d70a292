import { noTelemetry } from "#app/telemetry/telemetry.ts";
import { type RuntimeOptions, ServerRuntime } from "#app/server/runtime.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { type Config, loadConfig } from "#config/index.ts";
import type { AdapterPlan, Desired, SharePlan, StorePlan } from "#control/index.ts";
import { noAccounts } from "#model/identity.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { policyOf } from "../../support/policy.ts";
import { temporary as temporaryNamed } from "../../support/temporary.ts";

/** For shares, stores and data directories of a test. */
export function temporary(): string {
  return temporaryNamed("app");
}

export function configFor(dataDir: string, flags: Readonly<Record<string, string>> = {}): Config {
  const machine = { memoryBytes: 2 ** 33, dataHome: "/home/d", configHome: "/home/c" };
  const loaded = loadConfig({ machine, environment: {}, configPath: null, flags: new Map(Object.entries({ data_dir: dataDir, ...flags })) });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

export function storePlan(kind: StorePlan["kind"], type: string, changes: Partial<StorePlan> = {}): StorePlan {
  return { kind, name: "default", type, config: {}, secrets: {}, ...changes };
}

export function sharePlan(name: string, changes: Partial<SharePlan> = {}): SharePlan {
  return {
    id: `id of ${name}`,
    name,
    metadata: storePlan("metadata", "sqlite"),
    blocks: storePlan("block", "filesystem"),
    metadataPath: "",
    blocksPath: "",
    durability: "local",
    rootMode: 0o1777,
    scrubRate: null,
    instance: null,
    mayBegin: true,
    policy: policyOf(),
    ...changes,
  };
}

export function nfsPlan(changes: Partial<AdapterPlan> = {}, settings: AdapterPlan["settings"] = {}): AdapterPlan {
  const standard = { bind: "127.0.0.1", max_read_size: 2 ** 20, max_write_size: 2 ** 20, max_connections: 100, portmapper_enabled: false, portmapper_port: 0 };
  return { type: "nfs", enabled: true, port: 0, settings: { ...standard, ...settings }, ...changes };
}

export function desired(shares: readonly SharePlan[], adapters: readonly AdapterPlan[] = []): Desired {
  return { shares, adapters, accounts: noAccounts, logging: { level: "info", slowMs: 0 } };
}

/** A runtime on a directory of its own. */
export function runtimeOn(dataDir: string, flags: Readonly<Record<string, string>> = {}, identify: RuntimeOptions["identify"] = async (_, instance) => instance): { readonly runtime: ServerRuntime; readonly config: Config; readonly levels: string[] } {
  const config = configFor(dataDir, flags);
  const levels: string[] = [];
  const fatal = (error: Error): void => {
    throw error;
  };
  const around = { clock: systemClock, random: systemRandom, logger: silentLogger, telemetry: noTelemetry(systemClock), fatal };
  const runtime = new ServerRuntime({ config, around, recovered() {}, identify, attempts: { begin: () => ({ succeeded() {}, withdraw() {} }) }, setLogLevel: (level) => levels.push(level), changed() {} });
  return { runtime, config, levels };
}
