import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { recoverShare } from "#app/offline/recover.ts";
import { checkS3, openS3Blocks } from "#blocks/s3/index.ts";
import { loadConfig } from "#config/index.ts";
import { newestSnapshot } from "#history/index.ts";
import type { StorePlan } from "#control/index.ts";
import { faultyProxy } from "../../../support/faulty-proxy.ts";
import { missingRadosgw, type S3Server, s3StartMsMax, sharedS3 } from "../../../support/radosgw.ts";
import { unconditional } from "../../../support/unconditional-s3.ts";
import { until } from "../../../support/wait.ts";
import { desired, runtimeOn, sharePlan, storePlan, temporary } from "../kit.ts";

/** An S3 server that ignores the conditions of writes keeps no two servers apart: it is said, and nothing rests on it unless somebody says so. */

if (missingRadosgw !== null) console.log(`servers without conditional writes: skipped, ${missingRadosgw}`);

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("an S3 server that ignores If-None-Match", () => {
  let s3: S3Server;
  beforeAll(async () => {
    s3 = await sharedS3();
  }, s3StartMsMax);

  async function place(): Promise<{ readonly plan: (config?: StorePlan["config"]) => StorePlan; readonly bucket: string; readonly endpoint: string }> {
    const proxy = await unconditional(s3);
    stops.push(() => proxy.close());
    const bucket = s3.bucketName();
    await checkS3({ bucket, endpoint: s3.endpoint, credentials: s3.credentials, createBucket: true });
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const plan = (config: StorePlan["config"] = {}) => storePlan("block", "s3", { name: "cloud", config: { bucket, endpoint: proxy.endpoint, access_key: accessKeyId, ...config }, secrets: { secret_key: secretAccessKey } });
    return { plan, bucket, endpoint: proxy.endpoint };
  }

  const serving = () => {
    const { runtime } = runtimeOn(temporary());
    stops.push(() => runtime.stopShares(5000));
    return runtime;
  };

  test("is not healthy for whoever wants a history on it, and is for those who don't, or who say that they see to it", async () => {
    const { plan } = await place();
    const runtime = serving();
    expect(await runtime.tryStore(plan(), true)).toMatchObject({ healthy: false, error: expect.stringContaining("ignores conditional writes") });
    expect(await runtime.tryStore(plan(), true)).toMatchObject({ error: expect.stringContaining("--history-unfenced true") });
    expect(await runtime.tryStore(plan({ history: false }), true)).toMatchObject({ healthy: true });
    expect(await runtime.tryStore(plan({ history_unfenced: true }), true)).toMatchObject({ healthy: true });
  });

  test("has no share served that would rest on it, and one where it was said", async () => {
    const { plan, bucket } = await place();
    const runtime = serving();
    const [failure] = await runtime.reconcile(desired([sharePlan("/export", { blocks: plan() })]));
    expect(failure?.reason).toContain("ignores conditional writes");
    // Once it was said: without a new start of the server.
    expect(await runtime.reconcile(desired([sharePlan("/export", { blocks: plan({ history_unfenced: true }) })]))).toEqual([]);
    const instance = Buffer.from((runtime as unknown as { open: Map<string, { share: { store: { identity: { instance: Uint8Array } } } }> }).open.get("/export")?.share.store.identity.instance as Uint8Array).toString("hex");
    const blocks = await openS3Blocks({ bucket, endpoint: s3.endpoint, credentials: s3.credentials });
    stops.push(() => blocks.close());
    await until("a snapshot", 10_000, async () => (await newestSnapshot(blocks, instance)) !== null || null);
    // What was probed with is gone.
    const left: string[] = [];
    for await (const { key } of blocks.list("")) if (key.includes("probe")) left.push(key);
    expect(left).toEqual([]);
  });

  test("is remembered by whoever only looks whether it answers, until it is found to be another", async () => {
    const proxy = await unconditional(s3);
    stops.push(() => proxy.close());
    const bucket = s3.bucketName();
    await checkS3({ bucket, endpoint: s3.endpoint, credentials: s3.credentials, createBucket: true });
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const plan = (config: StorePlan["config"] = {}) => storePlan("block", "s3", { name: "cloud", config: { bucket, endpoint: proxy.endpoint, access_key: accessKeyId, ...config }, secrets: { secret_key: secretAccessKey } });
    const runtime = serving();
    expect(await runtime.tryStore(plan(), false)).toMatchObject({ healthy: true });
    const [failure] = await runtime.reconcile(desired([sharePlan("/export", { blocks: plan() })]));
    expect(failure?.reason).toContain("ignores conditional writes");
    expect(await runtime.tryStore(plan(), false)).toMatchObject({ healthy: false, error: expect.stringContaining("ignores conditional writes") });
    expect(await runtime.tryStore(plan({ history: false }), false)).toMatchObject({ healthy: true });
    proxy.plan = () => ({ kind: "pass" });
    expect(await runtime.tryStore(plan(), false)).toMatchObject({ healthy: false });
    expect(await runtime.tryStore(plan(), true)).toMatchObject({ healthy: true });
    expect(await runtime.tryStore(plan(), false)).toMatchObject({ healthy: true });
  });

  test("found so once it came back has the share closed with what to do, and open again when it is put right", async () => {
    const proxy = await unconditional(s3);
    stops.push(() => proxy.close());
    const ignoring = proxy.plan;
    const bucket = s3.bucketName();
    await checkS3({ bucket, endpoint: s3.endpoint, credentials: s3.credentials, createBucket: true });
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const share = sharePlan("/export", { blocks: storePlan("block", "s3", { name: "cloud", config: { bucket, endpoint: proxy.endpoint, access_key: accessKeyId }, secrets: { secret_key: secretAccessKey } }) });
    proxy.plan = () => ({ kind: "cut" });
    const runtime = serving();
    // It is served while its store is away.
    expect(await runtime.reconcile(desired([share]))).toEqual([]);
    expect(runtime.share("/export")).toMatchObject({ state: "serving" });
    proxy.plan = ignoring;
    await until("the share to be closed", 20_000, () => (runtime.share("/export")?.state === "failed" ? true : null));
    const { error } = runtime.share("/export") ?? {};
    expect([error, error, error]).toEqual([expect.stringContaining("ignores conditional writes"), expect.stringContaining("tried again by itself"), expect.stringContaining("dittofs share enable /export")]);
    expect(await runtime.tryStore(share.blocks, false)).toMatchObject({ healthy: false });
    const [still] = await runtime.reconcile(desired([share]));
    expect(still?.reason).toContain("ignores conditional writes");
    proxy.plan = () => ({ kind: "pass" });
    expect(await runtime.reconcile(desired([share]))).toEqual([]);
    expect(runtime.share("/export")).toMatchObject({ state: "serving", history: { error: null } });
    expect(await runtime.tryStore(share.blocks, false)).toMatchObject({ healthy: true });
  }, 60_000);

  test("has no share moved or recovered from it, unless it was said", async () => {
    const { plan, bucket, endpoint } = await place();
    const runtime = serving();
    const dataDir = temporary();
    const from = sharePlan("/export", { blocks: storePlan("block", "filesystem", { config: { path: join(dataDir, "blocks") } }) });
    expect(await runtime.reconcile(desired([from]))).toEqual([]);
    const migrated = async (config: StorePlan["config"]) => {
      const to = { ...from, blocks: plan(config) };
      const { id } = runtime.jobs.start({ kind: "migrate", share: "/export", plan: to, commit: async () => expect(await runtime.reconcile(desired([to]))).toEqual([]) }, "test");
      return await runtime.jobs.ended(id);
    };
    expect(await migrated({})).toMatchObject({ state: "failed", error: expect.stringContaining("ignores conditional writes") });
    expect(await migrated({ history_unfenced: true })).toMatchObject({ state: "done" });
    const loaded = loadConfig({ machine: { memoryBytes: 2 ** 33, dataHome: "/home/d", configHome: "/home/c" }, environment: {}, configPath: null, flags: new Map([["data_dir", temporary()]]) });
    if (!loaded.ok) throw new Error("no configuration");
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const config = { bucket, endpoint, access_key: accessKeyId, secret_key: secretAccessKey };
    const request = { type: "s3", config, storeName: "recovered", share: null, name: null, dryRun: true, acceptLoss: false, acceptMoved: false };
    await until("a snapshot", 10_000, async () => recoverShare(loaded, { ...request, config: { ...config, history_unfenced: true } }, () => {}).catch(() => null));
    // What a trial run says is what the other does.
    for (const dryRun of [true, false]) await expect(recoverShare(loaded, { ...request, dryRun }, () => {})).rejects.toThrow("ignores conditional writes");
    expect(await recoverShare(loaded, { ...request, dryRun: false, config: { ...config, history_unfenced: true } }, () => {})).toMatchObject({ name: "/export" });
  }, 60_000);

  test("is what is looked for alone: a key that may not delete has its share served, and its history published", async () => {
    const { plan, bucket } = await place();
    const proxy = await faultyProxy(s3.port, ({ method, target }) => (method === "POST" && /\?delete/.test(target) ? { kind: "answer", status: 403, code: "AccessDenied" } : { kind: "pass" }));
    stops.push(() => proxy.close());
    const runtime = serving();
    expect(await runtime.reconcile(desired([sharePlan("/export", { blocks: plan({ endpoint: proxy.endpoint }) })]))).toEqual([]);
    const blocks = await openS3Blocks({ bucket, endpoint: s3.endpoint, credentials: s3.credentials });
    stops.push(() => blocks.close());
    await until("a history", 10_000, async () => {
      for await (const { key } of blocks.list("")) if (key.includes("/history/")) return true;
      return null;
    });
  }, 60_000);
});
