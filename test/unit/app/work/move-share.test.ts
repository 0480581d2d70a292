import { afterEach, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openFilesystemBlocks } from "#blocks/index.ts";
import { checkS3, openS3Blocks } from "#blocks/s3/index.ts";
import { listShares, newestSnapshot } from "#history/index.ts";
import { openSqliteStore } from "#metadata/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { recoverShare } from "#app/offline/recover.ts";
import type { RecoverRequest } from "#cli/ports.ts";
import type { Loaded } from "#config/index.ts";
import { configFor, desired, runtimeOn, sharePlan, storePlan, temporary } from "../kit.ts";
import type { ServerRuntime } from "#app/server/runtime.ts";
import { ControlError, type SharePlan, type StorePlan } from "#control/index.ts";
import { postgresPlaceOf } from "#app/stores/postgres.ts";
import { findPostgresShare, leftKeysOf } from "#metadata/postgres/index.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { bytesOf, make, write } from "../../../support/damaged-share.ts";
import { missingPostgres, sharedCluster } from "../../../support/postgres.ts";
import { missingRadosgw, s3StartMsMax, sharedS3 } from "../../../support/radosgw.ts";
import { until } from "../../../support/wait.ts";
import { expectWhole, filled, files, inside, migrated, moved, packs } from "./moving.ts";

if (missingPostgres !== null) console.log(`metadata moves into PostgreSQL: skipped, ${missingPostgres}`);

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A server with one share, until the test ends. */
async function serving(planOf: (dataDir: string) => SharePlan = () => sharePlan("/export")) {
  const dataDir = temporary();
  const { runtime } = runtimeOn(dataDir);
  stops.push(() => runtime.stopShares(5000));
  const from = planOf(dataDir);
  expect(await runtime.reconcile(desired([from]))).toEqual([]);
  return { dataDir, runtime, from, ids: await filled(runtime, from.name) };
}

/** The same share with its content in a directory of another block store. */
function elsewhere(from: SharePlan, dataDir: string): SharePlan {
  return { ...from, blocks: storePlan("block", "filesystem", { name: "other", config: { path: join(dataDir, "other") } }) };
}

const instanceOf = (runtime: ServerRuntime): string => Buffer.from(inside(runtime, "/export").store.identity.instance).toString("hex");

test("content moves to another directory, with what clients wrote meanwhile, and the share is the same", async () => {
  const { dataDir, runtime, from, ids } = await serving();
  const identity = inside(runtime, "/export").store.identity;
  const to = elsewhere(from, dataDir);
  const job = await migrated(runtime, to);
  expect(job).toMatchObject({ state: "done", error: null, result: { objects: packs, objectsPresent: 0, rows: 0 } });
  expect(inside(runtime, "/export").store.identity).toEqual(identity);
  await expectWhole(runtime, "/export", ids);
  expect(existsSync(join(dataDir, "other", "export", "objects"))).toBeTrue();
  // Back again: what is there is not copied twice, but looked at.
  expect(await migrated(runtime, from)).toMatchObject({ state: "done", result: { objects: 0, objectsPresent: packs } });
  await expectWhole(runtime, "/export", ids);
  expect(await migrated(runtime, from)).toMatchObject({ state: "failed" });
  await expectWhole(runtime, "/export", ids);
});

/** A directory of a block store that keeps a history. */
function placeIn(dataDir: string, name: string, history = true): StorePlan {
  return storePlan("block", "filesystem", { name, config: { path: join(dataDir, name), history } });
}

const inStoreOne = (dataDir: string): SharePlan => sharePlan("/export", { blocks: placeIn(dataDir, "one") });

test("what a share left behind is nothing to recover it from any more", async () => {
  const { dataDir, runtime, from, ids } = await serving(inStoreOne);
  const instance = instanceOf(runtime);
  const snapshotIn = async (name: string): Promise<unknown> => {
    const blocks = await openFilesystemBlocks({ directory: join(dataDir, name, "export"), openFilesMax: 16, beside: true });
    const [listed, snapshot] = [await listShares(blocks), await newestSnapshot(blocks, instance)];
    await blocks.close();
    return snapshot === null ? null : { listed, share: snapshot.share };
  };
  const there = { listed: [instance], share: "/export" };
  expect(await until("a snapshot", 10_000, () => snapshotIn("one"))).toEqual(there);
  expect(await migrated(runtime, sharePlan("/export", { blocks: placeIn(dataDir, "two") }))).toMatchObject({ state: "done" });
  expect(await snapshotIn("one")).toBeNull();
  expect(await until("a snapshot", 10_000, () => snapshotIn("two"))).toEqual(there);
  // And back, where segments of its first stay still lie.
  expect(await migrated(runtime, from)).toMatchObject({ state: "done" });
  expect(await until("a snapshot", 10_000, () => snapshotIn("one"))).toEqual(there);
  expect(await snapshotIn("two")).toBeNull();
  await expectWhole(runtime, "/export", ids);
});

