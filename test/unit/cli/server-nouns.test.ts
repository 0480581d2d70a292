import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock, Time } from "#base/index.ts";
import type { schemas } from "#api/contract/index.ts";
import { contract, FakeApi, Refusal } from "./fake-api.ts";
import { cli, type World } from "./support.ts";
import { temporary } from "../../support/temporary.ts";

/** Adapters, netgroups, clients, settings, the audit log, drain. */

const api = new FakeApi();
const environment = { XDG_CONFIG_HOME: temporary("nouns"), DITTOFS_SERVER: api.url, DITTOFS_TOKEN: "t" };
const run = (args: readonly string[], world: World = {}) => cli(args, { ...world, environment });
beforeEach(() => api.clear());
afterAll(() => api.stop());

const nfs: schemas.Adapter = { type: "nfs", enabled: true, port: 12049, running: true, error: null, address: "0.0.0.0", listening_port: 12049, connections: 3, overridden: [], updated_at: "" };

describe("adapter", () => {
  test("list, enable, disable, edit", async () => {
    api.onList(contract.adapters.list, [nfs]).on(contract.adapters.edit, (got) => ({ ...nfs, ...got.body, overridden: ["port"], ...(got.body.enabled === false ? { running: false, address: null, listening_port: null } : {}) }));
    expect((await run(["adapter", "list"])).out).toBe("TYPE  ENABLED  PORT   RUNNING  LISTENING      CONNECTIONS  OVERRIDDEN  ERROR\nnfs   yes      12049  yes      0.0.0.0:12049  3            -           -\n");
    expect((await run(["adapter", "disable", "nfs"])).out).toBe("the adapter nfs is disabled; overridden for this run: port\n");
    expect(api.last.body).toEqual({ enabled: false });
    await run(["adapter", "edit", "nfs", "--port", "2049", "--enabled"]);
    expect(api.last.body).toEqual({ port: 2049, enabled: true });
    expect((await run(["adapter", "edit", "nfs"])).err).toContain("nothing to change; give at least one of --port, --enabled");
    expect((await run(["adapter", "edit", "ftp", "--port", "1"])).status).toBe(2);
  });
  test("enable makes one that was removed", async () => {
    api.on(contract.adapters.edit, new Refusal("not_found") as never).on(contract.adapters.create, { ...nfs, running: false, error: "port 2049 is taken" });
    expect(await run(["adapter", "enable", "nfs", "--port", "2049"])).toMatchObject({ status: 0, out: "the adapter nfs does not run: port 2049 is taken\n" });
    expect(api.last.body).toEqual({ type: "nfs", enabled: true, port: 2049 });
  });
  test("settings are read as the kinds the server says", async () => {
    const abouts = [
      { key: "max_read_size", type: "size", default: 2 ** 20, allowed: "4KiB to 16MiB", help: "the largest READ" },
      { key: "max_connections", type: "integer", default: 16384, allowed: "", help: "connections" },
      { key: "portmapper_enabled", type: "boolean", default: false, allowed: "true, false", help: "serve it" },
    ];
    const reply = { type: "nfs" as const, settings: { max_read_size: 2 ** 22 }, overridden: ["max_read_size"] };
    api.on(contract.adapters.defaults, { items: abouts }).on(contract.adapters.settings, reply).on(contract.adapters.changeSettings, reply).on(contract.adapters.replaceSettings, reply).on(contract.adapters.reset, reply);
    const update = ["adapter", "settings", "nfs", "update"];
    expect((await run([...update, "--max-read-size", "4MiB", "--portmapper-enabled", "true", "--set", "max_connections=100"])).out).toBe(
      "changed max_read_size=4194304, portmapper_enabled=true, max_connections=100; overridden for this run by a flag, the environment or the configuration file: max_read_size\n",
    );
    expect(api.last).toMatchObject({ route: contract.adapters.changeSettings, body: { max_read_size: 2 ** 22, portmapper_enabled: true, max_connections: 100 } });
    expect((await run([...update, "--max-connections", "9", "--dry-run", "--replace"])).out).toBe("would be taken: max_connections=9; nothing was changed\n");
    expect(api.last).toMatchObject({ route: contract.adapters.replaceSettings, query: { dry_run: true } });
    expect((await run([...update, "--max-read-size", "big"])).err).toBe('error: max_read_size: "big" is not allowed here; allowed: 4KiB to 16MiB\n');
    expect((await run([...update, "--max-connections", "x"])).err).toContain("allowed: a whole number");
    expect((await run([...update, "--set", "x"])).err).toContain("allowed: KEY=VALUE");
    expect((await run(update)).status).toBe(2);
    expect((await run(["adapter", "settings", "nfs", "show"])).out).toStartWith("SETTING             VALUE                 DEFAULT  ALLOWED        MEANING\nmax_read_size       4194304 (overridden)  1048576  4KiB to 16MiB  the largest READ\n");
    expect(JSON.parse((await run(["adapter", "settings", "nfs", "get", "-o", "json"])).out)).toEqual(reply);
    await run(["adapter", "settings", "nfs", "reset", "--setting", "max_read_size", "--yes"]);
    expect(api.last.body).toEqual({ setting: "max_read_size" });
  });
});

