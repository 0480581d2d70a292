import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { systemRandom } from "../../../src/base/random.ts";
import { type Api, type Peer, createApi } from "../../../src/api/server/index.ts";
import { etagOf, versionOf } from "../../../src/api/server/etag.ts";
import { limits } from "../../../src/api/server/limits.ts";
import { nfsLines } from "../../../src/api/server/mount-lines.ts";
import { pageOf } from "../../../src/api/server/paging.ts";
import { Refusal } from "../../../src/api/server/refusal.ts";
import { ControlError } from "../../../src/control/errors.ts";
import { DatabaseError } from "#control/database/port.ts";
import type { Runtime } from "../../../src/control/runtime.ts";
import type { ControlPlane } from "../../../src/control/services.ts";
import { type TestApi, serveApi } from "../../support/api-server.ts";
import type { Profiles } from "#telemetry/profiling/profiler.ts";
import { type FakeControl, fakeControl, fakeProfiles, fakeRuntime, fakeUser } from "../../support/fake-control.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { LogLines } from "../../support/log-lines.ts";

function withAdmin(): FakeControl {
  const control = fakeControl();
  control.rows.users.add("admin", fakeUser("admin", { role: "admin" }));
  control.rows.users.add("user", fakeUser("user"));
  return control;
}

function apiOver(control: ControlPlane, runtime: Runtime = fakeRuntime(), tls = false, hosts: readonly string[] | null = null, profiles: Profiles = fakeProfiles()): { readonly api: Api; readonly clock: ManualClock; readonly log: LogLines } {
  const clock = new ManualClock();
  const log = new LogLines();
  const about = { version: "0", startedAt: 1_800_000_000_000, pid: 1, dataDir: "/srv/dittofs" };
  return { api: createApi({ control, runtime, profiles, clock, random: systemRandom, logger: log, about, tls, hosts }), clock, log };
}

const peer: Peer = { address: "192.0.2.7", unhurried() {} };
const request = (method: string, path: string, init: RequestInit = {}): Request => new Request(`http://server${path}`, { ...init, method, headers: { authorization: "Bearer access.admin", ...(init.headers as Record<string, string>) } });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the host a call names", () => {
  const statusFor = async (host: string, path: string, hosts: readonly string[] | null) => {
    const response = await apiOver(withAdmin(), fakeRuntime(), false, hosts).api.fetch(new Request(`http://${host}${path}`, { headers: { authorization: "Bearer access.admin" } }), peer);
    return [response.status, response.status === 200 ? null : ((await response.json()) as { code: string }).code];
  };

  test.each(["/health", "/api/v1/users", "/api/docs", "/api/v1/nothing"])("must be this machine's own where it listens there alone: %s", async (path) => {
    for (const host of ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "server", "notlocalhost"]) expect(await statusFor(host, path, [])).toEqual([421, "misdirected"]);
  });

  test("may be localhost, any address, or a name that was listed", async () => {
    for (const host of ["localhost", "LOCALHOST:8080", "localhost.", "app.localhost", "127.0.0.1:1", "192.0.2.1", "[::1]:8080", "Proxy.Example"]) expect(await statusFor(host, "/health", ["proxy.example"])).toEqual([200, null]);
    expect(await statusFor("proxy.example.org", "/health", ["proxy.example"])).toEqual([421, "misdirected"]);
  });

  test("may be any where others reach it, too", async () => {
    expect(await statusFor("files.example", "/health", null)).toEqual([200, null]);
  });
});

test("role user is not told where the data lies", async () => {
  const { api } = apiOver(withAdmin());
  const of = async (user: string) => ((await (await api.fetch(new Request("http://server/api/v1/status", { headers: { authorization: `Bearer access.${user}` } }), peer)).json()) as { data_dir: unknown }).data_dir;
  expect([await of("admin"), await of("user")]).toEqual(["/srv/dittofs", null]);
});

