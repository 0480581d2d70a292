import { afterEach, expect, test } from "bun:test";
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { openFilesystemBlocks } from "#blocks/index.ts";
import type { RecoverRequest } from "#cli/ports.ts";
import { loadConfig } from "#config/index.ts";
import { recoverShare } from "#app/offline/recover.ts";
import { checkS3, openS3Blocks } from "#blocks/s3/index.ts";
import type { ServerRuntime } from "#app/server/runtime.ts";
import type { SharePlan } from "#control/index.ts";
import { endedKey, leavingOf, listGone, listShares, newestSnapshot } from "#history/index.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { bytesOf, make, write } from "../../../support/damaged-share.ts";
import { missingPostgres, sharedCluster } from "../../../support/postgres.ts";
import { missingRadosgw, s3StartMsMax, sharedS3 } from "../../../support/radosgw.ts";
import { until } from "../../../support/wait.ts";
import { desired, runtimeOn, sharePlan, storePlan, temporary } from "../kit.ts";
import { expectWhole, filled, files, inside, migrated } from "./moving.ts";

/** Moves into memory, out of it and within it. */

if (missingRadosgw !== null) console.log(`moves into memory of shares in a bucket: skipped, ${missingRadosgw}`);
if (missingPostgres !== null) console.log(`moves into memory from PostgreSQL: skipped, ${missingPostgres}`);

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function serving(dataDir: string): ServerRuntime {
  const { runtime } = runtimeOn(dataDir);
  stops.push(() => runtime.stopShares(5000));
  return runtime;
}

const ram = storePlan("metadata", "memory", { name: "ram" });
const inRam = (from: SharePlan, more: Partial<SharePlan> = {}): SharePlan => ({ ...from, metadata: ram, ...more });
const instanceOf = (runtime: ServerRuntime): string => Buffer.from(inside(runtime, "/export").store.identity.instance).toString("hex");

/** A move whose change the control plane refuses. */
async function refused(runtime: ServerRuntime, plan: SharePlan, meanwhile: () => Promise<unknown> = async () => {}) {
  const commit = async (): Promise<never> => {
    await meanwhile();
    throw new Error("not now");
  };
  const { id } = runtime.jobs.start({ kind: "migrate", share: plan.name, plan, commit }, "test");
  return await runtime.jobs.ended(id);
}

async function goesOn(runtime: ServerRuntime, ids: FileId[]): Promise<void> {
  const share = inside(runtime, "/export") as never;
  const id = await make(share, rootId, `f${ids.length}`, FileType.regular);
  expect(id).toBeGreaterThan(Math.max(...ids));
  await write(share, id, bytesOf(ids.length, 90_000 + ids.length));
  ids.push(id);
  await expectWhole(runtime, "/export", ids);
}

test("metadata moves into memory and back: handles stay good, numbers are not given twice, files take writes", async () => {
  const dataDir = temporary();
  const runtime = serving(dataDir);
  const from = sharePlan("/export");
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  const { identity } = inside(runtime, "/export").store;
  for (let times = 0; times < 2; times++) {
    expect(await migrated(runtime, inRam(from))).toMatchObject({ state: "done", error: null });
    expect(inside(runtime, "/export").store.identity).toEqual(identity);
    expect(readdirSync(join(dataDir, "shares", "export")).some((name) => name.startsWith("metadata.db.moved-"))).toBeTrue();
    expect(existsSync(join(dataDir, "shares", "export", "metadata.db"))).toBeFalse();
    await expectWhole(runtime, "/export", ids);
    // Of a file whose content came with the move, too: its changes count on from what it had.
    await write(inside(runtime, "/export") as never, ids[0] as FileId, bytesOf(0, 90_000));
    await goesOn(runtime, ids);
    expect(await migrated(runtime, from)).toMatchObject({ state: "done", error: null });
    expect(inside(runtime, "/export").store.identity).toEqual(identity);
    await goesOn(runtime, ids);
  }
  await runtime.reconcile(desired([]));
  await runtime.purge({ ...from, instance: Buffer.from(identity.instance).toString("hex") }, []);
  // What it had in memory lies apart, for whoever is the next of its name there; nothing of what lasts is left.
  expect(readdirSync(join(dataDir, "shares", "export"))).toEqual(["ephemeral"]);
});

