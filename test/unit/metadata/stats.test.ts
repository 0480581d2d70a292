import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { countsOf, openMemoryStore, openSqliteStore } from "#metadata/index.ts";
import { openPostgresStore } from "#metadata/postgres/index.ts";
import { rootId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { create, createChanges, makeRoot, newFile } from "../../contract/metadata/kit.ts";
import { type DatabaseLogin, missingPostgres, sharedCluster } from "../../support/postgres.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./sqlite-files.ts";

/** What metadata stores count of what is asked of them. */

let directory: TemporaryDirectory;
let store: MetadataStore;

beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  await store.close();
  directory.remove();
});

const around = { clock: systemClock, random: systemRandom, logger: silentLogger };
const sets = (from: MetadataStore, count: number, first = 0) =>
  Array.from({ length: count }, (_, i) => ({ conditions: [], changes: createChanges(rootId, `f${first + i}`, newFile(from.draw())) }));

/** The same load on each: three sets that share a turn, and one that is refused. */
async function load(): Promise<void> {
  await makeRoot(store);
  const stats = countsOf(store)!.stats;
  const before = { applied: stats.applied, refused: stats.refused, batches: stats.batches.count, sets: stats.batches.sum, commits: stats.commits.count };
  await Promise.all(sets(store, 3).map((set) => store.apply(set)));
  expect([stats.applied - before.applied, stats.refused - before.refused]).toEqual([3, 0]);
  expect([stats.batches.count - before.batches, stats.batches.sum - before.sets, stats.commits.count - before.commits]).toEqual([1, 3, 1]);
  const refused = await store.apply({ conditions: [{ is: "direntAbsent", parent: rootId, name: "f0" }], changes: [] });
  expect(refused.applied).toBe(false);
  expect([stats.applied - before.applied, stats.refused - before.refused]).toEqual([3, 1]);
  const reads = { ...stats.reads };
  await store.dirent(rootId, "f1");
  await store.dirent(rootId, "nobody");
  await store.directory(rootId, 0, 10);
  await store.extents(rootId, 0, 1, 10);
  expect([stats.reads.dirent - reads.dirent, stats.reads.directory - reads.directory, stats.reads.extents - reads.extents, stats.reads.inode - reads.inode]).toEqual([2, 1, 1, 0]);
}

test("memory counts sets, transactions and look-ups", async () => {
  store = openMemoryStore(around);
  await load();
  expect(countsOf(store)!.stats.syncs.count).toBe(0);
  expect(countsOf(store)!.sessions).toBeNull();
});

test("SQLite counts its syncs, too: one for all that share it", async () => {
  let syncs = 0;
  store = openSqliteStore({
    path: `${directory.path}/metadata.db`,
    ...around,
    fatal: (error) => {
      throw error;
    },
    sync: (_, done) => {
      syncs++;
      queueMicrotask(() => done(null));
    },
  });
  await load();
  const { stats } = countsOf(store)!;
  expect(stats.syncs.count).toBeGreaterThan(0);
  const before = stats.syncs.count;
  const called = syncs;
  await create(store, "alone");
  expect([stats.syncs.count - before, syncs - called]).toEqual([1, 1]);
});

if (missingPostgres !== null) console.log(`what PostgreSQL counts: skipped, ${missingPostgres}`);

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("PostgreSQL", () => {
  let login: DatabaseLogin;
  beforeAll(async () => {
    login = await (await sharedCluster()).database();
  }, 60_000);

  test("counts batches until they are committed, reads that it was asked, and its sessions", async () => {
    const open = () => openPostgresStore({ ...login, sslmode: "disable", sslRootCert: null, key: "s", name: "s", holder: "a test", ...around, broken: () => {} });
    store = await open();
    await load();
    await store.close();
    store = await open();
    const { stats } = countsOf(store)!;
    expect(stats.queries.count).toBe(0);
    expect((await store.dirent(rootId, "f1"))?.name).toBe("f1");
    await store.dirent(rootId, "f1");
    // The second is known.
    expect([stats.queries.count, stats.reads.dirent, stats.queriesFailed]).toEqual([1, 2, 0]);
    expect(countsOf(store)!.sessions).toEqual({ open: 2, running: 0, queued: 0, away: false });
  }, 60_000);
});