describe("a call that takes too long", () => {
  test("is answered with 503, and its end noted", async () => {
    let fail = (_: Error): void => {};
    const control = withAdmin();
    const { api, clock, log } = apiOver({ ...control, stores: { ...control.stores, check: () => new Promise((_, reject) => (fail = reject)) } });
    const answer = api.fetch(request("GET", "/api/v1/store/block/default/health"), peer);
    while (clock.pending === 0) await turn();
    clock.pass(limits.callMs);
    const problem = await unavailable(await answer);
    expect(problem).toMatchObject({ code: "unavailable", detail: "The call was not done within 30 seconds. What it began goes on." });
    fail(new Error("it ended badly"));
    await turn();
    expect(log.lines.at(-1)).toContain("it ended badly");
  });

  test("has all the time it needs where it drains, and its connection may be silent", async () => {
    let done = (_: ReadonlyMap<string, number>): void => {};
    let unhurried = 0;
    const { api, clock } = apiOver(withAdmin(), { ...fakeRuntime(), drain: () => new Promise((resolve) => (done = resolve)) });
    const answer = api.fetch(request("POST", "/api/v1/system/drain-uploads"), { ...peer, unhurried: () => void unhurried++ });
    await turn();
    clock.pass(100 * limits.callMs);
    done(new Map([["/export", 5]]));
    expect(await (await answer).json()).toMatchObject({ bytes: 5, shares: [{ name: "/export", bytes: 5 }], duration_ms: 100 * limits.callMs });
    expect(unhurried).toBe(1);
  });
});

describe("a profile", () => {
  const profile = (path: string, profiles: Profiles) => {
    const { api } = apiOver(withAdmin(), fakeRuntime(), false, null, profiles);
    return api.fetch(request("GET", `/api/v1/profiles/${path}`), peer);
  };
  test("is answered as the bytes it is, after the seconds that were asked for, or ten", async () => {
    const asked: unknown[] = [];
    const bytes = new Uint8Array([31, 139, 0, 255, 128]);
    const profiles: Profiles = { busySec: 0, take: async (...what) => (asked.push(what), bytes) };
    const response = await profile("cpu?seconds=60", profiles);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/vnd.google.protobuf+gzip"]);
    expect(await response.bytes()).toEqual(bytes);
    await profile("inuse_space", profiles);
    expect(asked).toEqual([["cpu", 60], ["inuse_space", 10]]);
  });
  test("is refused where one is being taken, with the time that takes", async () => {
    const response = await profile("cpu", { busySec: 6.2, take: async () => null });
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "7"]);
    expect(await response.json()).toMatchObject({ code: "busy", hint: "Try again in 7 s." });
  });
  test("of no type there is, or for more than a minute, is refused", async () => {
    for (const path of ["alloc_space", "cpu?seconds=0", "cpu?seconds=61", "cpu?seconds=1e9"]) expect((await profile(path, fakeProfiles())).status).toBe(400);
  });
});

async function unavailable(response: Response): Promise<unknown> {
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
  return await response.json();
}

