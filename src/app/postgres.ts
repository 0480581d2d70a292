import { hostname } from "node:os";
import type { Config } from "#config/index.ts";
import { ControlError, type SharePlan, type StorePlan } from "#control/index.ts";
import { checkPostgres, findPostgresShare, type FoundShare, openPostgresStore, type PostgresPlace, removePostgresShare } from "#metadata/postgres/index.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { checkLogIsThere, checkMetadataIsThere } from "./away.ts";
import type { ShareSurroundings, Surroundings } from "./open-share.ts";
import type { SharePlaces } from "./places.ts";
import type { Known } from "./purge.ts";
import { checkTree } from "./tree.ts";

const portDefault = 5432;

/** What a metadata store of type postgres says, in the words of the store that is opened. */
export function postgresPlaceOf({ config, secrets }: StorePlan): PostgresPlace {
  const text = (key: string): string | null => (typeof config[key] === "string" && config[key] !== "" ? config[key] : null);
  const sslmode = text("sslmode") ?? "verify-full";
  return {
    host: text("host") ?? "",
    port: typeof config["port"] === "number" ? config["port"] : portDefault,
    database: text("database") ?? "",
    user: text("user") ?? "",
    password: secrets["password"] ?? "",
    sslmode: sslmode as PostgresPlace["sslmode"],
    sslRootCert: text("sslrootcert") ?? (sslmode === "verify-full" ? "system" : null),
  };
}

export function tryPostgres(plan: StorePlan, writing: boolean, { clock, logger }: Pick<Surroundings, "clock" | "logger">): Promise<void> {
  return checkPostgres({ ...postgresPlaceOf(plan), clock, logger, writing });
}

/** Takes a share's metadata for this server, unless what there is of it is not what this server has the rest of. */
export function openPostgres(config: Config, plan: SharePlan, places: SharePlaces, around: ShareSurroundings): Promise<MetadataStore> {
  const { clock, random, logger, broken } = around;
  const examine = (found: FoundShare | null): void => {
    if (found === null) return checkMetadataIsThere(plan, places.content);
    checkTree(plan, Buffer.from(found.instance).toString("hex"), places);
    checkLogIsThere(plan.name, places.content, found.inodes > 0);
  };
  const holder = `the server on ${hostname()} with the data directory ${config.data_dir} (process ${process.pid})`;
  return openPostgresStore({ ...postgresPlaceOf(plan.metadata), key: plan.id, name: plan.name, holder, examine, clock, random, logger, broken });
}

/** What a database has of a share that is to be purged; null: nothing. */
export async function findPostgres(plan: SharePlan, around: Surroundings): Promise<Known | null> {
  const found = await reached(plan, () => findPostgresShare({ ...postgresPlaceOf(plan.metadata), ...around }, plan.id));
  return found === null ? null : { instance: Buffer.from(found.instance).toString("hex"), hasPacks: found.hasPacks };
}

export async function removePostgres(plan: SharePlan, around: Surroundings): Promise<void> {
  await reached(plan, () => removePostgresShare({ ...postgresPlaceOf(plan.metadata), ...around }, plan.id));
}

async function reached<T>({ name, metadata }: SharePlan, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ControlError("store_unreachable", `The metadata of ${name} could not be removed from the metadata store ${metadata.name}: ${(error as Error).message}`, { hint: "Purge again once the database answers." });
  }
}