test("a share with everything in memory moves there from the disk, and to another store there", async () => {
  const runtime = serving(temporary());
  const from = sharePlan("/export");
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  for (const name of ["one", "two"]) {
    const to = inRam(from, { blocks: storePlan("block", "memory", { name }), metadata: storePlan("metadata", "memory", { name }) });
    expect(await migrated(runtime, to)).toMatchObject({ state: "done", error: null });
    await goesOn(runtime, ids);
  }
  expect(await migrated(runtime, from)).toMatchObject({ state: "done", error: null });
  await goesOn(runtime, ids);
});

test("content of a share in memory moves alone, and other settings of its store don't empty it", async () => {
  const runtime = serving(temporary());
  const from = inRam(sharePlan("/export"));
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  const to = { ...from, blocks: storePlan("block", "filesystem", { name: "other", config: { path: temporary() } }) };
  expect(await migrated(runtime, to)).toMatchObject({ state: "done", error: null });
  await goesOn(runtime, ids);
  expect(await runtime.reconcile(desired([{ ...to, metadata: { ...to.metadata, config: { note: "another" } } }]))).toEqual([]);
  await goesOn(runtime, ids);
});

test("a move that does not come to be leaves a share in memory with all it had, and one on the disk, too", async () => {
  const lasting = sharePlan("/export");
  for (const blocks of [storePlan("block", "memory", { name: "ram" }), storePlan("block", "filesystem")]) {
    const volatile = inRam(lasting, { blocks });
    for (const [from, to] of [[volatile, lasting], [lasting, volatile]] as const) {
      const runtime = serving(temporary());
      await runtime.reconcile(desired([from]));
      const ids = await filled(runtime, "/export");
      const { identity } = inside(runtime, "/export").store;
      expect(await refused(runtime, to)).toMatchObject({ state: "failed", error: "not now" });
      await until("the share", 5000, () => runtime.plans()[0] ?? null);
      expect(inside(runtime, "/export").store.identity).toEqual(identity);
      await goesOn(runtime, ids);
      expect(await migrated(runtime, to)).toMatchObject({ state: "done", error: null });
      await goesOn(runtime, ids);
    }
  }
});

test("a share that is deleted has all it had for whoever takes it over; one that was purged, and one made of its name, begin with nothing", async () => {
  const runtime = serving(temporary());
  const from = inRam(sharePlan("/export"));
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  const instance = instanceOf(runtime);
  await runtime.reconcile(desired([]));
  await runtime.reconcile(desired([from]));
  expect(instanceOf(runtime)).toBe(instance);
  await goesOn(runtime, ids);
  for (const plan of [{ ...from, id: "another" }, from]) {
    await runtime.reconcile(desired([]));
    if (plan === from) await runtime.purge(from, []);
    expect(await runtime.reconcile(desired([plan]))).toEqual([]);
    expect(instanceOf(runtime)).not.toBe(instance);
    expect(await inside(runtime, "/export").store.inode(ids[0] as FileId)).toBeNull();
  }
});

test("content in a directory of the share's own stays what it is: it does not become one that is emptied at each start, and stops being one", async () => {
  const dataDir = temporary();
  const runtime = serving(dataDir);
  const from = sharePlan("/export", { blocksPath: join(dataDir, "own") });
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  expect(await migrated(runtime, inRam(from))).toMatchObject({ state: "failed", error: expect.stringContaining("empties at each start") });
  expect(await migrated(runtime, inRam(from, { blocksPath: "" }))).toMatchObject({ state: "done" });
  await expectWhole(runtime, "/export", ids);
  // One that was begun in memory with such a directory has it when it lasts.
  const second = inRam(sharePlan("/second"), { blocksPath: join(dataDir, "second") });
  await runtime.reconcile(desired([second]));
  const others = await filled(runtime, "/second");
  expect(await migrated(runtime, { ...second, metadata: storePlan("metadata", "sqlite") })).toMatchObject({ state: "done", error: null });
  await expectWhole(runtime, "/second", others);
});

test("after the next start it is empty; what it left where it lasted is touched by nobody", async () => {
  const dataDir = temporary();
  const { runtime: first } = runtimeOn(dataDir);
  const from = sharePlan("/export");
  await first.reconcile(desired([from]));
  const ids = await filled(first, "/export");
  const instance = instanceOf(first);
  expect(await migrated(first, inRam(from))).toMatchObject({ state: "done" });
  await goesOn(first, ids);
  await first.stopShares(5000);
  const runtime = serving(dataDir);
  expect(await runtime.reconcile(desired([inRam(from)]))).toEqual([]);
  expect(await inside(runtime, "/export").store.inode(ids[0] as FileId)).toBeNull();
  const own = join(dataDir, "shares", "export");
  expect([existsSync(join(own, "blocks", "objects", instance)), existsSync(join(own, "ephemeral", "blocks", "objects", instance))]).toEqual([true, false]);
  // There is no room for another tree in its place, until somebody decides.
  expect(await migrated(runtime, { ...from, instance: null })).toMatchObject({ state: "failed", error: expect.stringContaining(`instance ${instance}`) });
  const fresh = await make(inside(runtime, "/export") as never, rootId, "fresh", FileType.regular);
  expect(fresh).toBeGreaterThan(0);
});