describe("calls in hand", () => {
  test("are bounded", async () => {
    const waiting: (() => void)[] = [];
    const control = withAdmin();
    const { api } = apiOver({ ...control, stores: { ...control.stores, check: () => new Promise((resolve) => waiting.push(() => resolve({ healthy: true, error: null, latencyMs: 1, checkedAt: 0 }))) } });
    const calls = Array.from({ length: limits.callsMax }, () => api.fetch(request("GET", "/api/v1/store/block/default/health"), peer));
    while (waiting.length < limits.callsMax) await turn();
    expect(await unavailable(await api.fetch(request("GET", "/health"), peer))).toMatchObject({ code: "unavailable" });
    for (const resolve of waiting) resolve();
    expect((await Promise.all(calls)).every((response) => response.status === 200)).toBe(true);
    expect((await api.fetch(request("GET", "/health"), peer)).status).toBe(200);
  });

  test("of strangers leave room for those who are known, however slowly their bodies come", async () => {
    const { api } = apiOver(withAdmin());
    const ends: ReadableStreamDefaultController<Uint8Array>[] = [];
    const slow = () => new ReadableStream<Uint8Array>({ start: (controller) => void ends.push(controller) });
    const login = () => new Request("http://server/api/v1/auth/login", { method: "POST", body: slow(), headers: { "content-type": "application/json" }, duplex: "half" } as RequestInit);
    const answers = Array.from({ length: limits.callsMax }, () => api.fetch(login(), peer));
    await turn();
    expect((await api.fetch(request("GET", "/api/v1/users"), peer)).status).toBe(200);
    expect((await api.fetch(request("GET", "/health"), peer)).status).toBe(200);
    expect(await unavailable(await api.fetch(login(), peer))).toMatchObject({ detail: `The server has ${limits.strangersMax} log-ins in hand.` });
    for (const end of ends) end.close();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 400).length).toBe(limits.strangersMax);
    const later = api.fetch(login(), peer);
    ends.at(-1)?.close();
    expect((await later).status).toBe(400);
  });

  test("of one user leave room for the others, however slowly their bodies come", async () => {
    const { api } = apiOver(withAdmin());
    const ends: ReadableStreamDefaultController<Uint8Array>[] = [];
    const slow = () => new ReadableStream<Uint8Array>({ start: (controller) => void ends.push(controller) });
    const post = (user: string) => new Request("http://server/api/v1/users/me/password", { method: "POST", body: slow(), headers: { authorization: `Bearer access.${user}`, "content-type": "application/json" }, duplex: "half" } as RequestInit);
    const answers = Array.from({ length: 2 * limits.bodiesPerUserMax }, () => api.fetch(post("user"), peer));
    await turn();
    const refused = await Promise.all(answers.slice(limits.bodiesPerUserMax));
    expect(await unavailable(refused[0] as Response)).toMatchObject({ detail: `${limits.bodiesPerUserMax} requests of user are still on their way.` });
    expect(refused.every(({ status }) => status === 503)).toBe(true);
    const other = api.fetch(post("admin"), peer);
    ends.at(-1)?.close();
    expect((await other).status).toBe(400);
    for (const end of ends.slice(0, -1)) end.close();
    expect((await Promise.all(answers.slice(0, limits.bodiesPerUserMax))).every(({ status }) => status === 400)).toBe(true);
    const later = api.fetch(post("user"), peer);
    ends.at(-1)?.close();
    expect((await later).status).toBe(400);
  });

  test("are waited for when the server stops; others are refused and their connection closed", async () => {
    let release = (): void => {};
    const control = withAdmin();
    const { api } = apiOver({ ...control, health: () => new Promise((resolve) => (release = () => resolve(null))) });
    const call = api.fetch(request("GET", "/health"), peer);
    let closed = false;
    const closing = api.close().then(() => (closed = true));
    const refused = await api.fetch(request("GET", "/health"), peer);
    expect(refused.headers.get("connection")).toBe("close");
    expect(await unavailable(refused)).toMatchObject({ code: "unavailable", detail: "The server is stopping." });
    expect(closed).toBe(false);
    release();
    expect((await call).status).toBe(200);
    await closing;
  });
});

