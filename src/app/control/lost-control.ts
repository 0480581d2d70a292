import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "#config/index.ts";
import { DataDirectoryError } from "../process/data-directory.ts";
import { holdsTree } from "../work/purge.ts";

/** How deep below shares/ and stores/ the directory of a share lies at most: store, the share's name in parts, the share. */
const depthMax = 5;

/**
 * Refuses to begin a control plane where there are shares: one that was lost comes back from a backup. Begun anew it would know none
 * of them, nor who may use them, and would take up what lies in the place of the configuration's shares as open to whoever reaches them.
 */
export function refuseLostControl(config: Config): void {
  const found = shareData(config);
  if (found === null) return;
  const { type, sqlite, postgres } = config.database;
  const database = type === "sqlite" ? `there is no control-plane database ${sqlite.path}` : `the control-plane database ${postgres.database} on ${postgres.host} is new`;
  throw new DataDirectoryError(
    `${config.data_dir} has files of shares (${found}), but ${database}. Name the database they belong to (database.type, database.sqlite.path, --data-dir), or bring it back: dittofs restore controlplane --input FILE. ` +
      "If there is no backup, or these shares were never in a control plane, begin a new one with dittofs start --new-control-plane: the shares of the configuration are taken over, the others by dittofs share create --adopt",
  );
}

/** A database of a share with files, or null. */
function shareData({ data_dir, shares }: Config): string | null {
  const own = [join(data_dir, "shares"), join(data_dir, "stores")].flatMap((directory) => [...databasesIn(directory, depthMax)]);
  const named = shares.flatMap(({ metadata }) => (metadata.type === "sqlite" && metadata.path !== "" && existsSync(metadata.path) ? [metadata.path] : []));
  return [...own, ...named].find((path) => holdsTree(path)) ?? null;
}

function* databasesIn(directory: string, depth: number): Generator<string> {
  if (depth === 0 || !existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.name === "metadata.db") yield path;
    else if (entry.isDirectory() && !contentOfShares.has(entry.name)) yield* databasesIn(path, depth - 1);
  }
}

/** Large, and without any database. A share may have such a name; then one of the others tells. */
const contentOfShares: ReadonlySet<string> = new Set(["objects", "staging", "temp", "packs", "log", "disk"]);