describe("netgroup", () => {
  const member = { id: "7", type: "cidr" as const, value: "10.0.0.0/8", addresses: [] };
  const lab: schemas.Netgroup = { name: "lab", description: "", members: [member], used_by: [], created_at: "", updated_at: "" };
  test("a member's kind is what it looks like", async () => {
    api.on(contract.netgroups.addMember, lab);
    for (const [value, type] of [["10.0.0.0/8", "cidr"], ["::1", "ip"], ["10.1.2.3", "ip"], ["build.example.com", "hostname"]] as const) {
      expect((await run(["netgroup", "add-member", "lab", "--value", value])).out).toBe(`added the ${type} ${value} to the netgroup lab\n`);
      expect(api.last.body).toEqual({ type, value });
    }
    await run(["netgroup", "add-member", "lab", "--type", "hostname", "--value", "10"]);
    expect(api.last.body).toEqual({ type: "hostname", value: "10" });
  });
  test("a member is removed by its id or its value", async () => {
    api.on(contract.netgroups.show, lab).on(contract.netgroups.removeMember, undefined as never);
    expect((await run(["netgroup", "remove-member", "lab", "--value", "10.0.0.0/8"])).status).toBe(0);
    expect(api.last.params).toEqual({ name: "lab", id: "7" });
    expect(await run(["netgroup", "remove-member", "lab", "--value", "10.0.0.0/9"])).toMatchObject({ status: 5, err: expect.stringContaining("the netgroup lab has no member 10.0.0.0/9") });
    expect((await run(["netgroup", "remove-member", "lab", "--member-id", "9"])).status).toBe(0);
    expect((await run(["netgroup", "remove-member", "lab"])).status).toBe(2);
    expect((await run(["netgroup", "show", "lab"])).out).toContain("MEMBER ID  TYPE  VALUE       ADDRESSES\n7          cidr  10.0.0.0/8  -\n");
  });
});

test("clients are listed and disconnected", async () => {
  const client = { id: "nfs-1", protocol: "nfs" as const, address: "10.0.0.7:900", user: "alice", shares: ["/export"], connected_at: "a", last_seen_at: "b", requests: 12, bytes_in: 1536, bytes_out: 5 * 2 ** 30 };
  api.onList(contract.clients.list, [client]).on(contract.clients.disconnect, undefined as never);
  expect((await run(["client", "list", "--share", "/export", "--sort", "-requests"])).out).toBe("ID     PROTOCOL  ADDRESS       USER   SHARES   CONNECTED  LAST SEEN  REQUESTS  IN       OUT\nnfs-1  nfs       10.0.0.7:900  alice  /export  a          b          12        1.5 KiB  5 GiB\n");
  expect(api.last.query).toMatchObject({ share: "/export", sort: "-requests" });
  expect((await run(["client", "disconnect", "nfs-1", "--yes"])).out).toBe("disconnected the client nfs-1\n");
});

test("settings", async () => {
  const level = { key: "logging.level", value: "info", default: "info", help: "h", allowed: "debug, info" };
  api.onList(contract.settings.list, [level]).on(contract.settings.show, level).on(contract.settings.set, (got) => ({ ...level, ...got.body })).on(contract.settings.reset, undefined as never);
  expect((await run(["settings", "get", "logging.level"])).out).toBe("info\n");
  expect((await run(["settings", "set", "logging.level", "debug"])).out).toBe("logging.level is debug now\n");
  expect(api.last).toMatchObject({ params: { key: "logging.level" }, body: { value: "debug" } });
  expect((await run(["settings", "reset", "logging.level"])).status).toBe(0);
  expect((await run(["settings", "list", "-o", "yaml"])).out).toBe("- key: logging.level\n  value: info\n  default: info\n  help: h\n  allowed: debug, info\n");
});