describe("what the control plane refuses", () => {
  test("comes with its hint, its fields and when to come back", async () => {
    const control = withAdmin();
    const refusing = {
      ...control.users,
      list: () => {
        throw new ControlError("too_many_attempts", "Too many attempts.", { hint: "Wait.", fields: [{ field: "username", message: "was tried too often" }], retryAfterSec: 2.2 });
      },
    };
    const response = await apiOver({ ...control, users: refusing }).api.fetch(request("GET", "/api/v1/users"), peer);
    expect(response.headers.get("retry-after")).toBe("3");
    expect(await response.json()).toMatchObject({ status: 429, code: "too_many_attempts", detail: "Too many attempts.", hint: "Wait.", errors: [{ field: "username", message: "was tried too often" }] });
  });

  test("of a database that is away is said to be that, and where it is to the log alone", async () => {
    const control = withAdmin();
    const away = {
      ...control.logins,
      login: () => Promise.reject(new DatabaseError("PostgreSQL at db.internal:5432 refuses connections")),
    };
    const { api, log } = apiOver({ ...control, logins: away });
    const response = await api.fetch(request("POST", "/api/v1/auth/login", { body: JSON.stringify({ username: "admin", password: "right password" }), headers: { "content-type": "application/json" } }), peer);
    const text = await response.text();
    expect([response.status, JSON.parse(text).code]).toEqual([503, "unavailable"]);
    expect(text).not.toContain("db.internal");
    expect(log.lines.at(-1)).toContain("db.internal:5432 refuses connections");
  });

  test("nobody expected is told to the log alone", async () => {
    const control = withAdmin();
    const broken = {
      ...control.users,
      list: () => {
        throw new Error("secret of the inside", { cause: new Error("and its cause\nparams: $2b$04$hash") });
      },
    };
    const { api, log } = apiOver({ ...control, users: broken });
    const response = await api.fetch(request("GET", "/api/v1/users"), peer);
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toMatch(/secret of the inside|middleware\.test/);
    const { instance } = JSON.parse(text) as { instance: string };
    const line = log.lines.at(-1) as string;
    expect(line).toContain("secret of the inside");
    expect(line).toContain("and its cause");
    expect(line).not.toContain("$2b$");
    expect(line).toContain(instance.slice("urn:dittofs:request:".length));
    expect(response.headers.get("x-request-id")).toBe(instance.slice("urn:dittofs:request:".length));
  });
});

test("who asks for a change, and from where, reaches the control plane", async () => {
  const control = withAdmin();
  const actors: unknown[] = [];
  const { api } = apiOver({ ...control, groups: { ...control.groups, create: (actor, group) => (actors.push(actor), control.groups.create(actor, group)) } });
  await api.fetch(request("POST", "/api/v1/groups", { body: '{"name":"staff"}', headers: { "content-type": "application/json", "x-forwarded-for": "203.0.113.9" } }), peer);
  expect(actors).toEqual([{ name: "admin", address: "192.0.2.7" }]);
});

test.each(["http://a/health", "http://nas/health?x", "http://[::1]/health", "http://server:8080/health/"])("%s finds its way, however short the host", async (url) => {
  const response = await apiOver(withAdmin()).api.fetch(new Request(url), peer);
  expect(response.status).toBe(url.includes("?x") ? 400 : 200);
});

test("neither addresses, headers nor bodies are logged", async () => {
  const { api, log } = apiOver(withAdmin());
  const secret = "planted-4711";
  await api.fetch(request("GET", `/api/v1/users?search=${secret}`), peer);
  await api.fetch(request("GET", `/${secret}`), peer);
  await api.fetch(request("GET", "/api/v1/users", { headers: { authorization: `Bearer ${secret}`, cookie: secret, "user-agent": secret } }), peer);
  await api.fetch(request("POST", "/api/v1/auth/login", { body: JSON.stringify({ username: secret, password: secret }), headers: { "content-type": "application/json" } }), peer);
  await api.fetch(request("POST", "/api/v1/auth/login", { body: `{"password":"${secret}`, headers: { "content-type": "application/json" } }), peer);
  expect(log.lines.length).toBe(5);
  expect(log.lines.join("\n")).not.toContain(secret);
});

