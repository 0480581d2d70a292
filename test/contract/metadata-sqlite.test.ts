import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openSqliteStore } from "#metadata/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { copyDatabase, temporaryDirectory } from "../unit/metadata/sqlite-files.ts";
import type { Subject } from "./metadata/kit.ts";
import { metadataContract } from "./metadata.ts";

async function subject(checkpointPages: number): Promise<Subject> {
  const directory = temporaryDirectory();
  let path = `${directory.path}/metadata.db`;
  let copies = 0;
  const open = (): MetadataStore =>
    openSqliteStore({ path, clock: systemClock, random: systemRandom, logger: silentLogger, checkpointPages });
  const abandoned: MetadataStore[] = [];
  const made: Subject = {
    store: open(),
    async reopen() {
      await made.store.close();
      made.store = open();
    },
    async crash() {
      const copy = `${directory.path}/crash-${++copies}.db`;
      copyDatabase(path, copy);
      abandoned.push(made.store);
      path = copy;
      made.store = open();
    },
    async dispose() {
      for (const store of [made.store, ...abandoned]) await store.close();
      directory.remove();
    },
  };
  return made;
}

metadataContract("sqlite", () => subject(4096), { persistent: true });
metadataContract("sqlite, a checkpoint every few pages", () => subject(20), { persistent: true });
