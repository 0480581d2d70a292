import { hostname } from "node:os";
import type { PostgresPlace } from "#base/postgres/session.ts";
import type { Config } from "#config/index.ts";
import { ControlError, type SharePlan, type StorePlan } from "#control/index.ts";
import { checkPostgres, findPostgresShare, type FoundShare, importIntoPostgres, leftKeysOf, openPostgresStore, removePostgresShare, setPostgresShareAside } from "#metadata/postgres/index.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { checkLogIsThere, checkMetadataIsThere } from "../share/away.ts";
import type { ShareSurroundings, Surroundings } from "../share/open-share.ts";
import type { SharePlaces } from "../share/places.ts";
import type { Known } from "../work/purge.ts";
import { checkTree } from "../share/tree.ts";

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
  return openPostgresStore({ ...postgresPlaceOf(plan.metadata), key: plan.id, name: plan.name, holder: holderOf(config), examine, clock, random, logger, broken });
}

/** What a database has of a share that is to be purged; null: nothing. */
export async function findPostgres(plan: SharePlan, around: Surroundings): Promise<Known | null> {
  const found = await reached(plan, () => findPostgresShare({ ...postgresPlaceOf(plan.metadata), ...around }, plan.id));
  return found === null ? null : { instance: Buffer.from(found.instance).toString("hex"), hasPacks: found.hasPacks };
}

/** With what moves of the share left in this database. */
export async function removePostgres(plan: SharePlan, around: Surroundings): Promise<void> {
  const access = { ...postgresPlaceOf(plan.metadata), ...around };
  await reached(plan, async () => {
    for (const key of [...(await leftKeysOf(access, plan.id)), plan.id]) await removePostgresShare(access, key);
  });
}

/** Makes a share's metadata in the database that `to` says, with every row of `source`, to which nothing is applied meanwhile. */
export function copyIntoPostgres(config: Config, to: SharePlan, source: MetadataStore, around: Surroundings, wrote: (rows: number) => void, verify: (copy: MetadataStore) => Promise<void>): Promise<void> {
  const place = postgresPlaceOf(to.metadata);
  const who = { name: to.name, holder: holderOf(config) };
  return importIntoPostgres({
    access: { ...place, ...around }, key: to.id, ...who, source, random: around.random, wrote,
    async verify(key) {
      const copy = await openPostgresStore({ ...place, ...around, ...who, key, broken: () => {} });
      await verify(copy).finally(() => copy.close());
    },
  });
}

/** What a share was moved away from is opened by nobody again; its rows stay. */
export function setPostgresAside(plan: SharePlan, around: Surroundings): Promise<void> {
  return setPostgresShareAside({ ...postgresPlaceOf(plan.metadata), ...around }, plan.id);
}

function holderOf({ data_dir }: Config): string {
  return `the server on ${hostname()} with the data directory ${data_dir} (process ${process.pid})`;
}

async function reached<T>({ name, metadata }: SharePlan, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ControlError("store_unreachable", `The metadata of ${name} could not be removed from the metadata store ${metadata.name}: ${(error as Error).message}`, { hint: "Purge again once the database answers." });
  }
}