describe("health", () => {
  const asked = async (control: ControlPlane, path: string, runtime?: Runtime) => {
    const response = await apiOver(control, runtime).api.fetch(new Request(`http://server${path}`), peer);
    return { status: response.status, body: (await response.json()) as { status: unknown; code?: string; health?: { status: string; data: unknown }; data?: Record<string, unknown> } };
  };

  test("lives whatever happens, and says when the database doesn't answer", async () => {
    expect(await asked(withAdmin(), "/health")).toMatchObject({ status: 200, body: { status: "healthy", data: { service: "dittofs", control_plane_db: "healthy" } } });
    const sick = await asked({ ...withAdmin(), health: async () => "connection to 10.1.2.3 refused" }, "/health");
    expect(sick).toMatchObject({ status: 200, body: { status: "degraded" } });
    expect(JSON.stringify(sick)).not.toContain("10.1.2.3");
  });

  test("asks the database once a second, however many ask", async () => {
    let queries = 0;
    const { api, clock } = apiOver({ ...withAdmin(), health: async () => (queries++, null) });
    for (let i = 0; i < 20; i++) await api.fetch(new Request("http://server/health"), peer);
    expect(queries).toBe(1);
    clock.pass(limits.healthMs);
    await api.fetch(new Request("http://server/health"), peer);
    expect(queries).toBe(2);
  });

  test("is not ready without its adapter or its database; a failed share degrades it", async () => {
    expect(await asked(withAdmin(), "/health/ready")).toMatchObject({ status: 200, body: { status: "healthy" } });
    const down: Runtime = { ...fakeRuntime(), adapter: () => ({ running: false, error: "secret reason", address: null, port: null, connections: 0 }) };
    const unready = await asked(withAdmin(), "/health/ready", down);
    expect(unready).toMatchObject({ status: 503, body: { code: "unavailable", health: { status: "unhealthy" } } });
    expect(JSON.stringify(unready)).not.toContain("secret reason");
    expect((await asked({ ...withAdmin(), health: async () => "down" }, "/health/ready")).status).toBe(503);
    const control = withAdmin();
    await control.shares.create({ name: "", address: "" }, { name: "/export" });
    expect(await asked(control, "/health/ready", { ...fakeRuntime(), share: () => ({ state: "failed", error: "x", dirtyBytes: 0, unstoredBytes: 0, oldestUnstoredMs: null, storeError: null, diskCache: null }) })).toMatchObject({ status: 200, body: { status: "degraded" } });
  });

  test("tells each store's latency, not its reason", async () => {
    expect(await asked(withAdmin(), "/health/stores")).toMatchObject({ status: 200, body: { status: "healthy", data: { stores: [{ kind: "metadata", name: "default", latency_ms: 1 }, { kind: "block" }] } } });
    const control = withAdmin();
    const sick = await asked({ ...control, stores: { ...control.stores, known: () => ({ healthy: false, error: "no route to 10.1.2.3", latencyMs: null, checkedAt: 0 }) } }, "/health/stores");
    expect(sick).toMatchObject({ status: 503, body: { health: { status: "unhealthy" } } });
    expect(JSON.stringify(sick)).not.toContain("10.1.2.3");
  });
});