test("a store that a share was being moved away from when its server was killed says so to whoever recovers from it", async () => {
  const { dataDir, runtime, from } = await serving(inStoreOne);
  const recovered = async (more: Partial<RecoverRequest> = {}, path = join(dataDir, "killed")) => {
    const request: RecoverRequest = { type: "filesystem", config: { path }, storeName: "recovered", share: null, name: null, dryRun: true, acceptLoss: false, acceptMoved: false };
    return await recoverShare({ ok: true, config: configFor(temporary()), origins: new Map(), file: null } as unknown as Loaded, { ...request, ...more }, () => {});
  };
  const copy = (): void => {
    rmSync(join(dataDir, "killed"), { recursive: true, force: true });
    cpSync(join(dataDir, "one"), join(dataDir, "killed"), { recursive: true });
  };
  const recoverable = () => until("the history", 10_000, () => {
    copy();
    return recovered().catch(() => null);
  });
  await recoverable();
  // To another block store, and to one of this share's that keeps no history.
  for (const [to, where] of [[placeIn(dataDir, "two"), "two"], [placeIn(dataDir, "three", false), "three"]] as const) {
    const plan = sharePlan("/export", { blocks: to });
    const job = await moved(runtime, plan, async () => {
      expect(await runtime.reconcile(desired([plan]))).toEqual([]);
      // As a kill leaves it that comes when the control plane has been told.
      copy();
    });
    expect(job).toMatchObject({ state: "done" });
    await expect(recovered()).rejects.toThrow(`was being moved from this store to block store ${where}`);
    await expect(recovered({ dryRun: false })).rejects.toThrow("--accept-moved");
    expect(await recovered({ acceptMoved: true })).toMatchObject({ name: "/export" });
    await expect(recovered({}, join(dataDir, "one"))).rejects.toThrow("history");
    expect(await migrated(runtime, from)).toMatchObject({ state: "done" });
    await recoverable();
  }
  // A move that did not come to be leaves nothing behind.
  expect(await moved(runtime, sharePlan("/export", { blocks: placeIn(dataDir, "two") }), () => Promise.reject(new Error("not now")))).toMatchObject({ state: "failed" });
  await recoverable();
}, 60_000);

test("metadata moves to another database, and from memory to the disk: handles stay good, numbers are not given twice", async () => {
  const { dataDir, runtime, from, ids } = await serving(() => sharePlan("/scratch", { metadata: storePlan("metadata", "memory"), blocks: storePlan("block", "memory") }));
  const { identity } = inside(runtime, "/scratch").store;
  const to = { ...from, metadata: storePlan("metadata", "sqlite"), blocks: storePlan("block", "filesystem") };
  const job = await migrated(runtime, to);
  expect(job).toMatchObject({ state: "done", error: null });
  expect(job.result?.["rows"]).toBeGreaterThan(files * 3);
  const { store } = inside(runtime, "/scratch");
  expect(store.identity).toEqual(identity);
  expect(store.draw()).toBeGreaterThan(Math.max(...ids));
  await expectWhole(runtime, "/scratch", ids);
  const further = { ...to, metadata: storePlan("metadata", "sqlite", { name: "fast", config: { path: join(dataDir, "fast") } }) };
  expect(await migrated(runtime, further)).toMatchObject({ state: "done", error: null, result: { objects: 0 } });
  expect(existsSync(join(dataDir, "fast", "scratch", "metadata.db"))).toBeTrue();
  expect(readdirSync(join(dataDir, "shares", "scratch")).filter((name) => name.startsWith("metadata.db")).every((name) => name.includes(".moved-") || name.endsWith("-reserve"))).toBeTrue();
  await expectWhole(runtime, "/scratch", ids);
  expect(inside(runtime, "/scratch").store.identity).toEqual(identity);
});

