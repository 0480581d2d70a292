import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { declared } from "#telemetry/metrics/index.ts";
import { Admin, request } from "../../support/admin.ts";
import { NfsClient } from "../../support/nfs-client.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { RpcConnection, RpcRefused } from "../../support/rpc-client.ts";
import { risen, Scrape } from "../../support/scrape.ts";
import { adminPassword, freePort, Server, temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { until } from "../../support/wait.ts";

/** Connections, log-ins, the REST interface and the process against the compiled server, and what its metrics say of them. */

const password = "the password of alice";
const directory = temporaryDirectory("metrics-server");
const on = { DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0" };
let server: Server;
let admin: Admin;
const begunSec = Date.now() / 1000;

beforeAll(async () => {
  server = await Server.start({ dataDir: join(directory.path, "data"), port: 0, env: on });
  admin = await Admin.at(server);
  await admin.do("POST", "/api/v1/users", { username: "alice", password, uid: 1000 });
});

afterAll(async () => {
  expect(await server?.stop()).toBe(0);
  directory.remove();
});

const scrape = (): Promise<Scrape> => Scrape.at(server.metricsUrl);
const settled = (what: string, is: (now: Scrape) => boolean): Promise<Scrape> => until(what, 5000, async () => ((now) => (is(now) ? now : null))(await scrape()));

test("connections: accepted, closed by their clients, closed by force, and those there are", async () => {
  const nfs = { protocol: "nfs" };
  const before = await scrape();
  const clients = await Promise.all(Array.from({ length: 5 }, () => NfsClient.connect({ port: server.port })));
  for (const client of clients) await client.null();
  const during = await scrape();
  expect(risen(before, during)("dittofs_connections", nfs)).toBe(5);
  expect(risen(before, during)("dittofs_connections_accepted_total", nfs)).toBe(5);
  expect(risen(before, during)("dittofs_connections_closed_total", nfs)).toBe(0);
  // A NULL call is 40 bytes and a credential of AUTH_SYS, its answer 24, each behind a record mark.
  expect(risen(before, during)("dittofs_network_bytes_total", { ...nfs, direction: "out" })).toBe(5 * 28);
  expect(risen(before, during)("dittofs_network_bytes_total", { ...nfs, direction: "in" })).toBeGreaterThan(5 * 44);
  for (const client of clients.slice(0, 3)) client.close();
  // What is no call costs its sender the connection.
  const stranger = await RawConnection.open(server.port);
  stranger.send(Buffer.from([0x80, 0, 0, 4, 1, 2, 3, 4]));
  await stranger.wait("the end of the connection", 5000, () => false);
  const after = await settled("the connections' end", (now) => risen(before, now)("dittofs_connections_closed_total", nfs) === 4);
  expect(risen(before, after)("dittofs_connections", nfs)).toBe(2);
  expect(risen(before, after)("dittofs_connections_accepted_total", nfs)).toBe(6);
  expect(risen(before, after)("dittofs_connections_force_closed_total", nfs)).toBe(1);
  for (const client of clients.slice(3)) client.close();
});

test("NFS calls that are refused or repeated are counted as such, and not as requests", async () => {
  const client = await NfsClient.connect({ port: server.port, credentials: { uid: 0, gid: 0 } });
  const root = await client.mount("/export");
  const before = await scrape();
  const rpc = await RpcConnection.open(server.port);
  await expect(rpc.call(100003, 7, 0, { uid: 0, gid: 0 }, [])).rejects.toThrow(RpcRefused);
  rpc.close();
  // The same REMOVE twice: byte for byte, xid included.
  const remove = removeCall(root, "nobody");
  const raw = await RawConnection.open(server.port);
  for (let i = 1; i <= 2; i++) {
    raw.send(remove);
    await raw.wait(`answer ${i}`, 5000, () => recordsOf(raw.bytes()) === i);
  }
  raw.close();
  // A credential of a flavor nobody has (RPCSEC_GSS is 6).
  const odd = await RawConnection.open(server.port);
  odd.send(record(77, 100003, 3, 0, [6, 0], []));
  await odd.wait("the refusal", 5000, () => recordsOf(odd.bytes()) === 1);
  odd.close();
  const rose = risen(before, await scrape());
  expect(rose("dittofs_nfs_rejected_calls_total", { reason: "call" })).toBe(1);
  expect(rose("dittofs_nfs_rejected_calls_total", { reason: "credential" })).toBe(1);
  expect(rose("dittofs_nfs_requests_total", { procedure: "REMOVE", share: "/export", status: "NFS3ERR_NOENT" })).toBe(1);
  expect(rose("dittofs_nfs_duplicate_cache_hits_total")).toBe(1);
  expect(rose("dittofs_nfs_duplicate_cache_entries")).toBe(1);
  expect(rose("dittofs_authentication_failures_total", { mechanism: "auth_sys" })).toBe(1);
  expect(rose("dittofs_authentication_attempts_total", { mechanism: "auth_sys" })).toBe(3);
  client.close();
});

test("log-ins by their mechanism, those that failed among them", async () => {
  const before = await scrape();
  for (const [name, secret, status] of [["alice", password, 0], ["alice", "wrong", 0xc000006d], ["nobody", "wrong", 0xc000006d]] as const) {
    const client = await SmbClient.open(server.smbPort);
    await client.negotiate();
    expect((await client.login(name, secret)).status).toBe(status);
    client.close();
  }
  const login = (username: string, secret: string) => request(server.apiUrl, "POST", "/api/v1/auth/login", { username, password: secret }, {});
  expect((await login("admin", adminPassword)).status).toBe(200);
  expect((await login("admin", "wrong")).status).toBe(401);
  expect((await request(server.apiUrl, "GET", "/api/v1/shares", undefined, { authorization: "Bearer made.up.token" })).status).toBe(401);
  expect((await admin.ask("GET", "/api/v1/shares")).status).toBe(200);
  const rose = risen(before, await scrape());
  const proofs = (mechanism: string) => [rose("dittofs_authentication_attempts_total", { mechanism }), rose("dittofs_authentication_failures_total", { mechanism })];
  expect(proofs("ntlm")).toEqual([3, 2]);
  expect(proofs("password")).toEqual([2, 1]);
  expect(proofs("token")).toEqual([2, 1]);
});

test("calls of the REST interface by method, route and status; paths and methods somebody made up are one", async () => {
  const before = await scrape();
  for (let i = 0; i < 3; i++) await admin.do("GET", "/api/v1/users/alice");
  expect((await admin.ask("GET", "/api/v1/users/nobody")).status).toBe(404);
  for (let i = 0; i < 4; i++) await admin.ask("GET", `/made/up/${i}`);
  await fetch(`${server.apiUrl}/health`, { method: "BREW" });
  const after = await scrape();
  const rose = risen(before, after);
  const users = { method: "GET", route: "/api/v1/users/{username}" };
  expect(rose("dittofs_api_requests_total", { ...users, status: 200 })).toBe(3);
  expect(rose("dittofs_api_requests_total", { ...users, status: 404 })).toBe(1);
  expect(rose("dittofs_api_request_duration_seconds_count", users)).toBe(4);
  expect(rose("dittofs_api_requests_total", { method: "GET", route: "none", status: 404 })).toBe(4);
  expect(after.text).not.toContain("BREW");
  expect(after.text).not.toContain("/made/up");
  expect(after.value("dittofs_api_requests_in_flight", users)).toBe(0);
});

test("the process, its event loop and its build", async () => {
  const first = await scrape();
  // The kernel parts the time of a process between the two kinds by what it was found at, tick by tick.
  const used = (now: Scrape): boolean => risen(first, now)("dittofs_process_cpu_seconds_total", { mode: "user" }) > 0;
  const later = await settled("ten looks at the event loop", (now) => risen(first, now)("dittofs_event_loop_lag_seconds_count") >= 10 && used(now));
  expect(later.value("dittofs_event_loop_lag_seconds_bucket", { le: "+Inf" })).toBe(later.value("dittofs_event_loop_lag_seconds_count"));
  expect(risen(first, later)("dittofs_process_cpu_seconds_total", { mode: "user" })).toBeGreaterThan(0);
  // A server that is left alone gives memory back, which may be just now.
  const before = server.residentBytes();
  const told = await scrape();
  const [least = 0, most = 0] = [before, server.residentBytes()].sort((a, b) => a - b);
  expect(told.value("dittofs_process_resident_memory_bytes")).toBeWithin(least * 0.5, most * 1.5);
  expect(later.value("dittofs_process_open_files")).toBeGreaterThan(10);
  expect(later.value("dittofs_process_open_files_max")).toBeGreaterThan(later.value("dittofs_process_open_files"));
  expect(later.value("dittofs_process_start_time_seconds")).toBeWithin(begunSec - 2, Date.now() / 1000 + 1);
  expect([...later.all("dittofs_build_info").keys()][0]).toContain(`bun="${Bun.version}"`);
});

test("what is printed is Prometheus's text format, of declared metrics alone", async () => {
  const response = await fetch(server.metricsUrl);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  for (const name of new Scrape(text).names) expect(Object.keys(declared)).toContain(name);
  for (const line of text.split("\n")) expect(line).toMatch(/^(?:|# (?:HELP|TYPE) dittofs_\w+ .*|dittofs_\w+(?:\{\w+="(?:[^"\\]|\\.)*"(?:,\w+="(?:[^"\\]|\\.)*")*\})? (?:\d+(?:\.\d+)?(?:e[+-]\d+)?|\+Inf))$/);
});

test("nothing but GET /metrics is answered, and by no name a page in a browser could have", async () => {
  const base = server.metricsUrl.replace(/\/metrics$/, "");
  expect((await fetch(`${base}/`)).status).toBe(404);
  expect((await fetch(`${base}/metrics`, { method: "POST" })).status).toBe(405);
  expect((await fetch(`${base}/metrics`, { headers: { host: "evil.example.com" } })).status).toBe(421);
  expect((await fetch(`${base}/metrics`, { headers: { host: "localhost" } })).status).toBe(200);
});

test("a port that is taken is an error that names key and value; switched off, nothing listens", async () => {
  const taken = new URL(server.metricsUrl).port;
  const other = Server.launch({ dataDir: join(directory.path, "other"), port: 0, env: { ...on, DITTOFS_METRICS_PORT: taken } });
  expect(await other.process.exited).not.toBe(0);
  await until("what it says", 5000, () => other.output.includes(`cannot listen on 127.0.0.1:${taken} for metrics: something else does. Stop it, or set metrics.port.`) || null);
  const port = await freePort();
  const off = await Server.start({ dataDir: join(directory.path, "off"), port: 0, env: { DITTOFS_METRICS_PORT: String(port) } });
  expect(await fetch(`http://127.0.0.1:${port}/metrics`).then(() => "answers", () => "refuses")).toBe("refuses");
  expect(await off.stop()).toBe(0);
});

/** Whole records in what was received. */
function recordsOf(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at + 4 <= bytes.length; count++) {
    at += 4 + (bytes.readUInt32BE(at) % 2 ** 31);
    if (at > bytes.length) return count;
  }
  return count;
}

/** An RPC call in its record; `credential` is flavor and length (RFC 5531 §9). */
function record(xid: number, program: number, version: number, procedure: number, credential: readonly number[], args: readonly number[], bytes = Buffer.alloc(0)): Buffer {
  const words = [xid, 0, 2, program, version, procedure, ...credential, 0, 0, ...args];
  const message = Buffer.alloc(4 + words.length * 4);
  words.forEach((word, i) => message.writeUInt32BE(word >>> 0, 4 + i * 4));
  message.writeUInt32BE((2 ** 31 + words.length * 4 + bytes.length) >>> 0, 0);
  return Buffer.concat([message, bytes]);
}

/** REMOVE as root, by AUTH_SYS without a machine's name. */
function removeCall(directory: Uint8Array, name: string): Buffer {
  const padded = (bytes: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  };
  return record(4711, 100003, 3, 12, [1, 20, 0, 0, 0, 0, 0], [], Buffer.concat([padded(directory), padded(Buffer.from(name))]));
}