describe("over a socket", () => {
  let server: TestApi | null = null;
  afterEach(async () => {
    await server?.listener.stop(0);
    server = null;
  });

  /** What a server answers to these bytes, until it closes or has said all of one answer. */
  function exchange(port: number, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let answer = "";
      const socket = connect(port, "127.0.0.1", () => socket.write(text));
      socket.setEncoding("utf8");
      socket.on("data", (chunk: string) => {
        answer += chunk;
        const length = /content-length: (\d+)/i.exec(answer)?.[1];
        if (length !== undefined && answer.length - answer.indexOf("\r\n\r\n") - 4 >= Number(length)) socket.destroy();
      });
      socket.on("close", () => resolve(answer));
      socket.on("error", reject);
    });
  }

  test("a body in chunks is read no further than the bound, and an announced one not at all", async () => {
    server = await serveApi(withAdmin());
    const head = "POST /api/v1/groups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer access.admin\r\nContent-Type: application/json\r\n";
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    const chunked = await exchange(server.listener.port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}`);
    expect(chunked).toStartWith("HTTP/1.1 413");
    const announced = await exchange(server.listener.port, `${head}Content-Length: 99999999999\r\n\r\n{`);
    expect(announced).toStartWith("HTTP/1.1 413");
    expect(announced).toContain('"code":"too_large"');
  });

  test("a body in small chunks is taken", async () => {
    server = await serveApi(withAdmin());
    const head = "POST /api/v1/groups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer access.admin\r\nContent-Type: application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect(await exchange(server.listener.port, `${head}8\r\n{"name":\r\n4\r\n"x"}\r\n0\r\n\r\n`)).toStartWith("HTTP/1.1 201");
  });
});

describe("If-Match", () => {
  test.each([[null, null], ["*", null], [" * ", null], ['"v3"', 3], ['"v3" ', 3], ['"x", "v3"', 3], ['W/"v2", "v3"', 3], ['"v3","v3"', 3]] as const)("%p asks for version %p", (header, version) => {
    expect(versionOf(header)).toBe(version);
  });
  test.each(['W/"v3"', '"3"', '"v03x"', `"v${"9".repeat(16)}"`])("%p matches nothing", (header) => {
    expect(() => versionOf(header)).toThrow(expect.objectContaining({ code: "changed_meanwhile" }));
  });
  test.each(["v3", "", ",", "3", '"v3', '*, "v3"', '"v1", "v2"', '"v\n3"', '"x", '.repeat(40)])("%p is refused", (header) => {
    expect(() => versionOf(header)).toThrow(expect.objectContaining({ code: "invalid_request" }));
    expect(() => versionOf(header)).toThrow(Refusal);
  });
  test("takes the ETag that was answered", () => {
    expect(versionOf(etagOf(17))).toBe(17);
  });
});

test("a page is cut from the sorted list; equal items keep their order", () => {
  const items = [{ a: 2, b: "x" }, { a: 1, b: "y" }, { a: 2, b: "z" }, { a: 3, b: "w" }];
  const page = (query: object) => pageOf(items, query, { a: (item: { a: number }) => item.a }, (item: { b: string }) => item.b);
  expect(page({})).toEqual({ items: ["y", "x", "z", "w"], page: 1, page_size: 100, total: 4 });
  expect(page({ sort: "-a", page: 2, page_size: 2 })).toEqual({ items: ["z", "y"], page: 2, page_size: 2, total: 4 });
  expect(page({ page: 9 })).toEqual({ items: [], page: 9, page_size: 100, total: 4 });
});

test("the lines that mount a share", () => {
  expect(nfsLines("nas", 12049, "/export")).toEqual({
    linux: "sudo mount -t nfs -o vers=3,proto=tcp,mountproto=tcp,port=12049,mountport=12049,nolock nas:/export /mnt",
    macos: "sudo mount -t nfs -o vers=3,tcp,port=12049,mountport=12049,nolocks nas:/export /private/tmp/mnt",
    windows: "mount -o anon,nolock \\\\nas\\export Z:   (needs the server's port to be 2049 and its portmapper: Windows can't be told a port)",
  });
  expect(nfsLines("[::1]", 2049, "/my 'files'").linux).toEndWith("'[::1]:/my '\\''files'\\''' /mnt");
  expect(nfsLines("nas", 2049, "/my files").windows).toBe('mount -o anon,nolock "\\\\nas\\my files" Z:');
  expect(nfsLines("nas", 2049, "/a&b").windows).toBe('mount -o anon,nolock "\\\\nas\\a&b" Z:');
  for (const name of ['/a"&calc&"', "/%COMSPEC%"]) expect(nfsLines("nas", 12049, name).windows).toBe("(no command line of Windows can hold this share's name)");
});
