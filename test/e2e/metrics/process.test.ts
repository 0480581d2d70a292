import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, statfsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Admin, request } from "../../support/admin.ts";
import { NfsClient } from "../../support/nfs-client.ts";
import { risen, Scrape } from "../../support/scrape.ts";
import { adminPassword, projectRoot, Server, temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { until } from "../../support/wait.ts";

/** Connections past the limits, log-ins, calls that take their time, the process and its disk: what the compiled server's metrics say of them, to the number. */

const directory = temporaryDirectory("metrics-process");
const dataDir = join(directory.path, "data");
const filesMax = 4096;
const connectionsMax = 4;
const share = "/export";
let server: Server;
let admin: Admin;
const begunSec = Date.now() / 1000;

beforeAll(async () => {
  const env = { DITTOFS_CACHE_FLUSH_AGE: "1h", DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0", DITTOFS_ADAPTERS_NFS_MAX_CONNECTIONS: `${connectionsMax}`, DITTOFS_ADAPTERS_SMB_MAX_CONNECTIONS: `${connectionsMax}`, DITTOFS_ADAPTERS_NFS_PORTMAPPER_ENABLED: "true", DITTOFS_ADAPTERS_NFS_PORTMAPPER_PORT: "0" };
  server = await Server.start({ dataDir, port: 0, env, openFilesMax: filesMax });
});

afterAll(async () => {
  await server?.stop();
  directory.remove();
});

const scrape = (): Promise<Scrape> => Scrape.at(server.metricsUrl);
const settled = (what: string, is: (now: Scrape) => boolean): Promise<Scrape> => until(what, 10_000, async () => ((now) => (is(now) ? now : null))(await scrape()));

test("a scrape before the first call of the REST interface declares its metrics", async () => {
  const said = await scrape();
  for (const name of ["dittofs_api_requests_total", "dittofs_api_request_duration_seconds", "dittofs_api_requests_in_flight"]) expect(said.names).toContain(name);
  expect(said.sum("dittofs_api_requests_total")).toBe(0);
  admin = await Admin.at(server);
  expect((await scrape()).value("dittofs_api_requests_total", { method: "POST", route: "/api/v1/auth/login", status: 200 })).toBe(1);
});

test("connections past the limit are refused, or take the place of one that proved nothing; those that end are closed, by force where the server does it", async () => {
  const nfs = { protocol: "nfs" };
  const smb = { protocol: "smb" };
  const before = await scrape();
  const clients = await Promise.all(Array.from({ length: connectionsMax }, () => NfsClient.connect({ port: server.port })));
  // Who has spoken is not closed for somebody else; of SMB, who is logged in.
  for (const client of clients) await client.null();
  // One after the other: who has to go is one that is there, and none that is just coming.
  const sessions: SmbClient[] = [];
  for (let i = 0; i <= connectionsMax; i++) sessions.push(await SmbClient.open(server.smbPort));
  const refused = [1, 2].map(() => connect(server.port, "127.0.0.1").on("error", () => {}));
  const during = await settled("the refusals", (now) => risen(before, now)("dittofs_connections_refused_total", nfs) === 2 && risen(before, now)("dittofs_connections_closed_total", smb) === 1);
  for (const socket of refused) socket.destroy();
  let rose = risen(before, during);
  expect(rose("dittofs_connections_refused_total", nfs)).toBe(2);
  expect(rose("dittofs_connections_refused_total", smb)).toBe(0);
  expect([rose("dittofs_connections_accepted_total", nfs), rose("dittofs_connections_accepted_total", smb)]).toEqual([connectionsMax, connectionsMax + 1]);
  expect([rose("dittofs_connections", nfs), rose("dittofs_connections", smb)]).toEqual([connectionsMax, connectionsMax]);
  expect([rose("dittofs_connections_force_closed_total", nfs), rose("dittofs_connections_force_closed_total", smb)]).toEqual([0, 1]);
  // An operator ends one; the clients the others.
  const { items } = await admin.do("GET", "/api/v1/clients?protocol=nfs");
  await admin.do("DELETE", `/api/v1/clients/${items[0].id}`);
  for (const client of clients) client.close();
  for (const session of sessions) session.close();
  rose = risen(before, await settled("their end", (now) => now.value("dittofs_connections", nfs) === 0 && now.value("dittofs_connections", smb) === 0));
  expect([rose("dittofs_connections_closed_total", nfs), rose("dittofs_connections_closed_total", smb)]).toEqual([connectionsMax, connectionsMax + 1]);
  expect([rose("dittofs_connections_force_closed_total", nfs), rose("dittofs_connections_force_closed_total", smb)]).toEqual([1, 1]);
}, 180_000);

test("each connection is an open file, and none any more once it is closed", async () => {
  // Others come and go by themselves, such as the idle connection of an earlier call: then it is looked at once more.
  const [before, during] = await until("files as many as connections, and none of them left", 20_000, async () => {
    const before = await scrape();
    const clients = await Promise.all(Array.from({ length: connectionsMax }, () => NfsClient.connect({ port: server.port })));
    for (const client of clients) await client.null();
    const during = await scrape();
    for (const client of clients) client.close();
    const after = await settled("the connections' end", (now) => now.value("dittofs_connections", { protocol: "nfs" }) === 0);
    const files = (now: Scrape): number => risen(before, now)("dittofs_process_open_files");
    return files(during) === connectionsMax && files(after) === 0 ? [before, during] : null;
  });
  expect(risen(before, during)("dittofs_process_open_files")).toBe(connectionsMax);
}, 180_000);

test("log-ins and tokens by what they prove somebody with, refresh tokens among them", async () => {
  const before = await scrape();
  const login = await request(server.apiUrl, "POST", "/api/v1/auth/login", { username: "admin", password: adminPassword }, {});
  const refresh = (token: string) => request(server.apiUrl, "POST", "/api/v1/auth/refresh", { refresh_token: token }, {});
  expect((await refresh(login.body.refresh_token)).status).toBe(200);
  expect((await refresh("made up")).status).toBe(401);
  const rose = risen(before, await scrape());
  expect(rose("dittofs_authentication_attempts_total", { mechanism: "password" })).toBe(1);
  expect(rose("dittofs_authentication_attempts_total", { mechanism: "refresh_token" })).toBe(2);
  expect(rose("dittofs_authentication_failures_total", { mechanism: "refresh_token" })).toBe(1);
});

test("a call of the REST interface that takes a second is in flight as long, and its duration is a second", async () => {
  const stats = { method: "GET", route: "/api/v1/stats" };
  const before = await scrape();
  let calls = 0;
  // On a busy machine one may be over before anybody looked.
  await until("the call to be seen", 20_000, async () => {
    let over = false;
    const asked = admin.do("GET", "/api/v1/stats?interval=1").finally(() => (over = true));
    calls++;
    let most = 0;
    while (!over) most = Math.max(most, (await scrape()).value("dittofs_api_requests_in_flight", stats));
    await asked;
    return most === 1 ? true : null;
  });
  const after = await scrape();
  expect(after.value("dittofs_api_requests_in_flight", stats)).toBe(0);
  expect(risen(before, after)("dittofs_api_requests_total", { ...stats, status: 200 })).toBe(calls);
  expect(risen(before, after)("dittofs_api_request_duration_seconds_count", stats)).toBe(calls);
  expect(risen(before, after)("dittofs_api_request_duration_seconds_sum", stats)).toBeWithin(0.9 * calls, 10 * calls);
  expect(risen(before, after)("dittofs_api_request_duration_seconds_bucket", { ...stats, le: "0.512" })).toBe(0);
});

test("look-ups and changes of metadata in SQLite", async () => {
  const labels = { share, store: "default", type: "sqlite" };
  const client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  const root = await client.mount(share);
  const before = await scrape();
  const begunMs = performance.now();
  const files = 3;
  for (let i = 0; i < files; i++) await client.create(root, `file-${i}`, { mode: 0o644 });
  for (let i = 0; i < 2; i++) await expect(client.lookup(root, "nobody")).rejects.toThrow("noEntry");
  await client.list(root);
  const said = await scrape();
  const tookSec = (performance.now() - begunMs) / 1000;
  const rose = risen(before, said);
  expect(rose("dittofs_metadata_reads_total", { ...labels, kind: "dirent" })).toBe(files + 1);
  expect(rose("dittofs_metadata_reads_total", { ...labels, kind: "directory" })).toBe(1);
  expect(rose("dittofs_metadata_changes_total", { ...labels, result: "applied" })).toBe(files);
  expect([rose("dittofs_metadata_commit_changes_count", labels), rose("dittofs_metadata_commit_changes_sum", labels)]).toEqual([files, files]);
  expect(rose("dittofs_metadata_commit_duration_seconds_count", labels)).toBe(files);
  expect(rose("dittofs_metadata_commit_duration_seconds_sum", labels)).toBeWithin(0.000_001, tookSec);
  expect(rose("dittofs_metadata_sync_duration_seconds_count", labels)).toBe(files);
  expect(rose("dittofs_metadata_sync_duration_seconds_sum", labels)).toBeWithin(0.000_001, tookSec);
  client.close();
});

test("the disk of the data directory and of a block store on it is that of the system", async () => {
  await scrape();
  const said = await scrape();
  const { bsize, blocks, bavail } = statfsSync(dataDir);
  const near = (free: number): readonly [number, number] => [free * 0.5, free * 2];
  expect(said.value("dittofs_data_directory_size_bytes")).toBe(bsize * blocks);
  expect(said.value("dittofs_data_directory_free_bytes")).toBeWithin(...near(bsize * bavail));
  expect(said.value("dittofs_blockstore_size_bytes", { share, store: "default" })).toBe(bsize * blocks);
  expect(said.value("dittofs_blockstore_free_bytes", { share, store: "default" })).toBeWithin(...near(bsize * bavail));
});

test("the process, its memory, its event loop and its build", async () => {
  const beganMs = performance.now();
  const first = await scrape();
  const later = await settled("ten looks at the event loop", (now) => risen(first, now)("dittofs_event_loop_lag_seconds_count") >= 10);
  const tookSec = (performance.now() - beganMs) / 1000;
  const rose = risen(first, later);
  // Ten a second, fewer where they are late.
  expect(rose("dittofs_event_loop_lag_seconds_count")).toBeWithin(10, Math.ceil(tookSec * 10) + 2);
  expect(rose("dittofs_event_loop_lag_seconds_sum")).toBeWithin(0, tookSec);
  expect(later.value("dittofs_event_loop_lag_max_seconds")).toBeWithin(later.value("dittofs_event_loop_lag_seconds_sum") / later.value("dittofs_event_loop_lag_seconds_count"), 60);
  expect(later.value("dittofs_process_open_files_max")).toBe(filesMax);
  expect(later.value("dittofs_process_start_time_seconds")).toBeWithin(begunSec - 2, Date.now() / 1000 + 1);
  const stat = readFileSync(`/proc/${server.process.pid}/stat`, "latin1").split(") ")[1]!.split(" ");
  for (const [mode, field] of [["user", 11], ["system", 12]] as const) {
    const seconds = Number(stat[field]) / 100;
    expect(later.value("dittofs_process_cpu_seconds_total", { mode })).toBeWithin(seconds * 0.5 - 0.1, seconds * 1.5 + 0.1);
  }
  // A server that is left alone gives memory back, which may be just now.
  const before = server.residentBytes();
  const told = await scrape();
  const [least = 0, resident = 0] = [before, server.residentBytes()].sort((a, b) => a - b);
  expect(told.value("dittofs_process_resident_memory_bytes")).toBeWithin(least * 0.5, resident * 1.5);
  const heap = (part: string): number => later.value("dittofs_process_heap_bytes", { part });
  expect(later.value("dittofs_process_heap_bytes", { part: "used" })).toBeWithin(2 ** 20, resident);
  expect(heap("held")).toBeGreaterThanOrEqual(heap("used") / 2);
  expect(later.has("dittofs_process_heap_bytes", { part: "external" })).toBe(true);
  const { version } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
  const [build] = later.all("dittofs_build_info");
  expect(build![0]).toMatch(new RegExp(`version="${version}.*bun="${Bun.version}"`));
  expect([...later.all("dittofs_build_info").values()]).toEqual([1]);
});
