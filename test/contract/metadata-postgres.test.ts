import { beforeAll, describe, setDefaultTimeout } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openPostgresStore } from "#metadata/postgres/index.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { type DatabaseLogin, missingPostgres, sharedCluster } from "../support/postgres.ts";
import type { Subject } from "./metadata/kit.ts";
import { metadataContract } from "./metadata.ts";

if (missingPostgres !== null) console.log(`metadata in PostgreSQL: skipped, ${missingPostgres}`);

// With hardly anything in memory each row is a round trip, and the machine may be busy.
setDefaultTimeout(60_000);

let login: DatabaseLogin;
let shares = 0;

const roomy = { inodes: 10_000, names: 10_000, directories: 1_000, files: 1_000, extents: 100_000, packs: 1_000 };
/** So little that rows have to be fetched again all the time. */
const tight = { inodes: 3, names: 3, directories: 2, files: 2, extents: 20, packs: 2 };

async function subject(limits: typeof roomy): Promise<Subject> {
  const key = `share-${++shares}`;
  const open = (): Promise<MetadataStore> =>
    openPostgresStore({ ...login, sslmode: "disable", sslRootCert: null, key, name: key, holder: "a test", clock: systemClock, random: systemRandom, logger: silentLogger, limits, broken: () => {} });
  const abandoned: MetadataStore[] = [];
  const made: Subject = {
    store: await open(),
    async reopen() {
      await made.store.close();
      made.store = await open();
    },
    // As another machine would after this one died: the database is all there is.
    async crash() {
      abandoned.push(made.store);
      made.store = await open();
    },
    async dispose() {
      for (const store of [made.store, ...abandoned]) await store.close();
    },
  };
  return made;
}

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("metadata in PostgreSQL", () => {
  beforeAll(async () => {
    login = await (await sharedCluster()).database();
  }, 60_000);

  metadataContract("postgres", () => subject(roomy), { persistent: true });
  metadataContract("postgres, hardly anything kept in memory", () => subject(tight), { persistent: true });
});
