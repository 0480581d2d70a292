import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { recordHeaderBytes } from "#cache/log/format.ts";
import { streamLimitDefaults } from "#net/stream-options.ts";
import { BucketWorld, Gate } from "../../support/bucket-world.ts";
import { NfsClient, NfsError, Stable, Status } from "../../support/nfs-client.ts";
import { missingRadosgw } from "../../support/radosgw.ts";
import { risen } from "../../support/scrape.ts";

/** Writers and readers that wait for a bucket which a proxy holds up, and what the compiled server's metrics say meanwhile and afterwards. */

if (missingRadosgw !== null) console.log(`metrics of writers: skipped, ${missingRadosgw}`);

const minuteMs = 60_000;
const MiB = 2 ** 20;
const limits = { cache: 96 * MiB, dirty: 6 * MiB, unstored: 300 * MiB, disk: 96 * MiB };
/** /export, /cloud and /small have a third of each. */
const shares = 3;

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("metrics of who waits for a bucket", () => {
  let world: BucketWorld;

  beforeAll(async () => {
    const env = Object.fromEntries(Object.entries({ LOG_SEGMENT_SIZE: 20 * MiB, SIZE: limits.cache, DIRTY_LIMIT: limits.dirty, UNSTORED_LIMIT: limits.unstored, DISK_SIZE: limits.disk }).map(([name, bytes]) => [`DITTOFS_CACHE_${name}`, `${bytes}`]));
    world = await BucketWorld.open("metrics-writers", env, { history: false });
    await world.admin.do("POST", "/api/v1/store/block", { name: "small", type: "memory", config: { size: MiB } });
    await world.admin.do("POST", "/api/v1/store/metadata", { name: "small", type: "memory", config: {} });
    await world.admin.do("POST", "/api/v1/shares", { name: "/small", metadata: "small", blocks: "small", default_permission: "read-write" });
  }, 3 * minuteMs);

  afterAll(() => world?.close());

  test("each share has its part of what caches, dirty pages and the log may take", async () => {
    const said = await world.scrape();
    const { share } = world;
    expect(said.value("dittofs_dirty_limit_bytes", { share })).toBe(Math.floor(limits.dirty / shares));
    expect(said.value("dittofs_log_limit_bytes", { share })).toBe(Math.floor(limits.unstored / shares));
    expect(said.value("dittofs_cache_limit_bytes", { share, tier: "disk" })).toBe(Math.floor(limits.disk / shares));
    // A fifth of the memory is for what is not pages.
    expect(said.value("dittofs_cache_limit_bytes", { share, tier: "memory" })).toBe(Math.floor((limits.cache * 0.8) / shares));
  });

  test("uploads that are held up: writes past the limit wait and are turned away after 10 s, and calls are in flight as long", async () => {
    const { share, name: store, client } = world;
    const { handle } = await client.create(world.root, "file", { mode: 0o644 });
    const before = await world.scrape();
    const gate = new Gate(world.proxy, ({ method }) => method === "PUT");
    const sent = 100;
    const bytes = 32 * 1024;
    const taken = Math.floor(limits.dirty / shares / bytes);
    const late = sent - taken;
    const drain = { method: "POST", route: "/api/v1/system/drain-uploads" };
    const write = (i: number): Promise<number> => client.write(handle!, i * bytes, Buffer.alloc(bytes, i + 1), Stable.unstable).then(() => 0, (error: unknown) => (error instanceof NfsError ? error.status : -1));
    const writes = Array.from({ length: sent }, (_, i) => write(i));
    const drained = world.drain();
    let said = await world.settled("writers to wait", (now) => now.value("dittofs_writers_waiting", { share }) === late && now.value("dittofs_s3_uploads", { share, store }) > 0 && now.value("dittofs_api_requests_in_flight", drain) > 0);
    let rose = risen(before, said);
    expect(said.value("dittofs_writers_waiting", { share })).toBe(late);
    expect(said.value("dittofs_nfs_requests_in_flight", { procedure: "WRITE", share })).toBe(late);
    expect(said.value("dittofs_s3_uploads", { share, store })).toBe(gate.held);
    expect(said.value("dittofs_api_requests_in_flight", drain)).toBe(1);
    expect(rose("dittofs_writes_delayed_total", { share })).toBe(late);
    expect(said.value("dittofs_dirty_bytes", { share })).toBe(taken * bytes);
    expect(said.value("dittofs_upload_backlog_bytes", { share })).toBe(taken * bytes);
    expect(rose("dittofs_log_records_total", { share })).toBe(taken);
    expect(rose("dittofs_log_written_bytes_total", { share })).toBe(taken * (bytes + recordHeaderBytes));
    expect(rose("dittofs_log_bytes", { share })).toBe(taken * (bytes + recordHeaderBytes));
    expect(said.value("dittofs_log_full_ratio", { share })).toBeCloseTo(said.value("dittofs_log_bytes", { share }) / Math.floor(limits.unstored / shares), 6);
    const statuses = await Promise.all(writes);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([...new Array<number>(taken).fill(0), ...new Array<number>(late).fill(Status.jukebox)]);
    said = await world.scrape();
    rose = risen(before, said);
    expect(rose("dittofs_writes_turned_away_total", { share, reason: "backlog" })).toBe(late);
    expect(rose("dittofs_nfs_requests_total", { procedure: "WRITE", share, status: "NFS3ERR_JUKEBOX" })).toBe(late);
    expect(rose("dittofs_nfs_file_bytes_total", { procedure: "WRITE", share })).toBe(taken * bytes);
    expect(rose("dittofs_nfs_request_duration_seconds_count", { procedure: "WRITE", share })).toBe(sent);
    expect(rose("dittofs_nfs_request_duration_seconds_sum", { procedure: "WRITE", share })).toBeWithin(late * 9.9, late * 20);
    expect(said.value("dittofs_upload_backlog_age_seconds", { share })).toBeWithin(9.9, 30);
    for (const gone of [said.value("dittofs_writers_waiting", { share }), said.value("dittofs_nfs_requests_in_flight", { procedure: "WRITE", share })]) expect(gone).toBe(0);
    gate.open();
    await drained;
    said = await world.scrape();
    rose = risen(before, said);
    expect([said.value("dittofs_s3_uploads", { share, store }), said.value("dittofs_api_requests_in_flight", drain)]).toEqual([0, 0]);
    expect([said.value("dittofs_dirty_bytes", { share }), said.value("dittofs_upload_backlog_bytes", { share }), said.value("dittofs_upload_backlog_age_seconds", { share })]).toEqual([0, 0, 0]);
    // What was there when the first upload began, and what came behind it.
    expect(gate.held).toBe(2);
    expect(rose("dittofs_flushes_total", { share, result: "stored" })).toBe(2);
    expect(rose("dittofs_flush_duration_seconds_count", { share })).toBe(2);
    expect(rose("dittofs_flush_duration_seconds_sum", { share })).toBeWithin(9.9, 30);
    expect(rose("dittofs_packs_stored_total", { share })).toBe(2);
    expect(rose("dittofs_packs_stored_bytes_total", { share })).toBe(rose("dittofs_blockstore_bytes_total", { share, store, direction: "written" }));
    expect(rose("dittofs_blockstore_request_duration_seconds_count", { share, store, operation: "put" })).toBe(2);
    expect(rose("dittofs_blockstore_request_duration_seconds_sum", { share, store, operation: "put" })).toBeWithin(9.9, 30);
    expect(rose("dittofs_s3_request_duration_seconds_count", { share, store, action: "PutObject" })).toBe(2);
    expect(rose("dittofs_s3_request_duration_seconds_sum", { share, store, action: "PutObject" })).toBeWithin(9.9, 30);
    expect(rose("dittofs_api_request_duration_seconds_count", drain)).toBe(1);
    expect(rose("dittofs_api_request_duration_seconds_sum", drain)).toBeWithin(9.9, 30);
  }, 3 * minuteMs);

  test("a FILE_SYNC write of the share costs one sync of its log", async () => {
    const { share, client } = world;
    const { handle } = await client.create(world.root, "synced", { mode: 0o644 });
    const before = await world.scrape();
    const begunMs = performance.now();
    for (let i = 0; i < 3; i++) await client.write(handle!, i * 100, Buffer.alloc(100, 1), Stable.fileSync);
    const rose = risen(before, await world.scrape());
    expect(rose("dittofs_log_sync_duration_seconds_count", { share })).toBe(3);
    expect(rose("dittofs_log_sync_duration_seconds_sum", { share })).toBeWithin(0.000_001, (performance.now() - begunMs) / 1000);
  });

  test("a bucket that throttles halves the uploads that may be", async () => {
    const { share, name: store, proxy } = world;
    await world.drain();
    let throttled = 0;
    proxy.plan = ({ method }) => (method === "PUT" && throttled++ === 0 ? { kind: "answer", status: 503, code: "SlowDown" } : { kind: "pass" });
    const before = await world.scrape();
    await world.stored("throttled", 200_000);
    const after = await world.scrape();
    const rose = risen(before, after);
    expect([before.value("dittofs_s3_uploads_limit", { share, store }), after.value("dittofs_s3_uploads_limit", { share, store })]).toEqual([16, 8]);
    expect(rose("dittofs_blockstore_throttled_total", { share, store })).toBe(1);
    expect(rose("dittofs_blockstore_retries_total", { share, store })).toBe(1);
    expect(rose("dittofs_s3_requests_total", { share, store, action: "PutObject", result: "throttled" })).toBe(1);
    expect(rose("dittofs_s3_request_duration_seconds_count", { share, store, action: "PutObject" })).toBe(2);
    expect(rose("dittofs_blockstore_request_duration_seconds_count", { share, store, operation: "put" })).toBe(1);
  });

  test("reads that wait for the bucket are in flight, as many as one connection may have; then it is not read from", async () => {
    const { share } = world;
    const handle = await world.stored("read", 300_000, 7);
    await world.admin.do("POST", "/api/v1/shares/cloud/evict");
    const gate = new Gate(world.proxy, ({ method }) => method === "GET");
    const before = await world.scrape();
    const reader = await NfsClient.connect({ port: world.server.port, credentials: { uid: 1000, gid: 1000 } });
    const sent = 300;
    const reads = Array.from({ length: sent }, (_, i) => reader.read(handle, i * 1000, 1000));
    const inFlight = { procedure: "READ", share };
    const waiting = await world.settled("the connection to be left alone", (now) => risen(before, now)("dittofs_network_read_pauses_total", { protocol: "nfs" }) > 0);
    expect(waiting.value("dittofs_nfs_requests_in_flight", inFlight)).toBe(streamLimitDefaults.unfinishedMax);
    expect(risen(before, waiting)("dittofs_network_read_pauses_total", { protocol: "nfs" })).toBe(1);
    gate.open();
    for (const { data } of await Promise.all(reads)) expect(data).toEqual(Buffer.alloc(1000, 7));
    const after = await world.settled("the answers to have left", (now) => now.value("dittofs_nfs_requests_in_flight", inFlight) === 0);
    expect(risen(before, after)("dittofs_nfs_requests_total", { ...inFlight, status: "NFS3_OK" })).toBe(sent);
    expect(risen(before, after)("dittofs_nfs_file_bytes_total", inFlight)).toBe(sent * 1000);
    reader.close();
  }, 3 * minuteMs);

  test("writes that a full store has no room for are turned away as such", async () => {
    const { client } = world;
    const root = await client.mount("/small");
    const { handle } = await client.create(root, "large", { mode: 0o644 });
    const before = await world.scrape();
    for (let i = 0; i < 3; i++) await expect(client.write(handle!, 0, Buffer.alloc(MiB, 1), Stable.fileSync)).rejects.toThrow("noSpace");
    const rose = risen(before, await world.scrape());
    expect(rose("dittofs_writes_turned_away_total", { share: "/small", reason: "no_space" })).toBe(3);
    expect(rose("dittofs_writes_turned_away_total", { share: "/small", reason: "backlog" })).toBe(0);
    expect(rose("dittofs_writes_delayed_total", { share: "/small" })).toBe(0);
  });
});
