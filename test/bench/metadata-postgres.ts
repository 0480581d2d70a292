/**
 * What metadata in PostgreSQL costs, with SQLite on the same disk beside it: `bun test/bench/metadata-postgres.ts [runs] [creates]`. A
 * PostgreSQL server of its own, with fsync. Each figure is the median of the runs, which take turns. The last line is JSON.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openSqliteStore } from "#metadata/index.ts";
import { openPostgresStore } from "#metadata/postgres/index.ts";
import type { FileId } from "#model/ids.ts";
import { rootId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { createChanges, makeRoot, mkdir, newFile, set } from "../contract/metadata/kit.ts";
import { startCluster } from "../support/postgres.ts";
import { median } from "./measure.ts";

const runs = Number(process.argv[2] ?? 3);
const creates = Number(process.argv[3] ?? 20_000);
const directories = 1_000;

const cluster = await startCluster({ fsync: true });
const directory = mkdtempSync(join(tmpdir(), "dittofs-bench-"));
const login = await cluster.database();
let opened = 0;

const kinds: Readonly<Record<string, () => MetadataStore | Promise<MetadataStore>>> = {
  sqlite: () => openSqliteStore({ path: join(directory, `${++opened}.db`), clock: systemClock, random: systemRandom, logger: silentLogger }),
  postgres: () => {
    const key = `bench-${++opened}`;
    return openPostgresStore({ ...login, sslmode: "disable", sslRootCert: null, key, name: key, holder: "a benchmark", clock: systemClock, random: systemRandom, logger: silentLogger, broken: (error) => { throw error; } });
  },
};

/** Creates files, so many at a time, each lane taking the next when its last is durable; gives creates a second. */
async function createFiles(store: MetadataStore, label: string, lanes: number, count: number, parentOf: (i: number) => FileId): Promise<number> {
  let next = 0;
  const begun = performance.now();
  const lane = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      const parent = parentOf(i);
      const name = `${label}-${i}`;
      const inode = newFile(store.draw());
      // As a CREATE over NFS has it: the name was looked up before.
      await store.dirent(parent, name);
      const result = await store.apply(set([{ is: "live", id: parent }, { is: "direntAbsent", parent, name }], createChanges(parent, name, inode, systemClock.now())));
      if (!result.applied) throw new Error("refused");
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (count / (performance.now() - begun)) * 1000;
}

function readCached(store: MetadataStore, ids: readonly FileId[]): number {
  const rounds = 2_000;
  const begun = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < ids.length; i++) if (store.inode(ids[i] as FileId) instanceof Promise) throw new Error("not cached");
  }
  return ((rounds * ids.length) / (performance.now() - begun)) * 1000;
}

const figures = new Map<string, number[]>();
const note = (kind: string, what: string, value: number): void => {
  const key = `${what.padEnd(52)} ${kind.padEnd(9)}`;
  figures.set(key, [...(figures.get(key) ?? []), value]);
};

for (let run = 0; run < runs; run++) {
  for (const [kind, open] of Object.entries(kinds)) {
    const store = await open();
    await makeRoot(store);
    const parents = await Promise.all(Array.from({ length: directories }, (_, i) => mkdir(store, `d${i}`)));
    const parent = (i: number): FileId => parents[i % directories] as FileId;
    note(kind, "creates/s, 64 in flight, 1,000 directories", await createFiles(store, "a", 64, creates, parent));
    note(kind, "creates/s, 64 in flight, one directory", await createFiles(store, "b", 64, creates, () => rootId));
    note(kind, "creates/s, 8 clients, 1,000 directories", await createFiles(store, "c", 8, creates / 4, parent));
    note(kind, "creates/s, 8 clients, one directory", await createFiles(store, "d", 8, creates / 4, () => rootId));
    note(kind, "creates/s, 1 client", await createFiles(store, "e", 1, creates / 40, parent));
    note(kind, "getattr/s, cached", readCached(store, parents));
    await store.close();
  }
}
for (const [key, values] of [...figures].sort((a, b) => (a[0] < b[0] ? -1 : 1))) console.log(`${key} ${Math.round(median(values)).toLocaleString("en").padStart(12)}   (${values.map((v) => Math.round(v)).join(", ")})`);
console.log(JSON.stringify(Object.fromEntries([...figures].map(([key, values]) => [key.replaceAll(/ +/g, " ").trim(), values]))));
await cluster.stop();
rmSync(directory, { recursive: true, force: true });
process.exit(0);