test("the history that the share had is that of nobody: ended by the move, said in the bucket until then, begun anew once it is back", async () => {
  const dataDir = temporary();
  const runtime = serving(dataDir);
  const from = sharePlan("/export", { blocks: storePlan("block", "filesystem", { name: "one", config: { path: join(dataDir, "one"), history: true } }) });
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  const instance = instanceOf(runtime);
  const inBucket = async <T>(look: Parameters<typeof leavingOf> extends [infer B, string] ? (blocks: B) => Promise<T> : never): Promise<T> => {
    const blocks = await openFilesystemBlocks({ directory: join(dataDir, "one", "export"), openFilesMax: 16, beside: true });
    return await look(blocks).finally(() => blocks.close());
  };
  const recoverable = () => inBucket(async (blocks) => (await newestSnapshot(blocks, instance)) !== null || null);
  const leaving = () => inBucket((blocks) => leavingOf(blocks, instance));
  const gone = () => inBucket(listGone);
  for (let times = 0; times < 2; times++) {
    await until("a snapshot", 10_000, recoverable);
    let said: Awaited<ReturnType<typeof leaving>> = null;
    const to = inRam(from);
    const commit = async (): Promise<void> => {
      said = await leaving();
      expect(await runtime.reconcile(desired([to]))).toEqual([]);
    };
    const { id } = runtime.jobs.start({ kind: "migrate", share: "/export", plan: to, commit }, "test");
    expect(await runtime.jobs.ended(id)).toMatchObject({ state: "done", error: null });
    expect(said).toMatchObject({ to: "metadata store ram (memory, which ends with that server)" });
    expect([await recoverable(), await leaving()]).toEqual([null, null]);
    expect(await gone()).toMatchObject([{ instance, ended: { share: "/export", names: "memory", to: "metadata store ram (memory, which ends with that server)" } }]);
    await goesOn(runtime, ids);
    expect(await migrated(runtime, from)).toMatchObject({ state: "done", error: null });
    await goesOn(runtime, ids);
    await until("the share to be in the list again", 10_000, async () => (await inBucket((blocks) => blocks.size(endedKey(instance)))) === null || null);
    expect(await gone()).toEqual([]);
  }
  await until("a snapshot", 10_000, recoverable);
  await runtime.reconcile(desired([]));
  // As of one that was served by an older version since, which does not know of that.
  await inBucket((blocks) => blocks.put(endedKey(instance), { from: "slices", slices: [new Uint8Array(1)] }));
  await runtime.purge({ ...from, instance }, []);
  expect(existsSync(join(dataDir, "one", "export", "objects", "shares"))).toBeFalse();
}, 60_000);

test("a move that failed leaves no word of it in the bucket, though nobody opens the share again", async () => {
  const dataDir = temporary();
  const runtime = serving(dataDir);
  const from = sharePlan("/export", { blocks: storePlan("block", "filesystem", { name: "one", config: { path: join(dataDir, "one"), history: true } }) });
  await runtime.reconcile(desired([from]));
  await filled(runtime, "/export");
  const instance = instanceOf(runtime);
  const leaving = async () => {
    const blocks = await openFilesystemBlocks({ directory: join(dataDir, "one", "export"), openFilesMax: 16, beside: true });
    return await leavingOf(blocks, instance).finally(() => blocks.close());
  };
  const meanwhile = async (): Promise<void> => {
    expect(await leaving()).not.toBeNull();
    await runtime.reconcile(desired([]));
  };
  const to = { ...from, blocks: storePlan("block", "filesystem", { name: "two", config: { path: join(dataDir, "two") } }) };
  expect(await refused(runtime, to, meanwhile)).toMatchObject({ state: "failed" });
  expect(runtime.plans()).toEqual([]);
  expect(await leaving()).toBeNull();
});

