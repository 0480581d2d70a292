import { SQL } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { type Handle, NfsClient } from "../../support/nfs-client.ts";
import { type Cluster, type DatabaseLogin, missingPostgres, sharedCluster } from "../../support/postgres.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { callHeader, record } from "../../support/rpc-client.ts";
import { risen, Scrape } from "../../support/scrape.ts";
import { Server, temporaryDirectory } from "../../support/server.ts";
import { until } from "../../support/wait.ts";
import { XdrWriter } from "../../support/xdr.ts";

/** A share with its metadata in a real PostgreSQL server that is held up, and what the compiled server's metrics say of it meanwhile. */

if (missingPostgres !== null) console.log(`metrics of PostgreSQL: skipped, ${missingPostgres}`);

const minuteMs = 60_000;

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("metrics of metadata in PostgreSQL", () => {
  const directory = temporaryDirectory("metrics-postgres");
  const share = "/team";
  const labels = { share, store: "pg", type: "postgres" };
  const sessions = { share, store: "pg" };
  let cluster: Cluster;
  let login: DatabaseLogin;
  let server: Server;
  let client: NfsClient;
  let root: Handle;

  beforeAll(async () => {
    cluster = await sharedCluster();
    login = await cluster.database();
    server = await started();
    const admin = await Admin.at(server);
    await admin.do("POST", "/api/v1/store/metadata", { name: "pg", type: "postgres", config: { ...login, sslmode: "disable" } });
    await admin.do("POST", "/api/v1/shares", { name: share, metadata: "pg", default_permission: "read-write" });
    client = await connected();
    root = await client.mount(share);
  }, 3 * minuteMs);

  afterAll(async () => {
    client?.close();
    await server?.stop();
    directory.remove();
  });

  const started = (): Promise<Server> => Server.start({ dataDir: join(directory.path, "data"), port: 0, env: { DITTOFS_CACHE_FLUSH_AGE: "1h", DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0" } });
  const connected = (): Promise<NfsClient> => NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  const scrape = (): Promise<Scrape> => Scrape.at(server.metricsUrl);
  /** Of the first answer, with the mark before it, which says how long it is (RFC 5531 11). */
  const answerBytes = (raw: RawConnection): number => 4 + (raw.bytes().readUInt32BE(0) % 2 ** 31);
  const settled = (what: string, is: (now: Scrape) => boolean): Promise<Scrape> => until(what, 20_000, async () => ((now) => (is(now) ? now : null))(await scrape()));

  const statements = "dittofs_postgres_statements_running";
  const changes = "dittofs_postgres_changes_waiting";
  const inFlight = { procedure: "CREATE", share };

  test("changes and look-ups, and what of them PostgreSQL was asked", async () => {
    // Those of changes, of reads, and of looks at whole tables: a share that is made has one.
    const before = await settled("all sessions to be open", (now) => now.value("dittofs_postgres_sessions", sessions) === 3 && now.value(statements, sessions) === 0);
    const begunMs = performance.now();
    for (let i = 0; i < 5; i++) await client.create(root, `file-${i}`, { mode: 0o644 });
    await expect(client.lookup(root, "nobody")).rejects.toThrow("noEntry");
    await expect(client.lookup(root, "nobody")).rejects.toThrow("noEntry");
    await client.list(root);
    const said = await scrape();
    const tookSec = (performance.now() - begunMs) / 1000;
    const rose = risen(before, said);
    // Whether each name was free, and whether somebody is there: what is not there is remembered.
    expect(rose("dittofs_metadata_reads_total", { ...labels, kind: "dirent" })).toBe(6);
    expect(rose("dittofs_metadata_reads_total", { ...labels, kind: "directory" })).toBe(1);
    expect(rose("dittofs_metadata_changes_total", { ...labels, result: "applied" })).toBe(5);
    expect(rose("dittofs_metadata_changes_total", { ...labels, result: "refused" })).toBe(0);
    expect([rose("dittofs_metadata_commit_changes_count", labels), rose("dittofs_metadata_commit_changes_sum", labels)]).toEqual([5, 5]);
    expect(rose("dittofs_metadata_commit_duration_seconds_count", labels)).toBe(5);
    expect(rose("dittofs_metadata_commit_duration_seconds_sum", labels)).toBeWithin(0.000_1, tookSec);
    // All but the listing is known to the one who made it.
    expect(rose("dittofs_metadata_query_duration_seconds_count", labels)).toBe(1);
    expect(rose("dittofs_metadata_query_duration_seconds_sum", labels)).toBeWithin(0.000_01, tookSec);
    expect(said.value("dittofs_postgres_sessions", sessions)).toBe(3);
    expect([said.value(statements, sessions), said.value(changes, sessions)]).toEqual([0, 0]);
  }, 3 * minuteMs);

  test("while tables are locked, statements run and changes wait, and their calls are in flight; one that is repeated joins the first", async () => {
    const waits = Array.from({ length: 5 }, (_, i) => `waits-${i}`);
    // That nobody has these names is known from here on: what runs while the tables are locked are changes, and no reads before them.
    for (const name of ["first", "second", ...waits]) await expect(client.lookup(root, name)).rejects.toThrow("noEntry");
    const { host: hostname, port, database, user: username, password } = login;
    const sql = new SQL({ adapter: "postgres", hostname, port, database, username, password, max: 1, tls: false });
    const held = await sql.reserve();
    await held.unsafe("begin");
    // What is read goes on.
    await held.unsafe("lock table dittofs_dirent, dittofs_inode in exclusive mode");
    const raw = await RawConnection.open(server.port);
    const before = await scrape();
    // CREATE, unchecked and with no attributes given (RFC 1813 3.3.8).
    const call = record(callHeader(4711, 100003, 3, 8, { uid: 1000, gid: 1000 }).bytes(), new XdrWriter().opaque(root).string("first").bytes(), Buffer.alloc(7 * 4));
    raw.send(call);
    await settled("the first statement", (now) => now.value(statements, sessions) === 1);
    await until("PostgreSQL to hold it up", 5000, async () => ((await cluster.sql(`select from pg_stat_activity where datname = '${database}' and wait_event_type = 'Lock' and backend_type = 'client backend'`)).length === 1 ? true : null));
    raw.send(call);
    await settled("the call to be repeated", (now) => risen(before, now)("dittofs_nfs_duplicate_cache_joined_total") === 1);
    // One at a time: what comes while two batches are on their way goes with the third, together.
    const made = (name: string): Promise<string> => client.create(root, name, { mode: 0o644 }).then(() => "made", String);
    const calls = [made("second")];
    await settled("the second statement", (now) => now.value(statements, sessions) === 2);
    for (const name of waits) calls.push(made(name));
    const waiting = await settled("the other changes to wait", (now) => now.value(changes, sessions) === waits.length);
    expect(waiting.value("dittofs_postgres_statements_running", sessions)).toBe(2);
    expect(waiting.value("dittofs_postgres_changes_waiting", sessions)).toBe(waits.length);
    expect(waiting.value("dittofs_nfs_requests_in_flight", inFlight)).toBe(2 + waits.length);
    expect(risen(before, waiting)("dittofs_nfs_duplicate_cache_joined_total")).toBe(1);
    expect(risen(before, waiting)("dittofs_nfs_duplicate_cache_entries")).toBe(0);
    expect(risen(before, waiting)("dittofs_metadata_query_duration_seconds_count", labels)).toBe(0);
    await held.unsafe("rollback");
    held.release();
    await sql.close();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["made"]));
    await raw.wait("both answers", 5000, () => raw.receivedBytes > 4 && raw.receivedBytes === 2 * answerBytes(raw));
    const after = await scrape();
    const rose = risen(before, after);
    expect([after.value(statements, sessions), after.value(changes, sessions), after.value("dittofs_nfs_requests_in_flight", inFlight)]).toEqual([0, 0, 0]);
    expect([rose("dittofs_metadata_commit_changes_count", labels), rose("dittofs_metadata_commit_changes_sum", labels)]).toEqual([3, 2 + waits.length]);
    expect(rose("dittofs_nfs_requests_total", { ...inFlight, status: "NFS3_OK" })).toBe(2 + waits.length);
    expect(rose("dittofs_nfs_duplicate_cache_entries")).toBe(2 + waits.length);
    expect([rose("dittofs_nfs_duplicate_cache_hits_total"), rose("dittofs_nfs_duplicate_cache_joined_total")]).toEqual([0, 1]);
    // Once more, now that it is done.
    raw.send(call);
    await raw.wait("the answer that is kept", 5000, () => raw.receivedBytes === 3 * answerBytes(raw));
    const repeated = risen(after, await scrape());
    expect([repeated("dittofs_nfs_duplicate_cache_hits_total"), repeated("dittofs_nfs_duplicate_cache_joined_total"), repeated("dittofs_metadata_changes_total", { ...labels, result: "applied" })]).toEqual([1, 0, 0]);
    raw.close();
  }, 3 * minuteMs);

  test("answers that are kept for calls that may be repeated are counted with their bytes", async () => {
    const raw = await RawConnection.open(server.port);
    const before = await scrape();
    // REMOVE (RFC 1813 3.3.12).
    raw.send(record(callHeader(4712, 100003, 3, 12, { uid: 1000, gid: 1000 }).bytes(), new XdrWriter().opaque(root).string("file-1").bytes()));
    await raw.wait("the answer", 5000, () => raw.receivedBytes > 4 && raw.receivedBytes === answerBytes(raw));
    const rose = risen(before, await scrape());
    expect(rose("dittofs_nfs_duplicate_cache_entries")).toBe(1);
    // With 256 for the entry itself; the mark before the answer is not kept.
    expect(rose("dittofs_nfs_duplicate_cache_bytes")).toBe(raw.receivedBytes - 4 + 256);
    raw.close();
  }, 3 * minuteMs);

  /** Starts the server anew, which remembers nothing then. */
  async function startAnew(): Promise<Scrape> {
    client.close();
    expect(await server.stop()).toBe(0);
    server = await started();
    client = await connected();
    await client.getattr(root);
    // Its packs, its orphans and its root.
    return await settled("what is read at a start", (now) => now.value("dittofs_metadata_query_duration_seconds_count", labels) === 3 && now.value(statements, sessions) === 0);
  }

  const failures = "dittofs_metadata_query_failures_total";

  test("reads that the database refuses fail at once", async () => {
    let before = await startAnew();
    await cluster.sql(`revoke select on dittofs_dirent from ${login.user}`, login.database);
    await expect(client.lookup(root, "file-2")).rejects.toThrow();
    let rose = risen(before, await scrape());
    expect(rose("dittofs_metadata_query_failures_total", labels)).toBe(1);
    expect(rose("dittofs_metadata_query_duration_seconds_count", labels)).toBe(0);
    await cluster.sql(`grant select on dittofs_dirent to ${login.user}`, login.database);
    before = await scrape();
    await client.lookup(root, "file-2");
    rose = risen(before, await scrape());
    expect(rose(failures, labels)).toBe(0);
    expect(rose("dittofs_metadata_query_duration_seconds_count", labels)).toBe(1);
  }, 3 * minuteMs);

  test("while the database lets nobody in, the store is not reachable and has no session, and a read of it fails after 10 s", async () => {
    const before = await startAnew();
    await cluster.sql(`alter database ${login.database} allow_connections false`);
    await cluster.sql(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${login.database}'`);
    const begunMs = performance.now();
    const found = client.lookup(root, "file-3").then(() => "found", (error: unknown) => String(error));
    const away = await settled("the store to be away", (now) => now.value("dittofs_store_reachable", { ...sessions, kind: "metadata" }) === 0 && now.value("dittofs_postgres_sessions", sessions) === 0);
    expect(away.value("dittofs_postgres_statements_running", sessions)).toBe(1);
    expect(away.value("dittofs_nfs_requests_in_flight", { procedure: "LOOKUP", share })).toBe(1);
    expect(away.value(failures, labels)).toBe(0);
    expect(await found).toContain("jukebox");
    expect((performance.now() - begunMs) / 1000).toBeWithin(5, 30);
    expect(risen(before, await scrape())("dittofs_metadata_query_failures_total", labels)).toBe(1);
    await cluster.sql(`alter database ${login.database} allow_connections true`);
    await settled("the store to be back", (now) => now.value("dittofs_store_reachable", { ...sessions, kind: "metadata" }) === 1);
    await client.lookup(root, "file-3");
    const after = await scrape();
    expect(risen(before, after)(failures, labels)).toBe(1);
    // Nobody has looked at whole tables since the start.
    expect(after.value("dittofs_postgres_sessions", sessions)).toBe(2);
  }, 3 * minuteMs);
});
