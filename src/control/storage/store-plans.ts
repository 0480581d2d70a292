import { join, normalize } from "node:path";
import type { Machine } from "#config/index.ts";
import type { StoreRow } from "../effects/index.ts";
import type { ConfigValue, StoreKind } from "../nouns.ts";
import type { StorePlan } from "../runtime.ts";
import type { Keyring } from "../secrets/index.ts";
import { defaultStore } from "./default-store.ts";
import { hasPath, isWithin, memorySize, type SortedConfig } from "./store-types.ts";

/** From a store's row to what is opened. */
export class StorePlans {
  private readonly keyring: Keyring;
  private readonly dataDirectory: string;
  private readonly machine: Machine;
  private readonly plans = new WeakMap<StoreRow, StorePlan>();

  constructor(keyring: Keyring, dataDirectory: string, machine: Machine) {
    this.keyring = keyring;
    this.dataDirectory = dataDirectory;
    this.machine = machine;
  }

  of(kind: StoreKind, row: StoreRow): StorePlan {
    let plan = this.plans.get(row);
    if (plan === undefined) this.plans.set(row, (plan = this.make(kind, row.name, row.type, this.sorted(kind, row))));
    return plan;
  }

  make(kind: StoreKind, name: string, type: string, { config, secrets }: SortedConfig): StorePlan {
    return { kind, name, type, config: this.resolved(kind, name, type, config), secrets };
  }

  sorted(kind: StoreKind, row: StoreRow): SortedConfig {
    const secrets = row.secrets === null ? {} : (JSON.parse(this.keyring.unwrap(row.secrets, secretsContext(kind, row.id))) as Record<string, string>);
    return { config: row.config as Readonly<Record<string, ConfigValue>>, secrets };
  }

  /** The secrets as they are kept; null where there are none. */
  wrapped(kind: StoreKind, id: string, secrets: Readonly<Record<string, string>>): string | null {
    return Object.keys(secrets).length === 0 ? null : this.keyring.wrap(JSON.stringify(secrets), secretsContext(kind, id));
  }

  /**
   * What follows from the name and the machine filled in. It isn't kept, so that a data directory can be moved. The built-in
   * stores have an empty path: each share's own directory.
   */
  resolved(kind: StoreKind, name: string, type: string, config: Readonly<Record<string, ConfigValue>>): Readonly<Record<string, ConfigValue>> {
    if (hasPath(kind, type)) return { ...config, path: config["path"] ?? (name === defaultStore ? "" : join(this.dataDirectory, "stores", name)) };
    return kind === "block" && type === "memory" ? { ...config, size: config["size"] ?? memorySize(this.machine) } : config;
  }

  /** What is wrong with a store's directory: the data directory has places for stores, and others that are not for them. */
  pathFault(path: string): string | null {
    const directory = normalize(this.dataDirectory);
    if (path !== directory && !isWithin(path, directory)) return null;
    return isWithin(path, join(directory, "stores")) ? null : `lies in the server's data directory ${directory}; name one outside of it, or below ${join(directory, "stores")}`;
  }
}

function secretsContext(kind: StoreKind, id: string): string {
  return `${kind === "metadata" ? "metadata_stores" : "block_stores"}/${id}`;
}