// Skips where the S3 server is not installed: the reason is printed.
test.skipIf(missingRadosgw !== null)(
  "a share in a bucket moves its names into memory: its objects stay, are nobody's after the next start, and keep no other share from lasting there",
  async () => {
    const s3 = await sharedS3();
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const bucket = s3.bucketName();
    await checkS3({ bucket, endpoint: s3.endpoint, credentials: s3.credentials, createBucket: true });
    const dataDir = temporary();
    const { runtime: first } = runtimeOn(dataDir, { "gc.grace": "0s" });
    const from = sharePlan("/export", { blocks: storePlan("block", "s3", { name: "cloud", config: { bucket, endpoint: s3.endpoint, access_key: accessKeyId }, secrets: { secret_key: secretAccessKey } }) });
    expect(await first.reconcile(desired([from]))).toEqual([]);
    const ids = await filled(first, "/export");
    const instance = instanceOf(first);
    const blocks = await openS3Blocks({ bucket, endpoint: s3.endpoint, credentials: s3.credentials });
    stops.push(() => blocks.close());
    const packs = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of blocks.list(`${instance}/`)) if (!key.includes("/history/")) found.push(key);
      return found;
    };
    await until("a snapshot", 10_000, async () => (await newestSnapshot(blocks, instance)) !== null || null);
    const copies = () => [join("export", "disk"), join("export", "ephemeral", "disk")].map((path) => existsSync(join(dataDir, "shares", path)));
    expect(copies()).toEqual([true, false]);
    expect(await migrated(first, inRam(from))).toMatchObject({ state: "done", error: null, result: { objects: 0 } });
    expect(copies()).toEqual([false, true]);
    expect([await newestSnapshot(blocks, instance), await listShares(blocks)]).toEqual([null, []]);
    const request: RecoverRequest = { ...{ type: "s3", storeName: "recovered", share: null, name: null }, config: { bucket, endpoint: s3.endpoint, access_key: accessKeyId, secret_key: secretAccessKey }, dryRun: true, acceptLoss: false, acceptMoved: true };
    const loaded = loadConfig({ machine: { memoryBytes: 2 ** 33, dataHome: "/home/d", configHome: "/home/c" }, environment: {}, configPath: null, flags: new Map([["data_dir", temporary()]]) });
    if (!loaded.ok) throw new Error("no configuration");
    await expect(recoverShare(loaded, request, () => {})).rejects.toThrow(new RegExp(`share /export .instance ${instance}.* was ended at .* moved it to metadata store ram .*nothing can be recovered`));
    await goesOn(first, ids);
    await first.stopShares(5000);
    const before = await packs();
    expect(before.length).toBeGreaterThan(files);

    const runtime = serving(dataDir);
    expect(await runtime.reconcile(desired([inRam(from)]))).toEqual([]);
    expect(await inside(runtime, "/export").store.inode(ids[0] as FileId)).toBeNull();
    const others = await filled(runtime, "/export");
    // Where the other tree lay there is room: its database and log were set aside.
    expect(await migrated(runtime, from)).toMatchObject({ state: "done", error: null });
    await expectWhole(runtime, "/export", others);
    const other = instanceOf(runtime);
    await until("a snapshot", 10_000, async () => (await newestSnapshot(blocks, other)) !== null || null);
    expect(await listShares(blocks)).toEqual([other]);
    expect(await packs()).toEqual(before);
  },
  s3StartMsMax + 60_000,
);

// Skips where PostgreSQL is not installed: the reason is printed.
test.skipIf(missingPostgres !== null)(
  "metadata moves from PostgreSQL into memory and back",
  async () => {
    const { password, ...config } = { ...(await (await sharedCluster()).database()), sslmode: "disable" };
    const runtime = serving(temporary());
    const from = sharePlan("/export", { metadata: storePlan("metadata", "postgres", { name: "pg", config, secrets: { password } }) });
    expect(await runtime.reconcile(desired([from]))).toEqual([]);
    const ids = await filled(runtime, "/export");
    for (const to of [inRam(from), from, inRam(from)]) {
      expect(await migrated(runtime, to)).toMatchObject({ state: "done", error: null });
      await goesOn(runtime, ids);
    }
  },
  60_000,
);

/** From here on nothing can be put into a directory of blocks. */
function breakBlocks(directory: string): () => void {
  renameSync(join(directory, "objects"), join(directory, "objects.away"));
  writeFileSync(join(directory, "objects"), "");
  return () => {
    rmSync(join(directory, "objects"));
    renameSync(join(directory, "objects.away"), join(directory, "objects"));
  };
}

