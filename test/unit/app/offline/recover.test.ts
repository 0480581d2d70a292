import { afterEach, expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { openControl, type RunningControl } from "#app/control/control.ts";
import { offline } from "#app/offline/index.ts";
import { recoverShare } from "#app/offline/recover.ts";
import { storeFor } from "#app/offline/recovery-rows.ts";
import { ServerRuntime } from "#app/server/runtime.ts";
import { noTelemetry } from "#app/telemetry/telemetry.ts";
import { identityIn } from "#app/work/purge.ts";
import { openFilesystemBlocks } from "#blocks/index.ts";
import type { RecoverRequest } from "#cli/ports.ts";
import { type Loaded, loadConfig } from "#config/index.ts";
import type { ControlPlane } from "#control/index.ts";
import { leavingKey, markLeaving } from "#history/index.ts";
import { noAttempts } from "#model/identity.ts";
import type { FileContent } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import { rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Time } from "#base/time.ts";
import { openSqliteStore } from "#metadata/index.ts";
import { streamsOf } from "#model/inode-flags.ts";
import { silentLogger } from "#telemetry/logger.ts";
import type { FileSystem } from "#vfs/index.ts";
import { bytesOf, make } from "../../../support/damaged-share.ts";
import { superuser } from "../../../support/policy.ts";
import { until } from "../../../support/wait.ts";
import { desired, runtimeOn, sharePlan, storePlan, temporary } from "../kit.ts";

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

test("what was written last and is not in the store is named before anything is taken, and left out only when that is said", async () => {
  const dataDir = temporary();
  const path = join(dataDir, "store");
  const { runtime } = runtimeOn(dataDir, { "cache.flush_age": "1h" });
  stops.push(() => runtime.stopShares(5000));
  await runtime.reconcile(desired([sharePlan("/export", { blocks: storePlan("block", "filesystem", { config: { path, history: true } }) })]));
  // biome-ignore lint: a test looks behind the runtime's back
  const open = (runtime as any).open.get("/export") as { readonly share: { readonly store: MetadataStore; readonly content: FileContent } };
  const { store, content } = open.share;
  const ids = [await make(open.share as never, rootId, "whole", FileType.regular), await make(open.share as never, rootId, "cut", FileType.regular)];
  for (const id of ids) {
    const bytes = bytesOf(Number(id), 300_000);
    expect(content.write((await store.inode(id)) as Inode, 0, [bytes], bytes.length, systemClock.now())).not.toBeInstanceOf(FsError);
  }
  const instance = Buffer.from(store.identity.instance).toString("hex");
  const bucket = join(temporary(), "store");
  const elsewhere = temporary();
  const loaded = loadConfig({ machine: { memoryBytes: 2 ** 33, dataHome: "/home/d", configHome: "/home/c" }, environment: {}, configPath: null, flags: new Map([["data_dir", elsewhere]]) });
  if (!loaded.ok) throw new Error("no configuration");
  const request: RecoverRequest = { type: "filesystem", config: { path: bucket }, storeName: "recovered", share: null, name: null, dryRun: true, acceptLoss: false, acceptMoved: false };
  const whole = await until("the history to hold it all", 10_000, async () => {
    rmSync(bucket, { recursive: true, force: true });
    cpSync(path, bucket, { recursive: true });
    // Until there is a snapshot it is refused.
    const found = await recoverShare(loaded, request, () => {}).catch(() => null);
    return found?.unstoredRecords === ids.length ? found : null;
  });
  expect(whole).toMatchObject({ filesWithLoss: 0 });
  for (const pack of packsIn(bucket, instance)) rmSync(pack);
  await expect(recoverShare(loaded, request, () => {})).rejects.toThrow("what was written last to 2 files lies in objects that the block store has not");
  await expect(recoverShare(loaded, { ...request, dryRun: false }, () => {})).rejects.toThrow("--accept-loss");
  expect(await recoverShare(loaded, { ...request, acceptLoss: true }, () => {})).toMatchObject({ filesWithLoss: 2 });
});

test("a recovered share has the flags, extended attributes and streams it had, and its names are found whatever their case", async () => {
  const dataDir = temporary();
  const path = join(dataDir, "store");
  const { runtime } = runtimeOn(dataDir);
  stops.push(() => runtime.stopShares(5000));
  await runtime.reconcile(desired([sharePlan("/export", { blocks: storePlan("block", "filesystem", { config: { path, history: true } }) })]));
  // biome-ignore lint: a test looks behind the runtime's back
  const { share } = (runtime as any).open.get("/export") as { readonly share: FileSystem & { readonly store: MetadataStore } };
  const made = await share.create(superuser, rootId, "Mixed.TXT", { mode: "guarded", attributes: { flags: 0x22, birth: new Time(77, 0) } }, { xattrs: [{ name: "security", value: bytesOf(1, 300) }] });
  if (made instanceof FsError) throw new Error(made.code);
  const { id } = made.inode;
  const stream = await share.makeStream(superuser, id, "AFP_Resource");
  if (stream instanceof FsError) throw new Error(stream.code);
  expect(await share.write(superuser, stream.inode.id, 0, [bytesOf(2, 5000)], 5000, true)).not.toBeInstanceOf(FsError);
  const bucket = join(temporary(), "store");
  const elsewhere = temporary();
  const loaded = loadConfig({ machine: { memoryBytes: 2 ** 33, dataHome: "/home/d", configHome: "/home/c" }, environment: {}, configPath: null, flags: new Map([["data_dir", elsewhere]]) });
  if (!loaded.ok) throw new Error("no configuration");
  const request: RecoverRequest = { type: "filesystem", config: { path: bucket }, storeName: "recovered", share: null, name: null, dryRun: true, acceptLoss: false, acceptMoved: false };
  await until("the history to hold it all", 10_000, async () => {
    rmSync(bucket, { recursive: true, force: true });
    cpSync(path, bucket, { recursive: true });
    const found = await recoverShare(loaded, request, () => {}).catch(() => null);
    // Root, file and stream.
    return found?.files === 3 ? found : null;
  });
  // A dry run leaves nothing, here nor where there is no data directory yet, though it is asked for by the command.
  const nowhere = join(elsewhere, "not", "there");
  for (const dir of [elsewhere, nowhere]) {
    const there = { ...loaded, config: { ...loaded.config, data_dir: dir } };
    expect(await offline.recover(there, request, () => {})).toMatchObject({ files: 3 });
    expect(readdirSync(elsewhere)).toEqual([]);
  }
  const first = await recoverShare(loaded, { ...request, dryRun: false }, () => {});
  await expect(recoverShare(loaded, request, () => {})).rejects.toThrow("is there already");
  // As a kill leaves it that comes when the log has its name and the database not yet.
  renameSync(first.database, `${first.database}.recovering`);
  expect(existsSync(join(dirname(first.database), "log"))).toBeTrue();
  const { database } = await recoverShare(loaded, { ...request, dryRun: false }, () => {});
  const store = openSqliteStore({ path: database, clock: systemClock, random: systemRandom, logger: silentLogger });
  const before = await share.store.inode(id);
  const after = await store.inode(id);
  expect({ flags: after?.flags, birth: after?.birth }).toEqual({ flags: before?.flags as number, birth: new Time(77, 0) });
  expect(Buffer.compare((await store.xattr(id, "security")) as Uint8Array, bytesOf(1, 300))).toBe(0);
  expect((await store.direntsFolding(rootId, "mixed.txt")).map((one) => one.child)).toEqual([id]);
  expect((await store.direntsFolding(streamsOf(id), "afp_resource")).map((one) => one.child)).toEqual([stream.inode.id]);
  expect((await store.inode(stream.inode.id))?.parent).toBe(id);
  await store.close();
});

test("a share recovered from another place gets a store of its own, and one from the same place the store that is there", () => {
  const at = (name: string, bucket: string, type = "s3") => ({ name, type, config: { bucket, endpoint: "http://s3:9000", region: "x" } });
  const request = { storeName: "recovered", type: "s3", config: { bucket: "b", endpoint: "http://s3:9000", secret_key: "s" } } as const;
  expect(storeFor([at("other", "b")], request)).toEqual({ store: "recovered", isThere: false });
  expect(storeFor([at("recovered", "b")], request)).toEqual({ store: "recovered", isThere: true });
  expect(storeFor([at("recovered", "a")], request)).toEqual({ store: "recovered-2", isThere: false });
  expect(storeFor([at("recovered", "a"), at("recovered-2", "b")], request)).toEqual({ store: "recovered-2", isThere: true });
  expect(storeFor([at("recovered", "b", "filesystem")], request)).toEqual({ store: "recovered-2", isThere: false });
  // No two stores have one directory.
  const directory = { storeName: "recovered", type: "filesystem", config: { path: "/srv/b/" } };
  expect(storeFor([{ name: "slow", type: "filesystem", config: { path: "/srv/b" } }], directory)).toEqual({ store: "slow", isThere: true });
});

/** A share's store with its history in it, copied from a server that goes on. */
async function copied(): Promise<{ readonly request: RecoverRequest; readonly bucket: string; readonly instance: string }> {
  const path = join(temporary(), "store");
  const { runtime } = runtimeOn(temporary());
  stops.push(() => runtime.stopShares(5000));
  await runtime.reconcile(desired([sharePlan("/export", { blocks: storePlan("block", "filesystem", { config: { path, history: true } }) })]));
  // biome-ignore lint: a test looks behind the runtime's back
  const open = (runtime as any).open.get("/export");
  await make(open.share as never, rootId, "file", FileType.regular);
  const bucket = join(temporary(), "store");
  const request: RecoverRequest = { type: "filesystem", config: { path: bucket }, storeName: "recovered", share: null, name: null, dryRun: true, acceptLoss: false, acceptMoved: false };
  await until("the history to hold it all", 10_000, async () => {
    rmSync(bucket, { recursive: true, force: true });
    cpSync(path, bucket, { recursive: true });
    const found = await recoverShare(loadedFor(temporary()), request, () => {}).catch(() => null);
    return found?.files === 2 ? found : null;
  });
  return { request: { ...request, dryRun: false }, bucket, instance: open.instance };
}

function loadedFor(dataDir: string, flags: Readonly<Record<string, string>> = {}): Loaded {
  const loaded = loadConfig({ machine: { memoryBytes: 2 ** 33, dataHome: "/home/d", configHome: "/home/c" }, environment: {}, configPath: null, flags: new Map(Object.entries({ data_dir: dataDir, ...flags })) });
  if (!loaded.ok) throw new Error("no configuration");
  return loaded;
}

/** A control plane that opens nothing: what a backup that was put back has. */
async function withControlPlane(loaded: Loaded, work: (plane: ControlPlane, control: RunningControl) => Promise<unknown>): Promise<void> {
  const around = { clock: systemClock, random: systemRandom, logger: silentLogger, telemetry: noTelemetry(systemClock), fatal: (error: Error): void => { throw error; } };
  const runtime = new ServerRuntime({ attempts: noAttempts, config: loaded.config, around, recovered() {}, identify: async (_, instance) => instance, setLogLevel() {}, changed() {} });
  Object.assign(runtime, { reconcile: async () => [], tryStore: async () => ({ healthy: true, error: null, latencyMs: 1, checkedAt: 0 }) });
  const control = await openControl({ loaded: { ...loaded, config: { ...loaded.config, shares: [] } }, runtime, around, begin: true });
  await work(control.plane, control).finally(() => control.stop(5000));
}

const actor = { name: "test", address: "" };

test("metadata goes where the control plane that was put back has the share's", async () => {
  const { request, bucket, instance } = await copied();
  const dataDir = temporary();
  const loaded = loadedFor(dataDir);
  const fast = join(temporary(), "fast");
  await withControlPlane(loaded, async ({ stores, shares }) => {
    await stores.create(actor, "metadata", { name: "fast", type: "sqlite", config: { path: fast } });
    await stores.create(actor, "block", { name: "cloud", type: "filesystem", config: { path: bucket, history: true } });
    await shares.create(actor, { name: "/export", metadata: "fast", blocks: "cloud" });
  });
  const { database } = await recoverShare(loaded, request, () => {});
  expect(database).toBe(join(fast, "export", "metadata.db"));
  expect(identityIn(database)?.instance).toBe(instance);
  expect(existsSync(join(dataDir, "shares", "export", "metadata.db"))).toBeFalse();
});

test("a share that the control plane has in PostgreSQL, in another block store or as another tree is not recovered beside that", async () => {
  const { request, bucket } = await copied();
  const postgres = { name: "pg", type: "postgres", config: { host: "127.0.0.1", database: "d", user: "u" } };
  const refused: readonly [expected: string, more: object][] = [
    ["metadata store pg (postgres)", { metadata: "pg" }],
    ["block store other", { blocks: "other" }],
    ["another tree (instance 0123456789abcdef)", {}],
  ];
  for (const [expected, more] of refused) {
    const loaded = loadedFor(temporary());
    await withControlPlane(loaded, async ({ stores, shares }, control) => {
      await stores.create(actor, "metadata", postgres);
      await stores.create(actor, "block", { name: "cloud", type: "filesystem", config: { path: bucket, history: true } });
      await stores.create(actor, "block", { name: "other", type: "filesystem", config: { path: join(temporary(), "other") } });
      await shares.create(actor, { name: "/export", blocks: "cloud", ...more });
      if (Object.keys(more).length === 0) await control.identify(shares.movePlan("/export", {}).id, "0123456789abcdef");
    });
    for (const dryRun of [true, false]) await expect(recoverShare(loaded, { ...request, dryRun }, () => {})).rejects.toThrow(expected);
    expect(existsSync(join(loaded.config.data_dir, "shares"))).toBeFalse();
  }
});

test("metadata goes into a store of type sqlite where the built-in one is another, and where there is none the command that makes one is said", async () => {
  const { request, instance } = await copied();
  const loaded = loadedFor(temporary());
  await withControlPlane(loaded, async ({ stores }) => {
    await stores.create(actor, "metadata", { name: "ram", type: "memory" });
    await stores.delete(actor, "metadata", "default", null);
    await stores.create(actor, "metadata", { name: "default", type: "memory" });
  });
  for (const dryRun of [true, false]) await expect(recoverShare(loaded, { ...request, dryRun }, () => {})).rejects.toThrow("dittofs store metadata add recovered --type sqlite");
  expect(existsSync(join(loaded.config.data_dir, "shares"))).toBeFalse();
  const fast = join(temporary(), "fast");
  await withControlPlane(loaded, async ({ stores }) => void (await stores.create(actor, "metadata", { name: "fast", type: "sqlite", config: { path: fast } })));
  const { database } = await recoverShare(loaded, request, () => {});
  expect([database, identityIn(database)?.instance]).toEqual([join(fast, "export", "metadata.db"), instance]);
  await withControlPlane(loaded, async ({ shares }) => expect(shares.list()).toMatchObject([{ name: "/export", metadata: "fast" }]));
});

test("a share that the control plane has in memory, or had in no store of type sqlite when it was deleted, is recovered once that is gone", async () => {
  const { request, bucket } = await copied();
  const loaded = loadedFor(temporary());
  await withControlPlane(loaded, async ({ stores, shares }) => {
    await stores.create(actor, "metadata", { name: "ram", type: "memory" });
    await stores.create(actor, "block", { name: "cloud", type: "filesystem", config: { path: bucket, history: true } });
    await shares.create(actor, { name: "/export", metadata: "ram", blocks: "cloud" });
  });
  await expect(recoverShare(loaded, request, () => {})).rejects.toThrow("dittofs share delete /export --purge");
  await withControlPlane(loaded, async ({ shares }) => await shares.delete(actor, "/export", { force: true, purge: false }, null));
  await expect(recoverShare(loaded, request, () => {})).rejects.toThrow("dittofs share delete /export --purge");
  await withControlPlane(loaded, async ({ shares }) => await shares.delete(actor, "/export", { force: true, purge: true }, null));
  expect(await recoverShare(loaded, request, () => {})).toMatchObject({ name: "/export", files: 2 });
});

test("a recovery that was cut off before the control plane had the share is gone on with by the same command", async () => {
  const { request } = await copied();
  const dataDir = temporary();
  const file = join(dataDir, "file");
  writeFileSync(file, "");
  // As a kill leaves it: everything has its place, and the control plane was never reached.
  await expect(recoverShare(loadedFor(dataDir, { "database.sqlite.path": join(file, "control.db") }), request, () => {})).rejects.toThrow();
  const database = join(dataDir, "shares", "export", "metadata.db");
  expect(existsSync(database)).toBeTrue();
  expect(await recoverShare(loadedFor(dataDir), request, () => {})).toMatchObject({ name: "/export", files: 2, database });
  await withControlPlane(loadedFor(dataDir), async ({ shares }) => expect(shares.list()).toMatchObject([{ name: "/export" }]));
  await expect(recoverShare(loadedFor(dataDir), request, () => {})).rejects.toThrow("is there already");
});

/** Objects of a share that are neither history nor the list of shares. */
function packsIn(bucket: string, instance: string): string[] {
  return readdirSync(join(bucket, "export", "objects"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("history") && !entry.parentPath.includes("shares") && join(entry.parentPath, entry.name).includes(instance))
    .map((entry) => join(entry.parentPath, entry.name));
}

test("what a store says of a share that was being moved away is understood however long it is, and damaged it keeps nobody from what is there", async () => {
  const { request, bucket, instance } = await copied();
  const blocks = await openFilesystemBlocks({ directory: join(bucket, "export") });
  const recovered = (more: Partial<RecoverRequest> = {}) => recoverShare(loadedFor(temporary()), { ...request, dryRun: true, ...more }, () => {});
  await markLeaving(blocks, instance, { to: `block store far (filesystem ${"/a-länger-path".repeat(200)})`, host: "host", at: systemClock.now() });
  await expect(recovered()).rejects.toThrow("was being moved from this store to block store far");
  expect(await recovered({ acceptMoved: true })).toMatchObject({ name: "/export" });
  await blocks.delete([leavingKey(instance)]);
  await blocks.put(leavingKey(instance), { from: "slices", slices: [new Uint8Array(100)] });
  await blocks.close();
  await expect(recovered()).rejects.toThrow("--accept-moved");
  expect(await recovered({ acceptMoved: true })).toMatchObject({ name: "/export" });
});
