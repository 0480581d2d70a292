import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ntHashOf } from "#auth/ntlm.ts";
import { Admin, request } from "../../support/admin.ts";
import { masterKeyLine } from "../../support/master-keys.ts";
import { NfsClient } from "../../support/nfs-client.ts";
import { adminPassword, binaryPath, freePort, Server, temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { until, within } from "../../support/wait.ts";

/** What the compiled server writes about itself, and what it never does. */

setDefaultTimeout(180_000);

const directory = temporaryDirectory("logs-e2e");
const dataDir = join(directory.path, "data");
const logFile = join(directory.path, "server.log");
const password = "planted password of alice";
let server: Server;
let admin: Admin;

beforeAll(async () => {
  const config = join(directory.path, "config.yaml");
  writeFileSync(config, `logging: {level: debug, format: json, output: ${logFile}, rotate: {size: 64KiB, keep: 3}, repeats_per_second: 5}\n`);
  server = await Server.start({ dataDir, port: 0, config });
  admin = await Admin.at(server);
});

afterAll(async () => {
  await server?.stop();
  directory.remove();
});

const files = () => readdirSync(directory.path).filter((name) => name.startsWith("server.log")).map((name) => join(directory.path, name));
const lines = () => files().flatMap((file) => readFileSync(file, "utf8").split("\n")).filter((line) => line !== "").map((line) => JSON.parse(line));

test("a call of the REST interface is found by the id it was answered with, with its caller and share", async () => {
  const answer = await admin.ask("GET", "/api/v1/shares/nowhere");
  const id = answer.headers.get("x-request-id");
  expect(answer.body.instance).toBe(`urn:dittofs:request:${id}`);
  expect(lines().find((line) => line.request === id)).toMatchObject({ client: "127.0.0.1", user: "admin", share: "/nowhere", route: "shares.show", status: 404, code: "not_found" });
  const made = await admin.ask("POST", "/api/v1/shares", { name: "/made" });
  const told = lines().filter((line) => line.request === made.headers.get("x-request-id"));
  expect(told).toContainEqual(expect.objectContaining({ route: "shares.create", level: "info" }));
});

test("why a server did not start is in the file that it logs to, for whoever looks there later", async () => {
  const file = join(directory.path, "not-started.log");
  const { exited } = Bun.spawn([binaryPath(), "start", "--data-dir", join(directory.path, "other"), "--nfs-port", String(server.port), "--log-output", file], { env: { ...Bun.env, DITTOFS_LOGGING_FORMAT: "json" }, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  expect(await exited).not.toBe(0);
  const last = JSON.parse(readFileSync(file, "utf8").trimEnd().split("\n").at(-1) as string);
  expect(last).toMatchObject({ level: "error", msg: "not started", err: { message: expect.stringContaining(String(server.port)) } });
});

test("what is refused to a client of NFS or SMB names the request, the client and the share", async () => {
  await admin.do("POST", "/api/v1/shares", { name: "/closed", allowed_clients: ["192.0.2.0/24"] });
  const nfs = await NfsClient.connect({ port: server.port });
  await expect(nfs.mount("/closed")).rejects.toThrow();
  nfs.close();
  expect(lines()).toContainEqual(expect.objectContaining({ part: "nfs", client: "127.0.0.1", share: "/closed", procedure: "MNT", request: expect.stringMatching(/^nfs-\d+:[0-9a-f]{8}$/) }));
  const smb = await SmbClient.open(server.smbPort);
  await smb.negotiate();
  expect((await smb.login("admin", "planted wrong password")).status).not.toBe(0);
  smb.close();
  const other = await SmbClient.open(server.smbPort);
  await other.negotiate();
  expect((await other.login("planted name nobody has", "x")).status).not.toBe(0);
  other.close();
  const refused = lines().filter(({ msg }) => msg === "refused an SMB log-in");
  expect(refused).toMatchObject([
    { part: "smb", client: "127.0.0.1", command: "SESSION_SETUP", user: "admin", request: expect.stringMatching(/^smb-\d+:\d+$/) },
    { part: "smb", client: "127.0.0.1", user: null },
  ]);
});

test("the level changes at once, by REST and by command", async () => {
  const debug = async () => {
    const { headers } = await admin.ask("GET", "/api/v1/users");
    return lines().some((line) => line.request === headers.get("x-request-id"));
  };
  const dittofs = (...args: readonly string[]) => Bun.spawnSync([binaryPath(), ...args], { env: { ...Bun.env, DITTOFS_SERVER: server.apiUrl, DITTOFS_TOKEN: admin.token, XDG_CONFIG_HOME: directory.path } }).exitCode;
  expect(await debug()).toBe(true);
  await admin.do("PUT", "/api/v1/settings/logging.level", { value: "info" });
  expect(await debug()).toBe(false);
  expect(dittofs("settings", "set", "logging.level", "debug")).toBe(0);
  expect(await debug()).toBe(true);
  expect(dittofs("settings", "set", "logging.level", "loud")).toBe(2);
});

test("no password, token, key or hash is in it, whatever was asked for and went wrong", async () => {
  const secretKey = "planted+secret/key0123456789";
  const wrong = "planted wrong password";
  const masterKey = masterKeyLine("planted").split("= ")[1] as string;
  writeFileSync(join(directory.path, "master.keys"), masterKeyLine("planted"), { mode: 0o600 });
  await admin.do("POST", "/api/v1/users", { username: "alice", password, uid: 1000 });
  await request(server.apiUrl, "POST", "/api/v1/auth/login", { username: "alice", password: wrong }, {});
  await request(server.apiUrl, "POST", "/api/v1/auth/login", { username: wrong, password }, {});
  await request(server.apiUrl, "POST", `/api/v1/auth/login?password=${encodeURIComponent(wrong)}`, { username: "alice", password: wrong }, { "x-password": wrong });
  const { body: pair } = await request(server.apiUrl, "POST", "/api/v1/auth/login", { username: "alice", password }, {});
  await request(server.apiUrl, "GET", "/api/v1/users", undefined, { authorization: `Bearer ${pair.access_token}` });
  const { body: next } = await request(server.apiUrl, "POST", "/api/v1/auth/refresh", { refresh_token: pair.refresh_token }, {});
  await request(server.apiUrl, "POST", "/api/v1/auth/refresh", { refresh_token: `${pair.refresh_token}x` }, {});
  const nowhere = { bucket: "b", endpoint: `http://127.0.0.1:${await freePort()}`, access_key: "PLANTEDACCESS", secret_key: secretKey };
  await admin.ask("POST", "/api/v1/store/block", { name: "away", type: "s3", config: nowhere });
  await admin.ask("POST", "/api/v1/store/block", { name: "odd", type: "s3", config: { ...nowhere, endpoint: "nonsense", encryption: "aes-256-gcm", encryption_key_file: join(directory.path, "master.keys") } });
  await admin.ask("POST", "/api/v1/store/metadata", { name: "pg", type: "postgres", config: { host: "127.0.0.1", port: await freePort(), user: "u", password: "planted pg password", database: "d" } });
  await admin.ask("POST", "/api/v1/store/block", { name: "local", type: "filesystem", config: { encryption: "aes-256-gcm", encryption_key_file: join(directory.path, "master.keys") } });
  await admin.ask("POST", "/api/v1/shares", { name: "/sealed", blocks: "local" });
  const smb = await SmbClient.open(server.smbPort);
  await smb.negotiate();
  expect((await smb.login("alice", password)).status).toBe(0);
  smb.close();
  await admin.ask("PUT", "/api/v1/settings/nothing", { value: wrong });
  const text = files().map((file) => readFileSync(file, "utf8")).join("\n") + server.output;
  expect(text.length).toBeGreaterThan(5000);
  const ntHashes = [password, adminPassword, wrong].map((each) => Buffer.from(ntHashOf(each)));
  const planted = {
    passwords: [password, adminPassword, wrong, "planted pg password"],
    tokens: [admin.token, pair.access_token, pair.refresh_token, next.access_token, next.refresh_token],
    keys: [secretKey, masterKey, Buffer.from(masterKey, "base64").toString("hex"), ...secretsOnDisk()],
    hashes: ntHashes.flatMap((hash) => [hash.toString("hex"), hash.toString("hex").toUpperCase(), hash.toString("base64"), [...hash].join(",")]),
  };
  for (const [kind, secrets] of Object.entries(planted)) {
    expect(secrets.length).toBeGreaterThan(0);
    for (const secret of secrets) expect([kind, text.includes(secret)]).toEqual([kind, false]);
  }
  expect(text).not.toMatch(/eyJ[A-Za-z0-9_-]{8,}\.|\$2[aby]\$\d\d\$|-----BEGIN/);
});

/** What lies in files for the server alone: the control plane's secret, as it is and as a digest. */
function secretsOnDisk(): readonly string[] {
  const found = readdirSync(dataDir, { recursive: true }).map(String).filter((name) => /secret/.test(name) && !/\.db/.test(name)).map((name) => readFileSync(join(dataDir, name), "utf8").trim());
  expect(found.length).toBeGreaterThan(0);
  return found.flatMap((secret) => [secret, createHash("sha256").update(secret).digest("hex")]);
}

test("a client that does the same wrong over and over fills no disk: it is written some times a second, and counted", async () => {
  const before = lines().length;
  const times = 200;
  const begunMs = performance.now();
  for (let i = 0; i < times; i++) {
    const gone = Promise.withResolvers<void>();
    const socket = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data() {}, close: () => gone.resolve() } });
    socket.write(Buffer.concat([Buffer.from([0x80, 0, 0, 8]), Buffer.alloc(8, 0xff)]));
    await within("the end of a connection", 5000, gone.promise);
  }
  const same = () => lines().slice(before).filter(({ msg }) => msg === "closed a connection: it sent a record that is no RPC call");
  const counted = () => same().reduce((sum, { repeated }) => sum + (repeated ?? 1), 0);
  await until("all of them to be counted", 10_000, () => (counted() === times ? true : null));
  // Five a second, and one more that says how many there were.
  expect(same().length).toBeLessThanOrEqual(6 * (Math.ceil((performance.now() - begunMs) / 1000) + 1));
});