/** Writes what the first file has anew. */
function writeFirst(runtime: ServerRuntime, ids: readonly FileId[]): void {
  const { store, content } = inside(runtime, "/export");
  const inode = content.overlay(store.inode(ids[0] as FileId) as Inode);
  expect(content.write(inode, 0, [bytesOf(0, 90_000)], 90_000, systemClock.now())).not.toBeInstanceOf(FsError);
}

test("a share in memory whose block store goes away as it is closed for a move keeps all it had", async () => {
  const dataDir = temporary();
  const runtime = serving(dataDir);
  const from = inRam(sharePlan("/export"));
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  const instance = instanceOf(runtime);
  const { moves, open } = runtime as unknown as { moves: { hold: (...args: unknown[]) => void }; open: Map<string, { drain: () => Promise<void> }> };
  const share = open.get("/export") as { drain: () => Promise<void> };
  const { store, content } = inside(runtime, "/export");
  const hold = moves.hold.bind(moves);
  let mend = (): void => {};
  moves.hold = (...args) => {
    mend = breakBlocks(join(dataDir, "shares", "export", "ephemeral", "blocks"));
    // What clients write until it is held, and what takes longer to store than anybody waits.
    const inode = content.overlay(store.inode(ids[0] as FileId) as Inode);
    expect(content.write(inode, 0, [bytesOf(0, 90_000)], 90_000, systemClock.now())).not.toBeInstanceOf(FsError);
    share.drain = async () => {};
    hold(...args);
  };
  expect(await migrated(runtime, sharePlan("/export"))).toMatchObject({ state: "failed", error: expect.stringContaining("it stays where it is") });
  moves.hold = hold;
  mend();
  expect(await runtime.reconcile(desired([from]))).toEqual([]);
  expect(instanceOf(runtime)).toBe(instance);
  await goesOn(runtime, ids);
}, 60_000);

test("a share in memory stays open as it is where other settings of its store would close it with what that store does not take", async () => {
  const dataDir = temporary();
  const runtime = serving(dataDir);
  const from = inRam(sharePlan("/export"), { blocks: storePlan("block", "filesystem", { config: { limit_requests: 1000 } }) });
  const edited = { ...from, blocks: { ...from.blocks, config: { limit_requests: 2000 } } };
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  const instance = instanceOf(runtime);
  const directory = join(dataDir, "shares", "export", "ephemeral", "blocks");
  // Away before, and gone away while the clients are told to come again.
  const { table } = runtime as unknown as { table: { remove: (...args: unknown[]) => void; get: (name: string) => unknown } };
  const remove = table.remove.bind(table);
  for (const when of ["before", "meanwhile"]) {
    let mend = (): void => {};
    if (when === "before") mend = breakBlocks(directory);
    else {
      table.remove = (...args) => {
        mend = breakBlocks(directory);
        writeFirst(runtime, ids);
        remove(...args);
      };
    }
    writeFirst(runtime, ids);
    const failures = await runtime.reconcile(desired([edited]));
    table.remove = remove;
    expect(failures, when).toEqual([{ target: { type: "share", name: "/export" }, reason: expect.stringMatching(/has not taken .*It is served as before/) }]);
    expect(await runtime.reconcile(desired([from]))).toEqual([]);
    expect([instanceOf(runtime), runtime.plans(), runtime.share("/export")?.state]).toEqual([instance, [from], "serving"]);
    await expectWhole(runtime, "/export", ids);
    mend();
  }
  expect(await runtime.reconcile(desired([edited]))).toEqual([]);
  expect(runtime.plans()).toEqual([edited]);
  await goesOn(runtime, ids);
}, 60_000);

test("a share in memory is not to be deleted while its block store takes nothing, and has all it had once it does", async () => {
  const dataDir = temporary();
  const runtime = serving(dataDir);
  const from = inRam(sharePlan("/export"));
  await runtime.reconcile(desired([from, sharePlan("/lasting")]));
  const ids = await filled(runtime, "/export");
  const mend = breakBlocks(join(dataDir, "shares", "export", "ephemeral", "blocks"));
  writeFirst(runtime, ids);
  await expect(runtime.refuseLosing("/export")).rejects.toThrow(/was not deleted: .*has not taken .*would be empty/);
  await runtime.refuseLosing("/lasting");
  mend();
  await runtime.refuseLosing("/export");
  await runtime.reconcile(desired([]));
  await runtime.reconcile(desired([from]));
  await goesOn(runtime, ids);
}, 60_000);

