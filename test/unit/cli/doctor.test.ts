import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock, Time } from "#base/index.ts";
import type { Instance, Offline } from "#cli/index.ts";
import { contract, FakeApi, Refusal, share } from "./fake-api.ts";
import { cli, instance, type World } from "./support.ts";
import { ownName } from "../../support/own-name.ts";
import { temporary } from "../../support/temporary.ts";

const api = new FakeApi();
afterAll(() => api.stop());
const nowSec = Date.UTC(2026, 5, 1) / 1000;
const clock = { ...systemClock, now: () => new Time(nowSec, 0) };

interface Finding {
  readonly check: string;
  readonly result: string;
  readonly found: string;
  readonly advice: string | null;
}

let directory = "";
let home = "";
beforeEach(() => {
  api.clear();
  directory = temporary("doctor");
  home = temporary("doctor-home");
  utimesSync(directory, nowSec, nowSec);
});

/** Ports that are free, so that nothing of this machine gets between. */
const free = ["--nfs-port", "0", "--smb-port", "0", "--controlplane-port", "0"];
async function examine(args: readonly string[] = free, world: World = {}): Promise<{ readonly status: number; readonly err: string; readonly findings: readonly Finding[]; of(check: string): Finding | undefined }> {
  const done = await cli(["doctor", "--data-dir", directory, ...args, "-o", "json"], { clock, ...world, environment: { XDG_CONFIG_HOME: home, ...world.environment } });
  const findings = done.out === "" ? [] : (JSON.parse(done.out) as Finding[]);
  return { status: done.status, err: done.err, findings, of: (check) => findings.find((one) => one.check === check && one.result !== "ok") ?? findings.find((one) => one.check === check) };
}

test("where all is well nothing fails, and what was not checked is said", async () => {
  const { status, findings, of } = await examine();
  expect([status, findings.filter((one) => one.result === "fail")]).toEqual([0, []]);
  expect(of("data directory")).toMatchObject({ result: "ok" });
  expect(of("control plane")).toMatchObject({ result: "warn", found: `no server runs on ${directory}; what only it knows was not checked` });
  for (const one of findings) expect([one.result, one.advice === null]).toEqual([one.result, one.result === "ok"]);
  const table = await cli(["doctor", "--data-dir", directory, ...free], { clock });
  expect(table.out).toContain("warn  control plane: no server runs");
  expect(table.out).toContain("\n      what to do: dittofs start");
  expect((await cli(["doctor", "--data-dir", directory, ...free], { clock, columns: 200 })).out).toContain("\u001b[32mok  \u001b[0m  clock");
  expect((await cli(["doctor", "--data-dir", directory, ...free, "--no-color"], { clock, columns: 200 })).out).not.toContain("\u001b");
});

describe("ports", () => {
  test("one that somebody else has fails; our own server's doesn't", async () => {
    const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    try {
      const args = ["--bind", "127.0.0.1", "--nfs-port", String(taken.port), "--controlplane-port", "0"];
      const alone = await examine(args);
      expect([alone.status, alone.of(`port ${taken.port} (nfs)`)]).toEqual([1, { check: `port ${taken.port} (nfs)`, result: "fail", found: `${ownName} (pid ${process.pid}) has it on 127.0.0.1`, advice: expect.stringContaining("--nfs-port") }]);
      const ours: Instance = { ...instance, pid: process.pid, listening: [{ protocol: "nfs", address: "127.0.0.1", port: taken.port }] };
      expect((await examine(args, { running: ours })).of(`port ${taken.port} (nfs)`)?.result).toBe("ok");
    } finally {
      taken.stop(true);
    }
  });
  test("an address that isn't ours fails", async () => {
    expect((await examine(["--bind", "192.0.2.1", "--nfs-port", "12049", "--controlplane-port", "0"])).of("port 12049 (nfs)")).toMatchObject({ result: "fail", found: "this machine has no address 192.0.2.1" });
  });
});

describe("data directory", () => {
  test("is to be a directory", async () => {
    const path = join(directory, "file");
    writeFileSync(path, "");
    expect((await examine(["--data-dir", path, ...free])).of("data directory")).toMatchObject({ result: "fail", found: `${path} is not a directory` });
  });
  test("that isn't there yet can be made", async () => {
    expect((await examine(["--data-dir", join(directory, "a/b"), ...free])).of("data directory")).toMatchObject({ result: "ok", found: `${join(directory, "a/b")} is not there yet; the server makes it at its first start` });
  });
  test("that others may write into is warned of", async () => {
    chmodSync(directory, 0o777);
    expect((await examine()).of("data directory")).toMatchObject({ result: "warn", advice: `chmod go-w ${directory}` });
  });
  // Needs a tmpfs at /dev/shm: without Linux there is none.
  test.skipIf(process.platform !== "linux")("on a file system that forgets is warned of", async () => {
    expect((await examine(["--data-dir", "/dev/shm/dittofs-not-there", ...free])).of("data directory: file system")).toMatchObject({ result: "warn", found: expect.stringContaining("tmpfs") });
  });
});

test("a clock that went back is noticed, and one that was never set fails", async () => {
  writeFileSync(join(directory, "FORMAT"), "");
  utimesSync(join(directory, "FORMAT"), nowSec + 3600, nowSec + 3600);
  expect((await examine()).of("clock")).toMatchObject({ result: "warn", found: expect.stringContaining("it went back, or was ahead") });
  expect((await examine(free, { clock: { ...clock, now: () => new Time(1000, 0) } })).of("clock")).toMatchObject({ result: "fail" });
});