// Skips where PostgreSQL is not installed: the reason is printed.
test.skipIf(missingPostgres !== null)(
  "metadata moves into PostgreSQL and out of it, and there again: handles and extended attributes stay, nothing is left after a purge",
  async () => {
    const { dataDir, runtime, from, ids } = await serving();
    const { password, ...config } = { ...(await (await sharedCluster()).database()), sslmode: "disable" };
    const { store } = inside(runtime, "/export");
    const { identity } = store;
    await store.apply({ conditions: [], changes: [{ do: "setXattr", id: ids[0] as FileId, name: "ea", value: bytesOf(3, 5000), at: systemClock.now() }] });
    const inPostgres = { ...from, metadata: storePlan("metadata", "postgres", { name: "pg", config, secrets: { password } }) };
    for (let times = 0; times < 2; times++) {
      expect(await migrated(runtime, inPostgres)).toMatchObject({ state: "done", error: null });
      expect(inside(runtime, "/export").store.identity).toEqual(identity);
      await expectWhole(runtime, "/export", ids);
      const again = { ...inPostgres, metadata: { ...inPostgres.metadata, name: "same" } };
      expect(await moved(runtime, again, async () => {})).toMatchObject({ state: "failed" });
      await expectWhole(runtime, "/export", ids);
      ids.push(await make(inside(runtime, "/export") as never, rootId, `in-postgres-${times}`, FileType.regular));
      await write(inside(runtime, "/export") as never, ids.at(-1) as FileId, bytesOf(ids.length - 1, 90_000 + ids.length - 1));
      expect(await migrated(runtime, from)).toMatchObject({ state: "done", error: null });
      expect(inside(runtime, "/export").store.draw()).toBeGreaterThan(Math.max(...ids));
      expect(await inside(runtime, "/export").store.xattr(ids[0] as FileId, "ea")).toEqual(bytesOf(3, 5000));
      await expectWhole(runtime, "/export", ids);
    }
    expect(await migrated(runtime, inPostgres)).toMatchObject({ state: "done", error: null });
    await runtime.reconcile(desired([]));
    await runtime.purge(inPostgres, []);
    const access = { ...postgresPlaceOf(inPostgres.metadata), clock: systemClock, logger: silentLogger };
    expect([await leftKeysOf(access, from.id), await findPostgresShare(access, from.id), existsSync(join(dataDir, "shares", "export"))]).toEqual([[], null, false]);
  },
  60_000,
);

// Skips where PostgreSQL is not installed: the reason is printed.
test.skipIf(missingPostgres !== null)(
  "a share whose metadata moves into PostgreSQL can't be recovered as it was before, and keeps a history again once it is back",
  async () => {
    const { password, ...config } = { ...(await (await sharedCluster()).database()), sslmode: "disable" };
    const { dataDir, runtime, from, ids } = await serving(inStoreOne);
    const instance = instanceOf(runtime);
    const recoverable = async (): Promise<true | null> => {
      const blocks = await openFilesystemBlocks({ directory: join(dataDir, "one", "export"), openFilesMax: 16, beside: true });
      const there = (await newestSnapshot(blocks, instance)) !== null && (await listShares(blocks)).includes(instance);
      await blocks.close();
      return there ? true : null;
    };
    for (let times = 0; times < 2; times++) {
      await until("a snapshot", 10_000, recoverable);
      expect(await migrated(runtime, { ...from, metadata: storePlan("metadata", "postgres", { name: "pg", config, secrets: { password } }) })).toMatchObject({ state: "done", error: null });
      expect(await recoverable()).toBeNull();
      expect(await migrated(runtime, from)).toMatchObject({ state: "done", error: null });
      await expectWhole(runtime, "/export", ids);
    }
    await until("a snapshot", 10_000, recoverable);
  },
  60_000,
);

// Skips where the S3 server is not installed: the reason is printed.
test.skipIf(missingRadosgw !== null)(
  "a move between two stores that are one bucket is refused, and the share can be recovered from it",
  async () => {
    const s3 = await sharedS3();
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const bucket = s3.bucketName();
    const place = (name: string, more: Record<string, string> = {}) => storePlan("block", "s3", { name, config: { bucket, endpoint: s3.endpoint, access_key: accessKeyId, create_bucket: true, ...more }, secrets: { secret_key: secretAccessKey } });
    await checkS3({ bucket, endpoint: s3.endpoint, credentials: s3.credentials, createBucket: true });
    const { runtime, from, ids } = await serving(() => sharePlan("/export", { blocks: place("one") }));
    const instance = instanceOf(runtime);
    const blocks = await openS3Blocks({ bucket, endpoint: s3.endpoint, credentials: s3.credentials });
    stops.push(() => blocks.close());
    await until("a snapshot", 10_000, async () => (await newestSnapshot(blocks, instance)) !== null || null);
    const endpoint = s3.endpoint.replace("127.0.0.1", "localhost");
    expect(await migrated(runtime, { ...from, blocks: place("two", { endpoint }) })).toMatchObject({ state: "failed" });
    expect([(await newestSnapshot(blocks, instance))?.share, await listShares(blocks)]).toEqual(["/export", [instance]]);
    await expectWhole(runtime, "/export", ids);
    expect(await migrated(runtime, { ...from, blocks: place("three", { prefix: "three/" }) })).toMatchObject({ state: "done", error: null });
    await expectWhole(runtime, "/export", ids);
  },
  s3StartMsMax,
);