test("files are rotated, so many are kept, and dittofs logs reads and follows all of them", async () => {
  const child = Bun.spawn([binaryPath(), "logs", "-f", "-n", "0", "-o", "json", "--data-dir", dataDir], { env: { ...Bun.env, XDG_CONFIG_HOME: directory.path }, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  let out = "";
  void (async () => {
    for await (const chunk of child.stdout) out += Buffer.from(chunk).toString();
  })();
  // Whatever comes first says that it is following.
  await until("the follower", 10_000, async () => {
    await admin.ask("GET", "/api/v1/status");
    return out === "" ? null : true;
  });
  const ids: string[] = [];
  for (let i = 0; i < 1500; i++) {
    ids.push((await admin.ask("GET", "/api/v1/users")).headers.get("x-request-id") as string);
    // A file that was rotated away is gone: a follower that has no processor for as long would miss lines.
    if (i % 100 === 99) await until("the last of them", 10_000, () => (out.includes(ids.at(-1) as string) ? true : null));
  }
  child.kill("SIGTERM");
  await child.exited;
  expect(ids.filter((id) => !out.includes(`"${id}"`))).toEqual([]);
  const seen = out.split("\n").flatMap((line) => /"request":"([^"]+)"/.exec(line)?.[1] ?? []).filter((id) => ids.includes(id));
  expect(seen).toEqual(ids);
  expect(files().map((file) => file.slice(logFile.length)).sort()).toEqual(["", ".1", ".2", ".3"]);
  expect(existsSync(`${logFile}.4`)).toBe(false);
  // A known warning among them: whatever takes a password's hash takes longer than this.
  await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "1ms" });
  const slow = (await admin.ask("POST", "/api/v1/users", { username: "slow", password, uid: 1001 })).headers.get("x-request-id");
  await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "0s" });
  const dittofs = (...args: readonly string[]) => {
    const { stdout, exitCode } = Bun.spawnSync([binaryPath(), "logs", "--data-dir", dataDir, ...args], { env: { ...Bun.env, XDG_CONFIG_HOME: directory.path } });
    expect(exitCode).toBe(0);
    return stdout.toString().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  };
  expect(dittofs("-n", "500", "--since", "10m")).toHaveLength(500);
  const warned = dittofs("--level", "warn", "--since", "10m");
  expect(warned).toContainEqual(expect.objectContaining({ request: slow, level: "warn", msg: "a slow request" }));
  expect(warned.filter(({ level }) => !/^(warn|error)$/.test(level))).toEqual([]);
  // From the middle of what was asked on: what was written before, which the files still have, is left out.
  const written = lines().filter(({ request: id }) => ids.includes(id)).map(({ request: id, time }) => ({ id: id as string, time: time as string }));
  const { time: middle } = written.toSorted((one, other) => ids.indexOf(one.id) - ids.indexOf(other.id))[written.length >> 1]!;
  const since = dittofs("--since", middle).map(({ request: id }) => id as string).filter((id) => ids.includes(id));
  expect(since).toEqual(ids.filter((id) => written.some((line) => line.id === id && line.time >= middle)));
  expect(written.filter(({ time }) => time < middle).length).toBeGreaterThan(100);
  expect(since.length).toBeGreaterThan(100);
});