test("secrets are for their owner alone", async () => {
  const secretFile = join(directory, "controlplane.secret");
  const initialPasswordFile = join(directory, "admin-password");
  const contexts = join(home, "dittofs/contexts.json");
  mkdirSync(join(home, "dittofs"));
  for (const path of [secretFile, initialPasswordFile]) writeFileSync(path, "x", { mode: 0o600 });
  const offline = { examine: async () => null, places: () => ({ databaseFile: null, secretFile, initialPasswordFile }) } as unknown as Offline;
  const good = await examine(free, { offline });
  expect([good.of("secret")?.result, good.of("first password")]).toEqual(["ok", { check: "first password", result: "warn", found: expect.stringContaining(initialPasswordFile), advice: expect.any(String) }]);
  chmodSync(secretFile, 0o640);
  writeFileSync(contexts, '{"version":1,"contexts":{}}');
  chmodSync(contexts, 0o604);
  const bad = await examine(free, { offline });
  expect([bad.status, bad.of("secret")]).toEqual([1, { check: "secret", result: "fail", found: `others may read ${secretFile} (mode 0640)`, advice: expect.stringContaining(`chmod 600 ${secretFile}`) }]);
  expect(bad.of("log-ins")).toMatchObject({ result: "fail", found: `others may read ${contexts} (mode 0604)` });
});

describe("the control plane", () => {
  const environment = { DITTOFS_SERVER: api.url, DITTOFS_TOKEN: "t" };
  const healthy = { status: "healthy", timestamp: new Date(nowSec * 1000).toISOString(), data: {} } as const;
  const store = { name: "default", type: "sqlite", config: {}, secrets: [], used_by: [], created_at: "", updated_at: "" };
  const nfs = { type: "nfs" as const, enabled: true, port: 1, running: true, error: null, address: "::", listening_port: 1, connections: 0, overridden: [], updated_at: "" };
  beforeEach(() => {
    api.on(contract.health.live, healthy).onList(contract.stores.list, [store]).onList(contract.shares.list, [share("/a")]).onList(contract.adapters.list, [nfs]);
    api.on(contract.stores.health, { name: "default", healthy: true, error: null, latency_ms: 1, checked_at: "" });
  });
  test("is asked for stores, shares and adapters", async () => {
    const { status, of } = await examine(free, { environment });
    expect([status, of("metadata store default")?.result, of("block store default")?.result, of("shares")?.found, of("adapter nfs")?.result]).toEqual([0, "ok", "ok", "1 of 1 serving", "ok"]);
  });
  test("what of it fails, fails here", async () => {
    api.on(contract.stores.health, (got) => ({ name: "default", healthy: got.params.kind === "metadata", error: got.params.kind === "metadata" ? null : "no such directory", latency_ms: null, checked_at: "" }));
    api.onList(contract.shares.list, [share("/a", { state: "failed", error: "damaged" })]).onList(contract.adapters.list, [{ ...nfs, running: false, error: "port taken" }]);
    const { status, of } = await examine(free, { environment });
    expect([status, of("block store default")?.found, of("share /a")?.found, of("adapter nfs")?.found]).toEqual([1, "no such directory", "damaged", "port taken"]);
  });
  test("without a log-in says in short what it may, and of the rest that it was not checked", async () => {
    api.on(contract.health.stores, healthy);
    const short = await examine(free, { environment: { DITTOFS_SERVER: api.url } });
    expect([short.status, short.of("stores")?.result, short.of("log-in")?.advice]).toEqual([0, "ok", `dittofs login --server ${api.url}`]);
    api.on(contract.health.stores, new Refusal("unavailable", "a store does not answer") as never);
    expect((await examine(free, { environment: { DITTOFS_SERVER: api.url } })).of("stores")).toMatchObject({ result: "fail", found: "a store does not answer" });
  });
  test("of somebody who may not ask is not checked", async () => {
    api.on(contract.stores.list, new Refusal("forbidden", "your role is user") as never);
    expect(await examine(free, { environment }).then(({ status, of }) => [status, of("log-in")?.found])).toEqual([0, "stores, shares and adapters were not checked: your role is user"]);
  });
  test("of a log-in is not that of a data directory that was named", async () => {
    mkdirSync(join(home, "dittofs"));
    const context = { server: api.url, username: "a", access_token: "t" };
    writeFileSync(join(home, "dittofs/contexts.json"), JSON.stringify({ version: 1, current: "c", contexts: { c: context } }), { mode: 0o600 });
    expect((await examine()).of("control plane")).toMatchObject({ result: "warn", found: `no server runs on ${directory}; what only it knows was not checked` });
    expect(api.got).toEqual([]);
    const usual = await cli(["doctor", ...free, "-o", "json"], { clock, environment: { XDG_CONFIG_HOME: home, XDG_DATA_HOME: directory } });
    expect((JSON.parse(usual.out) as Finding[]).find((one) => one.check === "control plane")?.found).toStartWith(api.url);
  });
  test("that doesn't answer fails", async () => {
    const { status, of } = await examine(free, { environment: { DITTOFS_SERVER: "http://127.0.0.1:1" } });
    expect([status, of("control plane")?.result]).toEqual([1, "fail"]);
  });
  test("of the server that runs here is found without being named; its clock is compared", async () => {
    const { port } = new URL(api.url);
    api.on(contract.health.live, { ...healthy, timestamp: new Date((nowSec + 500) * 1000).toISOString() }).on(contract.health.stores, healthy);
    const running: Instance = { ...instance, pid: process.pid, listening: [{ protocol: "api", address: "0.0.0.0", port: Number(port) }] };
    const { findings } = await examine(free, { running });
    expect(findings.find((one) => one.check === "control plane")?.found).toStartWith(`http://127.0.0.1:${port} answers in `);
    expect(findings.find((one) => one.check === "clock" && one.result === "warn")?.found).toBe(`that of http://127.0.0.1:${port} is 500 seconds from this one`);
  });
});