test("a move that can't be made known leaves the share where it was", async () => {
  const { dataDir, runtime, from, ids } = await serving();
  const to = elsewhere(from, dataDir);
  expect(await moved(runtime, to, () => Promise.reject(new Error("the database is away")))).toMatchObject({ state: "failed", error: "the database is away" });
  expect(await runtime.reconcile(desired([from]))).toEqual([]);
  await expectWhole(runtime, "/export", ids);
  expect(runtime.plans()[0]?.blocks.name).toBe("default");
});

test("a share of which the control plane can't say whether it was moved is opened nowhere until it can", async () => {
  const { dataDir, runtime, from, ids } = await serving();
  const to = elsewhere(from, dataDir);
  let asked = 0;
  const commit = async (): Promise<void> => {
    expect(runtime.plans()).toEqual([]);
    if (++asked < 3) throw new ControlError("unavailable", "the connection was lost while a change was being committed");
    expect(await runtime.reconcile(desired([to]))).toEqual([]);
  };
  expect(await moved(runtime, to, commit)).toMatchObject({ state: "done", error: null });
  expect(runtime.plans()[0]?.blocks.name).toBe("other");
  await expectWhole(runtime, "/export", ids);
});

test("while the last of a share is copied nobody opens it where it was", async () => {
  const { dataDir, runtime, from, ids } = await serving();
  const to = elsewhere(from, dataDir);
  const commit = async (): Promise<void> => {
    // Another change of the control plane, which knows nothing of the move yet.
    const [failure] = await runtime.reconcile(desired([from]));
    expect(failure?.reason).toContain("is being moved");
    expect(await runtime.reconcile(desired([to]))).toEqual([]);
  };
  expect(await moved(runtime, to, commit)).toMatchObject({ state: "done", error: null });
  await expectWhole(runtime, "/export", ids);
});

test("a move that is cancelled or stopped goes on where it was", async () => {
  const { dataDir, runtime, from, ids } = await serving();
  const to = elsewhere(from, dataDir);
  const { id } = runtime.jobs.start({ kind: "migrate", share: "/export", plan: to, commit: () => Promise.resolve() }, "test");
  await new Promise<void>((resolve) => {
    const look = (): void => (runtime.jobs.get(id).progress.done > 200_000 ? resolve() : systemClock.atTurnEnd(look));
    look();
  });
  runtime.jobs.cancel(id);
  expect(await runtime.jobs.ended(id)).toMatchObject({ state: "cancelled" });
  await runtime.reconcile(desired([from]));
  await expectWhole(runtime, "/export", ids);
  const job = await migrated(runtime, to);
  expect(job).toMatchObject({ state: "done" });
  expect(job.result?.["objectsPresent"]).toBeGreaterThan(1);
  await expectWhole(runtime, "/export", ids);
});

test("a move to where the metadata of another share lies is refused, and that stays", async () => {
  const { dataDir, runtime, from, ids } = await serving();
  const path = join(dataDir, "fast", "export", "metadata.db");
  mkdirSync(join(path, ".."), { recursive: true });
  const open = () => openSqliteStore({ path, clock: systemClock, random: systemRandom, logger: silentLogger, fatal: (error) => { throw error; } });
  const other = open();
  const { instance } = other.identity;
  await other.close();
  const job = await migrated(runtime, { ...from, metadata: storePlan("metadata", "sqlite", { name: "fast", config: { path: join(dataDir, "fast") } }) });
  expect(job).toMatchObject({ state: "failed" });
  expect(job.error).toContain("is the metadata of another share");
  await expectWhole(runtime, "/export", ids);
  const again = open();
  expect(again.identity.instance).toEqual(instance);
  await again.close();
});
