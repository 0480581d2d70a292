import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { pointerBytes } from "#cache/log/format.ts";
import { type Declaration, declared } from "#telemetry/metrics/index.ts";
import { Admin } from "../../support/admin.ts";
import { type FaultyProxy, faultyProxy } from "../../support/faulty-proxy.ts";
import { NfsClient, Stable } from "../../support/nfs-client.ts";
import { bucketConfig, missingRadosgw, type S3Server, startS3 } from "../../support/radosgw.ts";
import { risen, Scrape } from "../../support/scrape.ts";
import { Server, temporaryDirectory } from "../../support/server.ts";
import { until } from "../../support/wait.ts";

/** A share on a real S3 server under a known load, and what the compiled server's metrics say of its caches, log, packs and stores. */

if (missingRadosgw !== null) console.log(`metrics of stores: skipped, ${missingRadosgw}`);

const minuteMs = 60_000;
const MiB = 2 ** 20;
const share = "/cloud";
const store = "cloud";

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("metrics of stores", () => {
  const directory = temporaryDirectory("metrics-stores");
  let s3: S3Server;
  let proxy: FaultyProxy;
  let server: Server;
  let url: string;
  let admin: Admin;
  let client: NfsClient;
  let root: Uint8Array;
  let handle: Uint8Array;

  beforeAll(async () => {
    s3 = await startS3();
    proxy = await faultyProxy(s3.port);
    // Nothing is flushed before it is asked for, and no history puts segments in between: what is counted is this load's.
    const env = { DITTOFS_CACHE_FLUSH_AGE: "1h", DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0", DITTOFS_CONTROLPLANE_DRAIN_STALL_TIMEOUT: "30s", DITTOFS_GC_GRACE: "0s", DITTOFS_TELEMETRY_ENABLED: "true", DITTOFS_TELEMETRY_SAMPLE_RATE: "0" };
    server = await Server.start({ dataDir: join(directory.path, "data"), port: 0, env });
    url = server.metricsUrl;
    admin = await Admin.at(server);
    const config = { ...bucketConfig({ endpoint: proxy.endpoint, credentials: s3.credentials }, s3.bucketName()), history: false };
    await admin.do("POST", "/api/v1/store/block", { name: store, type: "s3", config });
    await admin.do("POST", "/api/v1/shares", { name: share, blocks: store, default_permission: "read-write" });
    client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
    root = await client.mount(share);
  }, 2 * minuteMs);

  afterAll(async () => {
    client?.close();
    await server?.stop();
    await proxy?.close();
    await s3?.stop();
    directory.remove();
  });

  const scrape = (): Promise<Scrape> => Scrape.at(url);
  const drain = (): Promise<unknown> => admin.do("POST", "/api/v1/system/drain-uploads?share=%2Fcloud");

  test("every metric that is declared is offered, with its labels; the share is served and its stores answer", async () => {
    const said = await scrape();
    for (const name of [share, "/export"]) expect(said.value("dittofs_share_served", { share: name })).toBe(1);
    expect(said.value("dittofs_store_reachable", { share, store, kind: "block" })).toBe(1);
    expect(said.value("dittofs_store_reachable", { share, store: "default", kind: "metadata" })).toBe(1);
    expect(said.value("dittofs_data_directory_free_bytes")).toBeGreaterThan(0);
    expect(said.value("dittofs_data_directory_size_bytes")).toBeGreaterThan(said.value("dittofs_data_directory_free_bytes"));
    expect(said.has("dittofs_blockstore_free_bytes", { share: "/export", store: "default" })).toBe(true);
    expect(said.has("dittofs_blockstore_free_bytes", { share, store })).toBe(false);
    const absent = Object.entries(declared).filter(([name]) => !said.names.has(name)).map(([name]) => name);
    expect(absent).toEqual([]);
    const labelled = Object.entries<Declaration>(declared).flatMap(([name, { labels }]) => [...said.all(name).keys()].filter((key) => labelsIn(key) !== labels.join()));
    expect(labelled).toEqual([]);
  });

  test("a file is written, committed and stored by one PUT that the bucket throttles twice: each number moves by what was done", async () => {
    const { handle: made } = await client.create(root, "file", { mode: 0o644 });
    handle = made!;
    let throttled = 0;
    proxy.plan = ({ method }) => (method === "PUT" && throttled++ < 2 ? { kind: "answer", status: 503, code: "SlowDown" } : { kind: "pass" });
    const before = await scrape();
    for (let i = 0; i < 4; i++) await client.write(handle, i * MiB, Buffer.alloc(MiB, i + 1), Stable.unstable);
    await client.commit(handle, 0, 0);
    const waiting = await scrape();
    expect(waiting.value("dittofs_upload_backlog_bytes", { share })).toBe(4 * MiB);
    expect(waiting.value("dittofs_upload_backlog_age_seconds", { share })).toBeGreaterThan(0);
    expect(waiting.value("dittofs_log_full_ratio", { share })).toBeCloseTo((4 * MiB) / waiting.value("dittofs_log_limit_bytes", { share }), 3);
    await drain();
    const after = await scrape();
    const rose = risen(before, after);
    for (const name of ["dittofs_upload_backlog_bytes", "dittofs_upload_backlog_age_seconds", "dittofs_dirty_bytes"]) expect(after.value(name, { share })).toBe(0);
    expect(rose("dittofs_log_records_total", { share })).toBe(4);
    expect(rose("dittofs_log_written_bytes_total", { share })).toBe(4 * pointerBytes);
    expect(rose("dittofs_log_sync_duration_seconds_count", { share })).toBeGreaterThanOrEqual(1);
    expect(rose("dittofs_flushes_total", { share, result: "stored" })).toBe(1);
    expect(rose("dittofs_flush_duration_seconds_count", { share })).toBe(1);
    expect(rose("dittofs_packs_stored_total", { share })).toBe(1);
    const packBytes = rose("dittofs_packs_stored_bytes_total", { share });
    expect(packBytes).toBeGreaterThan(4 * MiB);
    expect(rose("dittofs_blockstore_requests_total", { share, store, operation: "put", result: "ok" })).toBe(1);
    expect(rose("dittofs_blockstore_request_duration_seconds_count", { share, store, operation: "put" })).toBe(1);
    expect(rose("dittofs_blockstore_bytes_total", { share, store, direction: "written" })).toBe(packBytes);
    expect(rose("dittofs_blockstore_retries_total", { share, store })).toBe(2);
    expect(rose("dittofs_blockstore_throttled_total", { share, store })).toBe(2);
    expect(rose("dittofs_s3_requests_total", { share, store, action: "PutObject", result: "throttled" })).toBe(2);
    expect(rose("dittofs_s3_requests_total", { share, store, action: "PutObject", result: "ok" })).toBe(1);
    expect(rose("dittofs_share_stored_bytes", { share })).toBe(4 * MiB);
    expect(after.value("dittofs_disk_cache_objects", { share })).toBe(1);
    const metadata = { share, store: "default", type: "sqlite" };
    expect(rose("dittofs_metadata_changes_total", { ...metadata, result: "applied" })).toBe(rose("dittofs_metadata_commit_changes_sum", metadata));
    expect(rose("dittofs_metadata_commit_duration_seconds_count", metadata)).toBe(rose("dittofs_metadata_commit_changes_count", metadata));
    expect(rose("dittofs_metadata_sync_duration_seconds_count", metadata)).toBeGreaterThanOrEqual(1);
  }, 3 * minuteMs);

  test("a read is a hit of the memory or a miss, and then one of the disk; what neither has comes from the bucket", async () => {
    const part = 64 * 1024;
    const cache = (tier: string) => ({ share, tier });
    let before = await scrape();
    expect((await client.read(handle, 2 * MiB, part)).data).toEqual(Buffer.alloc(part, 3));
    let rose = risen(before, await scrape());
    expect([rose("dittofs_cache_hits_total", cache("memory")), rose("dittofs_cache_misses_total", cache("memory"))]).toEqual([0, 1]);
    expect([rose("dittofs_cache_hits_total", cache("disk")), rose("dittofs_cache_misses_total", cache("disk"))]).toEqual([1, 0]);
    before = await scrape();
    for (let i = 0; i < 5; i++) await client.read(handle, 2 * MiB, part);
    rose = risen(before, await scrape());
    expect([rose("dittofs_cache_hits_total", cache("memory")), rose("dittofs_cache_misses_total", cache("memory"))]).toEqual([5, 0]);
    expect(rose("dittofs_cache_hits_total", cache("disk"))).toBe(0);
    await admin.do("POST", "/api/v1/shares/cloud/evict");
    before = await scrape();
    expect((await client.read(handle, 3 * MiB, part)).data).toEqual(Buffer.alloc(part, 4));
    rose = risen(before, await scrape());
    expect([rose("dittofs_cache_hits_total", cache("disk")), rose("dittofs_cache_misses_total", cache("disk"))]).toEqual([0, 1]);
    expect(rose("dittofs_disk_cache_read_bytes_total", { share, result: "miss" })).toBe(part);
    expect(rose("dittofs_blockstore_requests_total", { share, store, operation: "get", result: "ok" })).toBe(1);
    expect(rose("dittofs_s3_requests_total", { share, store, action: "GetObject", result: "ok" })).toBe(1);
    expect(rose("dittofs_blockstore_bytes_total", { share, store, direction: "read" })).toBeGreaterThanOrEqual(part);
  });

  test("garbage that is collected is counted with its bytes, and the job with it", async () => {
    await client.remove(root, "file");
    const before = await scrape();
    const collected = await until("the pack to be deleted", minuteMs, async () => {
      const { id } = await admin.do("POST", "/api/v1/shares/cloud/gc", { delete: true });
      await until("the job to end", minuteMs, async () => ((await admin.do("GET", `/api/v1/jobs/${id}`)).state === "done" ? true : null));
      const said = await scrape();
      return risen(before, said)("dittofs_gc_deleted_packs_total", { share }) > 0 ? said : null;
    });
    const rose = risen(before, collected);
    expect(rose("dittofs_gc_deleted_packs_total", { share })).toBe(1);
    expect(rose("dittofs_gc_freed_bytes_total", { share })).toBe(4 * MiB);
    expect(rose("dittofs_gc_runs_total", { share, result: "done" })).toBe(rose("dittofs_gc_duration_seconds_count", { share }));
    expect(rose("dittofs_jobs_ended_total", { kind: "gc", state: "done" })).toBeGreaterThanOrEqual(1);
    expect(collected.value("dittofs_jobs_running", { kind: "gc" })).toBe(0);
    expect(rose("dittofs_blockstore_requests_total", { share, store, operation: "delete", result: "ok" })).toBe(1);
    expect(rose("dittofs_s3_requests_total", { share, store, action: "DeleteObjects", result: "ok" })).toBe(1);
    expect(collected.value("dittofs_packs", { share })).toBe(0);
    expect(collected.value("dittofs_gc_last_run_timestamp_seconds", { share })).toBeGreaterThan(1_700_000_000);
  }, 2 * minuteMs);

  test("while the bucket is away the store is not reachable and the backlog stays; once it is back all is well", async () => {
    const { handle: late } = await client.create(root, "late", { mode: 0o644 });
    await client.write(late!, 0, Buffer.alloc(MiB, 9), Stable.fileSync);
    const before = await scrape();
    proxy.plan = () => ({ kind: "cut" });
    const drained = drain().catch(() => {});
    const away = await until("the store to be found away", minuteMs, async () => {
      const said = await scrape();
      return said.value("dittofs_store_reachable", { share, store, kind: "block" }) === 0 ? said : null;
    });
    expect(away.value("dittofs_share_served", { share })).toBe(1);
    expect(away.value("dittofs_upload_backlog_bytes", { share })).toBe(MiB);
    expect(risen(before, away)("dittofs_s3_requests_total", { share, store, action: "PutObject", result: "unreachable" })).toBeGreaterThanOrEqual(2);
    expect(risen(before, away)("dittofs_blockstore_retries_total", { share, store })).toBeGreaterThanOrEqual(1);
    proxy.plan = () => ({ kind: "pass" });
    const healed = await until("the store to be back", minuteMs, async () => {
      const said = await scrape();
      return said.value("dittofs_store_reachable", { share, store, kind: "block" }) === 1 && said.value("dittofs_upload_backlog_bytes", { share }) === 0 ? said : null;
    });
    expect(risen(before, healed)("dittofs_flushes_total", { share, result: "away" })).toBeGreaterThanOrEqual(1);
    expect(risen(before, healed)("dittofs_flushes_total", { share, result: "stored" })).toBe(1);
    await drained;
  }, 2 * minuteMs);

  test("the numbers of a share go with it", async () => {
    await admin.do("POST", "/api/v1/shares", { name: "/gone", default_permission: "read" });
    expect((await scrape()).value("dittofs_share_served", { share: "/gone" })).toBe(1);
    await admin.do("DELETE", "/api/v1/shares/gone");
    const said = await scrape();
    expect(said.has("dittofs_share_served", { share: "/gone" })).toBe(false);
    expect(said.all("dittofs_cache_hits_total").size).toBe(3);
  });
});

/** The labels of a line of the exposition, without a histogram's own. */
function labelsIn(key: string): string {
  return [...key.matchAll(/[{,]([a-z_]+)="/g)].map(([, label]) => label).filter((label) => label !== "le").join();
}