describe("audit list", () => {
  const entries = [
    { number: 3, at: "t3", actor: "admin", address: "::1", action: "edit", target_type: "user", target: "alice", before: { uid: 1, groups: ["a"], version: 1 }, after: { uid: 2, groups: ["a"], version: 2 } },
    { number: 2, at: "t2", actor: "admin", address: "::1", action: "create", target_type: "user", target: "alice", before: null, after: { uid: 1 } },
    { number: 1, at: "t1", actor: "admin", address: "::1", action: "delete", target_type: "user", target: "bob", before: { uid: 1 }, after: null },
  ];
  const clock: Clock = { ...systemClock, now: () => new Time(Date.UTC(2026, 0, 2, 12) / 1000, 0) };
  test("shows the newest first, and what changed", async () => {
    api.onList(contract.audit.list, entries);
    expect((await run(["audit", "list"])).out).toBe(
      "NUMBER  WHEN  WHO    FROM  ACTION  WHAT        CHANGE\n3       t3    admin  ::1   edit    user alice  uid: 1 → 2\n2       t2    admin  ::1   create  user alice  uid=1\n1       t1    admin  ::1   delete  user bob    -\n",
    );
    expect(api.last.query).toEqual({ sort: "-number", page: 1, page_size: 100 });
  });
  test("reads since as a duration or a moment, and bounds how much", async () => {
    api.onList(contract.audit.list, entries);
    await run(["audit", "list", "--since", "90m", "--limit", "2", "--actor", "admin"], { clock });
    expect(api.last.query).toEqual({ sort: "-number", page: 1, page_size: 2, actor: "admin", since: "2026-01-02T10:30:00.000Z" });
    expect(JSON.parse((await run(["audit", "list", "--limit", "2", "-o", "json"])).out)).toHaveLength(2);
    await run(["audit", "list", "--since", "2026-01-01T00:00:00+01:00"], { clock });
    expect(api.last.query).toMatchObject({ since: "2025-12-31T23:00:00.000Z" });
    for (const bad of [["--since", "yesterday"], ["--since", "2026-13-40"], ["--limit", "0"], ["--limit", "many"]]) expect((await run(["audit", "list", ...bad])).status).toBe(2);
  });
});

test("share warm and share evict say what they fetched and removed", async () => {
  api.on(contract.shares.warm, { bytes: 3 * 2 ** 20, complete: true });
  expect((await run(["share", "warm", "/a"])).out).toBe("fetched 3 MiB; the local disk holds all of it\n");
  api.on(contract.shares.warm, { bytes: 2 ** 20, complete: false });
  expect((await run(["share", "warm", "/a"])).out).toBe("fetched 1 MiB; there is no room for the rest\n");
  api.on(contract.shares.evict, { bytes: 2 ** 20 });
  expect((await run(["share", "evict", "/a"])).out).toBe("removed 1 MiB of copies\n");
});

test("system drain-uploads says within seconds which store keeps it, once for each reason, and waits on", async () => {
  let drained = Promise.withResolvers<void>();
  const status = { version: "9", started_at: "2026-01-02T03:04:05.000Z", uptime_seconds: 5, pid: 3, data_dir: "/d", database: "sqlite" as const, shares: { serving: 2, disabled: 0, failed: 0, volatile: 0 }, adapters: [], clients: 0 };
  const [a, b] = [{ name: "one", error: 'there is no bucket "b"', since: null, shares: ["/a", "/c"] }, { name: "two", error: "the key may not", since: null, shares: ["/b"] }];
  api.on(contract.system.drainUploads, async () => {
    await drained.promise;
    return { bytes: 1, shares: [{ name: "/a", bytes: 1 }], duration_ms: 1000 };
  });
  let looks = 0;
  const wait = async (ms: number): Promise<void> => {
    expect(ms).toBeLessThanOrEqual(5_000);
    if (++looks === 4) drained.resolve();
    // The request lies with the server meanwhile.
    if (looks > 4) await drained.promise.then(() => new Promise(() => {}));
  };
  for (const [asked, err] of [
    [[], 'waiting for block store one (/a, /c): there is no bucket "b"\nwaiting for block store two (/b): the key may not\n'],
    [["--share", "/b"], "waiting for block store two (/b): the key may not\n"],
  ] as const) {
    looks = 0;
    drained = Promise.withResolvers();
    api.on(contract.system.status, { ...status, troubled_stores: [a, b] });
    expect(await run(["system", "drain-uploads", ...asked], { wait })).toMatchObject({ status: 0, out: "stored 1 bytes in 1.0 s: /a 1 bytes\n", err });
  }
});