test("who has something open in a share in memory writes nothing more into it before it is looked at whether it may be closed", async () => {
  const dataDir = temporary();
  const runtime = serving(dataDir);
  const from = inRam(sharePlan("/export"), { blocks: storePlan("block", "filesystem", { config: { limit_requests: 1000 } }) });
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  const { open, protocols } = runtime as unknown as { open: Map<string, { drain: (givenUp: () => boolean) => Promise<void> }>; protocols: { smb: { shareGone: (fs: unknown) => void } } };
  let hasOpen = true;
  const { smb } = protocols;
  const shareGone = smb.shareGone.bind(smb);
  smb.shareGone = (fs) => {
    hasOpen = false;
    shareGone(fs);
  };
  const share = open.get("/export") as { drain: (givenUp: () => boolean) => Promise<void> };
  const drain = share.drain.bind(share);
  let mend = (): void => {};
  let drains = 0;
  share.drain = async (givenUp) => {
    await drain(givenUp);
    // The last moment before it is closed.
    if (++drains < 2 || !hasOpen) return;
    mend = breakBlocks(join(dataDir, "shares", "export", "ephemeral", "blocks"));
    queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => writeFirst(runtime, ids)))));
  };
  await runtime.reconcile(desired([{ ...from, blocks: { ...from.blocks, config: { limit_requests: 2000 } } }]));
  mend();
  expect([hasOpen, drains]).toEqual([false, 2]);
  await goesOn(runtime, ids);
}, 60_000);

test("a share in memory whose move to other stores closes it while it is to be opened by other settings is left to the move", async () => {
  const runtime = serving(temporary());
  const from = inRam(sharePlan("/export"), { blocks: storePlan("block", "filesystem", { config: { limit_requests: 1000 } }) });
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  const { open, moves } = runtime as unknown as {
    open: Map<string, { drain: (givenUp: () => boolean) => Promise<void> }>;
    moves: { hold: (name: string, mayOpen: () => boolean) => void; resume: (share: unknown) => boolean };
  };
  const share = open.get("/export") as { drain: (givenUp: () => boolean) => Promise<void> };
  const drain = share.drain.bind(share);
  let drains = 0;
  share.drain = async (givenUp) => {
    await drain(givenUp);
    if (++drains === 2) moves.hold("/export", () => false);
  };
  const failures = await runtime.reconcile(desired([{ ...from, blocks: { ...from.blocks, config: { limit_requests: 2000 } } }]));
  expect(failures[0]).toEqual({ target: { type: "share", name: "/export" }, reason: expect.stringContaining("being moved to other stores; try again") });
  const again = runtime.reconcile(desired([from]));
  expect(moves.resume(share)).toBe(true);
  await again;
  await goesOn(runtime, ids);
}, 60_000);

test("a share in memory with a directory of its own is served again where it could not be opened from where it went", async () => {
  const dataDir = temporary();
  let known: string | null = null;
  const { runtime } = runtimeOn(dataDir, {}, async (_, instance) => known ?? instance);
  stops.push(() => runtime.stopShares(5000));
  const from = inRam(sharePlan("/export"), { blocksPath: join(dataDir, "own") });
  await runtime.reconcile(desired([from]));
  const ids = await filled(runtime, "/export");
  known = "0000000000000000";
  const to = { ...from, metadata: storePlan("metadata", "sqlite") };
  const commit = async (): Promise<void> => {
    const [failure] = await runtime.reconcile(desired([to]));
    await runtime.reconcile(desired([from]));
    throw new Error(failure?.reason ?? "it was opened");
  };
  const { id } = runtime.jobs.start({ kind: "migrate", share: to.name, plan: to, commit }, "test");
  expect(await runtime.jobs.ended(id)).toMatchObject({ state: "failed", error: expect.stringContaining("another tree") });
  expect(await runtime.reconcile(desired([from]))).toEqual([]);
  await goesOn(runtime, ids);
});

test("a share that is deleted while it moves is not purged under the move's hands, and is once that has ended", async () => {
  const runtime = serving(temporary());
  const from = sharePlan("/export");
  await runtime.reconcile(desired([from]));
  await filled(runtime, "/export");
  const meanwhile = async (): Promise<void> => {
    await runtime.reconcile(desired([]));
    await expect(runtime.purge(from, [])).rejects.toThrow("is being moved");
  };
  expect(await refused(runtime, inRam(from), meanwhile)).toMatchObject({ state: "failed", error: "not now" });
  await runtime.purge(from, []);
});
