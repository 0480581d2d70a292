import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Config } from "#config/index.ts";
import type { SharePlan, StorePlan } from "#control/index.ts";
import { safeName } from "../process/data-directory.ts";

/** Where the parts of a share lie. */
export interface SharePlaces {
  readonly database: string;
  /** Holds log/ and packs/. */
  readonly content: string;
  readonly blocks: string;
  /** Directories that exist for this share alone, inner ones first: they go when the share is purged, as far as they are empty. */
  readonly own: readonly string[];
}

/** Folders of a block directory with content in them; the rest is its own administration. */
export const contentFolders = ["objects", "staging", "temp"];

/** Ends the name of the file beside a database that was recovered and that the control plane may not know yet; gone once a share is opened that it knows. */
export const recoveredEnd = ".recovered";

/** In a share's content directory: copies of what a remote block store holds. */
export const diskCacheFolder = "disk";

/** The store every server has without anybody having made it: its shares lie in the data directory, each in its own. */
export const builtInStore = "default";

/** The path of a store's configuration, "" where it has none. */
export function pathOf(store: StorePlan): string {
  const { path } = store.config;
  return typeof path === "string" ? path : "";
}

/** The directory that all of a store's shares have theirs in; null: the data directory's own place for shares. */
export function rootOf(config: Config, store: StorePlan): string | null {
  const path = pathOf(store);
  if (path !== "") return path;
  return store.name === builtInStore ? null : join(config.data_dir, "stores", safeName(store.name));
}

/** Where the parts of a share lie; nothing is made. */
export function placesOf(config: Config, plan: SharePlan): SharePlaces {
  // A share that forgets must not touch what one of its name that lasts has left here.
  const apart = plan.metadata.type === "memory" ? "ephemeral" : "";
  const name = join(safeName(plan.name), apart);
  const own = join(config.data_dir, "shares", name);
  const content = config.cache.path === "" ? own : join(config.cache.path, name);
  const inStore = (store: StorePlan): string | null => {
    const root = rootOf(config, store);
    return root === null ? null : join(root, name);
  };
  const metadata = inStore(plan.metadata);
  const blocks = inStore(plan.blocks);
  return {
    database: plan.metadataPath !== "" ? plan.metadataPath : join(metadata ?? own, "metadata.db"),
    content,
    blocks: plan.blocksPath !== "" ? plan.blocksPath : (blocks ?? join(own, "blocks")),
    own: [
      ...new Set([
        ...(plan.blocksPath !== "" ? [] : [blocks ?? join(own, "blocks")]),
        ...(metadata === null || plan.metadataPath !== "" ? [] : [metadata]),
        content,
        own,
        join(config.data_dir, "shares", safeName(plan.name)),
      ]),
    ],
  };
}

/** What keeps two shares from being served at once: the place both would write to, or null. */
export function collision(one: SharePlaces, other: SharePlaces): string | null {
  const filled = ({ content, blocks }: SharePlaces) => [...["log", "packs", diskCacheFolder].map((part) => join(content, part)), ...contentFolders.map((part) => join(blocks, part))];
  for (const [mine, theirs] of [[one, other], [other, one]] as const) {
    for (const place of [mine.database, mine.content, mine.blocks]) if (filled(theirs).some((folder) => isWithin(place, folder))) return place;
  }
  if (one.database === other.database) return one.database;
  if (one.content === other.content) return one.content;
  return one.blocks === other.blocks ? one.blocks : null;
}

/** Refuses a share that would write where another one lies. */
export function refuseCollision(name: string, places: SharePlaces, others: readonly { readonly plan: SharePlan; readonly places: SharePlaces }[]): void {
  const real = realPlaces(places);
  for (const other of others) {
    const place = collision(real, realPlaces(other.places));
    if (place !== null) throw new Error(`share ${name} would lie in ${place}, where share ${other.plan.name} lies; give its store another path`);
  }
}

/** The places with every symlink on the way resolved, as far as the way exists. */
export function realPlaces(places: SharePlaces): SharePlaces {
  return { database: realPath(places.database), content: realPath(places.content), blocks: realPath(places.blocks), own: places.own };
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" || dirname(path) === path) return path;
    return join(realPath(dirname(path)), basename(path));
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