test("system drain-uploads says what it stored", async () => {
  api.on(contract.system.drainUploads, { bytes: 3 * 2 ** 20, shares: [{ name: "/a", bytes: 3 * 2 ** 20 }, { name: "/b", bytes: 0 }], duration_ms: 1234 });
  expect((await run(["system", "drain-uploads", "--share", "/a"])).out).toBe("stored 3 MiB in 1.2 s: /a 3 MiB\n");
  expect(api.last.query).toEqual({ share: "/a" });
});

describe("profile", () => {
  const folder = temporary("profiles");
  const clock: Clock = { ...systemClock, now: () => new Time(1_800_000_000, 0) };

  test("writes the bytes that the server gives, says where, and asks for so many seconds", async () => {
    const bytes = new Uint8Array([31, 139, 0, 255, 254, 128, 10]);
    api.on(contract.profiles.take, bytes);
    const file = join(folder, "a.pb.gz");
    const { status, out, err } = await run(["profile", "cpu", "--seconds", "3", "--output", file]);
    expect({ status, out, err }).toEqual({ status: 0, out: `wrote ${file} (7 bytes)\n`, err: "recording for 3 s\n" });
    expect(new Uint8Array(readFileSync(file))).toEqual(bytes);
    expect(api.last).toMatchObject({ params: { type: "cpu" }, query: { seconds: 3 } });
  });
  test("overwrites nothing, and says so before it takes the profile", async () => {
    const file = join(folder, "b.pb.gz");
    writeFileSync(file, "precious");
    expect(await run(["profile", "inuse_objects", "-o", file])).toMatchObject({ status: 6, err: expect.stringContaining(`${file} is there already`) });
    expect(readFileSync(file, "utf8")).toBe("precious");
    expect(api.got).toEqual([]);
  });
  test("where it can't be written is said before it is taken, and nothing is left there", async () => {
    for (const file of [join(folder, "nowhere", "d.pb.gz"), join(folder, "d".repeat(300)), join(folder, "d/")]) {
      expect(await run(["profile", "cpu", "--output", file])).toMatchObject({ status: 1, err: expect.stringContaining(`the profile can't be written: `) });
    }
    expect(api.got).toEqual([]);
    expect(readdirSync(folder).filter((name) => name.startsWith("d"))).toEqual([]);
  });
  test("has a name of its own for the file, the type's and the time's", async () => {
    api.on(contract.profiles.take, new Uint8Array([1]));
    const before = process.cwd();
    process.chdir(folder);
    try {
      expect((await run(["profile", "inuse_space"], { clock })).out).toBe("wrote inuse_space-20270115T080000Z.pb.gz (1 bytes)\n");
    } finally {
      process.chdir(before);
    }
    expect(existsSync(join(folder, "inuse_space-20270115T080000Z.pb.gz"))).toBe(true);
  });
  test("of a type there is none of, for too long, while another is taken: refused", async () => {
    expect(await run(["profile", "goroutines"])).toMatchObject({ status: 2, err: expect.stringContaining("cpu, inuse_objects, inuse_space") });
    expect(await run(["profile", "cpu", "--seconds", "3600"])).toMatchObject({ status: 2, err: expect.stringContaining("--seconds") });
    api.on(contract.profiles.take, new Refusal("busy", "A profile is being taken already; there is one at a time.", { hint: "Try again in 7 s." }) as never);
    expect(await run(["profile", "cpu", "-o", join(folder, "c.pb.gz")])).toMatchObject({ err: expect.stringContaining("Try again in 7 s.") });
    expect(existsSync(join(folder, "c.pb.gz"))).toBe(false);
  });
});
