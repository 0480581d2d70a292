import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { NfsClient, NfsError, Stable, Status } from "../../support/nfs-client.ts";
import { freePort, Server, temporaryDirectory } from "../../support/server.ts";
import { until } from "../../support/wait.ts";

/** What operators change over REST is what mounted clients meet with their next operation. */

const directory = temporaryDirectory("live");
const dataDir = join(directory.path, "data");
let server: Server;
let admin: Admin;

beforeAll(async () => {
  server = await Server.start({ dataDir, port: await freePort(), args: ["--bind", "127.0.0.1"] });
  admin = await Admin.at(server);
});

afterAll(async () => {
  expect(await server.stop()).toBe(0);
  directory.remove();
});

function connect(uid: number, port = server.port): Promise<NfsClient> {
  return NfsClient.connect({ port, credentials: { uid, gid: uid } });
}

/** The NFS status a call is refused with; ok where it isn't. */
async function statusOf(work: Promise<unknown>): Promise<number> {
  try {
    await work;
    return Status.ok;
  } catch (error) {
    if (error instanceof NfsError) return error.status;
    throw error;
  }
}

function libnfs(tool: string, ...args: readonly string[]): { readonly status: number; readonly out: string } {
  const result = Bun.spawnSync([tool, ...args]);
  return { status: result.exitCode, out: result.stdout.toString() };
}

function url(share: string, path = "", port = server.port): string {
  return `nfs://127.0.0.1${share}${path}?version=3&nfsport=${port}&mountport=${port}`;
}

async function put(client: NfsClient, directoryHandle: Uint8Array, name: string, text: string): Promise<Uint8Array> {
  const { handle } = await client.create(directoryHandle, name, { mode: 0o666 });
  await client.write(handle, 0, new TextEncoder().encode(text), Stable.fileSync);
  return handle;
}

test("a share that is created while a client works in another is mounted at once, and the other never notices", async () => {
  const worker = await connect(1000);
  const home = await worker.mount("/export");
  let stop = false;
  let written = 0;
  const working = (async () => {
    for (; !stop; written++) await put(worker, home, `busy-${written % 20}`, `${written}`);
  })();
  for (let i = 0; i < 3; i++) {
    const name = `/made-${i}`;
    const created = await admin.ask("POST", "/api/v1/shares", { name, default_permission: "read-write" });
    expect([created.status, created.headers.get("location")]).toEqual([201, `/api/v1/shares/made-${i}`]);
    expect(created.body).toMatchObject({ name, state: "serving" });
    const file = join(directory.path, "file");
    writeFileSync(file, `content for ${name}`);
    expect(libnfs("nfs-cp", file, url(name, "/file")).status).toBe(0);
    expect(libnfs("nfs-ls", url(name)).out).toMatch(/ file\n/);
    const before = written;
    await until("the other client to go on", 5_000, () => (written > before ? true : null));
  }
  stop = true;
  await working;
  worker.close();
});

test("a new share's root is 1777 unless --root-mode says otherwise", async () => {
  await admin.do("POST", "/api/v1/shares", { name: "/usual" });
  await admin.do("POST", "/api/v1/shares", { name: "/narrow", root_mode: 0o750 });
  const client = await connect(0);
  const modes = [];
  for (const name of ["/usual", "/narrow"]) modes.push((await client.getattr(await client.mount(name))).mode & 0o7777);
  expect(modes).toEqual([0o1777, 0o750]);
  client.close();
});

describe("under a mounted client", () => {
  let client: NfsClient;
  let root: Uint8Array;
  let handle: Uint8Array;

  beforeAll(async () => {
    await admin.do("POST", "/api/v1/shares", { name: "/live", default_permission: "read-write" });
    client = await connect(1000);
    root = await client.mount("/live");
    handle = await put(client, root, "file", "content");
  });

  afterAll(() => client.close());

  const edit = (change: object) => admin.do("PUT", "/api/v1/shares/live", change);

  test("a disabled share refuses new requests with a clear error and keeps its data; enabled again it goes on", async () => {
    await admin.do("POST", "/api/v1/shares/live/disable");
    expect(await statusOf(client.read(handle, 0, 100))).toBe(Status.access);
    expect(await statusOf(client.getattr(root))).toBe(Status.access);
    expect(await statusOf(client.create(root, "never", {}))).toBe(Status.access);
    await expect(client.mount("/live")).rejects.toThrow();
    expect((await admin.do("GET", "/api/v1/shares/live")).state).toBe("disabled");
    await admin.do("POST", "/api/v1/shares/live/enable");
    expect((await client.read(handle, 0, 100)).data.toString()).toBe("content");
    expect(await statusOf(client.lookup(root, "never"))).toBe(Status.noEntry);
  });

  test("squash: who the next file is made by", async () => {
    const superuser = await connect(0);
    const ownerOf = async (name: string) => (await superuser.getattr((await superuser.create(root, name, {})).handle)).uid;
    expect(await ownerOf("by-guest")).toBe(65534);
    await edit({ squash: "none" });
    expect(await ownerOf("by-root")).toBe(0);
    await edit({ squash: "all_to_guest", anonymous_uid: 4242 });
    expect(await ownerOf("by-4242")).toBe(4242);
    await edit({ squash: "root_to_guest", anonymous_uid: 65534 });
    expect(await ownerOf("by-guest-again")).toBe(65534);
    superuser.close();
  });

  test("grants: user beats group beats the share's default, from the next operation on", async () => {
    await admin.do("POST", "/api/v1/groups", { name: "staff", gid: 3000 });
    await admin.do("POST", "/api/v1/users", { username: "alice", password: "correct horse battery", uid: 1000, gid: 1000, groups: ["staff"] });
    const write = () => statusOf(client.write(handle, 0, new TextEncoder().encode("changed"), Stable.fileSync));
    const read = () => statusOf(client.read(handle, 0, 10));
    expect([await read(), await write()]).toEqual([Status.ok, Status.ok]);
    await edit({ default_permission: "none" });
    expect([await read(), await write()]).toEqual([Status.access, Status.access]);
    await admin.do("PUT", "/api/v1/shares/live/permissions/groups/staff", { level: "read" });
    expect(await read()).toBe(Status.ok);
    expect(await write()).not.toBe(Status.ok);
    await admin.do("PUT", "/api/v1/shares/live/permissions/users/alice", { level: "read-write" });
    expect([await read(), await write()]).toEqual([Status.ok, Status.ok]);
    const stranger = await connect(1001);
    expect(await statusOf(stranger.read(handle, 0, 10))).toBe(Status.access);
    stranger.close();
    await admin.do("PUT", "/api/v1/users/alice", { enabled: false });
    expect([await read(), await write()]).toEqual([Status.access, Status.access]);
    await admin.do("PUT", "/api/v1/users/alice", { enabled: true });
    await admin.do("DELETE", "/api/v1/shares/live/permissions/users/alice");
    expect(await write()).not.toBe(Status.ok);
    await edit({ default_permission: "read-write" });
    await admin.do("DELETE", "/api/v1/shares/live/permissions/groups/staff");
    expect([await read(), await write()]).toEqual([Status.ok, Status.ok]);
  });

  test("read-only and durability", async () => {
    await edit({ read_only: true, durability: "writeback" });
    expect(await statusOf(client.create(root, "refused", {}))).toBe(Status.readOnly);
    expect((await client.read(handle, 0, 10)).data.toString()).toBe("changed");
    await edit({ read_only: false, durability: "local" });
    expect(await statusOf(client.create(root, "taken", {}))).toBe(Status.ok);
  });

  test("allowed clients and netgroups: who is not let in any more is refused, mounted or not", async () => {
    await edit({ allowed_clients: ["10.9.8.7"] });
    expect(await statusOf(client.getattr(root))).toBe(Status.access);
    await expect(client.mount("/live")).rejects.toThrow();
    await admin.do("POST", "/api/v1/netgroups", { name: "lab" });
    await admin.do("POST", "/api/v1/netgroups/lab/members", { type: "cidr", value: "127.0.0.0/8" });
    await edit({ netgroups: ["lab"] });
    expect(await statusOf(client.getattr(root))).toBe(Status.ok);
    await edit({ netgroups: [], allowed_clients: null });
    expect(await statusOf(client.getattr(root))).toBe(Status.ok);
  });

  test("clients are listed, and can be disconnected; they come back", async () => {
    const { items } = await admin.do("GET", "/api/v1/clients?share=%2Flive");
    expect(items.length).toBeGreaterThan(0);
    expect((await admin.do("GET", "/api/v1/shares/live/mounts")).items).toMatchObject([{ client: "127.0.0.1", protocol: "nfs", share: "/live" }]);
    for (const { id } of items) expect((await admin.ask("DELETE", `/api/v1/clients/${id}`)).status).toBe(204);
    await expect(client.getattr(root)).rejects.toThrow();
    await client.reconnect();
    expect(await statusOf(client.getattr(root))).toBe(Status.ok);
  });
});

describe("a share that is in use", () => {
  test("is not deleted without force; its data stays until it is purged", async () => {
    await admin.do("POST", "/api/v1/shares", { name: "/doomed", default_permission: "read-write" });
    const client = await connect(1000);
    const root = await client.mount("/doomed");
    const handle = await put(client, root, "file", "precious");
    const refused = await admin.ask("DELETE", "/api/v1/shares/doomed");
    expect([refused.status, refused.body.code]).toEqual([409, "in_use"]);
    expect((await client.read(handle, 0, 100)).data.toString()).toBe("precious");
    expect((await admin.ask("DELETE", "/api/v1/shares/doomed?force=true")).status).toBe(204);
    expect(await statusOf(client.read(handle, 0, 100))).toBe(Status.stale);
    await expect(client.mount("/doomed")).rejects.toThrow();
    expect(existsSync(join(dataDir, "shares/doomed/metadata.db"))).toBe(true);

    const again = await admin.ask("POST", "/api/v1/shares", { name: "/doomed" });
    expect([again.status, again.body.code]).toEqual([409, "data_exists"]);
    await admin.do("POST", "/api/v1/shares", { name: "/doomed", adopt: true, default_permission: "read-write" });
    expect((await client.read(handle, 0, 100)).data.toString()).toBe("precious");

    expect((await admin.ask("DELETE", "/api/v1/shares/doomed?force=true&purge=true")).status).toBe(204);
    expect(existsSync(join(dataDir, "shares/doomed"))).toBe(false);
    await admin.do("POST", "/api/v1/shares", { name: "/doomed", default_permission: "read-write" });
    expect(await statusOf(client.read(handle, 0, 100))).not.toBe(Status.ok);
    expect(await statusOf(client.lookup(await client.mount("/doomed"), "file"))).toBe(Status.noEntry);
    client.close();
  });
});

test("a store with a path: shares lie in it, each in a directory of its own, and are gone from it when purged", async () => {
  const place = join(directory.path, "elsewhere");
  await admin.do("POST", "/api/v1/store/metadata", { name: "fast", type: "sqlite", config: { path: join(place, "meta") } });
  await admin.do("POST", "/api/v1/store/block", { name: "big", type: "filesystem", config: { path: join(place, "blocks") } });
  const bad = await admin.ask("POST", "/api/v1/store/block", { name: "bad", type: "filesystem", config: { path: "/proc/nowhere" } });
  expect([bad.status, bad.body.code]).toEqual([503, "store_unreachable"]);
  await admin.do("POST", "/api/v1/shares", { name: "/apart", metadata: "fast", blocks: "big", default_permission: "read-write" });
  const client = await connect(1000);
  await put(client, await client.mount("/apart"), "file", "x".repeat(200_000));
  await admin.do("POST", "/api/v1/system/drain-uploads");
  expect(readdirSync(join(place, "meta/apart"))).toContain("metadata.db");
  expect(readdirSync(join(place, "blocks/apart/objects")).length).toBeGreaterThan(0);
  const inUse = await admin.ask("DELETE", "/api/v1/store/block/big");
  expect([inUse.status, inUse.body.code]).toEqual([409, "in_use"]);
  await admin.do("DELETE", "/api/v1/shares/apart?force=true&purge=true");
  expect([readdirSync(join(place, "meta")), readdirSync(join(place, "blocks"))]).toEqual([[], []]);
  await admin.do("DELETE", "/api/v1/store/block/big");
  client.close();
});

test("the log's level changes at once", async () => {
  const told = (name: string) => new RegExp(`INFO[^\\n]*${name}`);
  await admin.do("POST", "/api/v1/shares", { name: "/told" });
  await server.printed(told("/told"));
  await admin.do("PUT", "/api/v1/settings/logging.level", { value: "error" });
  await admin.do("POST", "/api/v1/shares", { name: "/quietly" });
  await admin.do("DELETE", "/api/v1/settings/logging.level");
  await admin.do("POST", "/api/v1/shares", { name: "/told-again" });
  // What was written before it has come by then.
  await server.printed(told("/told-again"));
  expect(server.output).not.toMatch(told("/quietly"));
});

test("the NFS port moves; a taken one changes nothing", async () => {
  const port = await freePort();
  const other = await startMovable(port);
  try {
    const operator = await Admin.at(other);
    const next = await freePort();
    const holder = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const refused = await operator.ask("PUT", "/api/v1/adapters/nfs", { port: holder.port });
    expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining("another program listens there")]);
    holder.stop(true);
    const client = await connect(1000, port);
    const root = await client.mount("/export");
    const handle = await put(client, root, "before", "the move");
    expect(await operator.do("PUT", "/api/v1/adapters/nfs", { port: next })).toMatchObject({ port: next, listening_port: next, running: true });
    const moved = await connect(1000, next);
    expect((await moved.read(handle, 0, 100)).data.toString()).toBe("the move");
    expect(libnfs("nfs-ls", url("/export", "", next)).out).toMatch(/ before\n/);
    await expect(connect(1000, port).then((stale) => stale.getattr(root))).rejects.toThrow();
    await operator.do("PUT", "/api/v1/adapters/nfs", { enabled: false });
    await expect(connect(1000, next).then((stale) => stale.getattr(root))).rejects.toThrow();
    await operator.do("PUT", "/api/v1/adapters/nfs", { enabled: true });
    expect((await (await connect(1000, next)).read(handle, 0, 100)).data.toString()).toBe("the move");
    client.close();
    moved.close();
  } finally {
    expect(await other.stop()).toBe(0);
  }
});

/** A server whose NFS port is a row of its control plane, and no flag's. */
async function startMovable(port: number): Promise<Server> {
  const data = join(directory.path, "movable");
  const first = await Server.start({ dataDir: data, port, args: ["--bind", "127.0.0.1"] });
  const operator = await Admin.at(first);
  await operator.do("PUT", "/api/v1/adapters/nfs", { port });
  await first.stop();
  return await Server.start({ dataDir: data, port: null, env: { DITTOFS_ADAPTERS_NFS_BIND: "127.0.0.1" } });
}

test("a restart keeps everything", async () => {
  const before = {
    shares: (await admin.do("GET", "/api/v1/shares?sort=name")).items,
    users: (await admin.do("GET", "/api/v1/users?sort=username")).items,
    groups: (await admin.do("GET", "/api/v1/groups")).items,
    netgroups: (await admin.do("GET", "/api/v1/netgroups")).items,
    stores: [(await admin.do("GET", "/api/v1/store/metadata")).items, (await admin.do("GET", "/api/v1/store/block")).items],
  };
  const audit = (await admin.do("GET", "/api/v1/audit?page_size=1000")).total;
  const client = await connect(1000);
  const handle = await put(client, await client.mount("/live"), "kept", "over the restart");
  expect(await server.stop()).toBe(0);
  server = await Server.start({ dataDir, port: server.port, args: ["--bind", "127.0.0.1"] });
  admin = await Admin.at(server);
  expect({
    shares: (await admin.do("GET", "/api/v1/shares?sort=name")).items,
    users: (await admin.do("GET", "/api/v1/users?sort=username")).items,
    groups: (await admin.do("GET", "/api/v1/groups")).items,
    netgroups: (await admin.do("GET", "/api/v1/netgroups")).items,
    stores: [(await admin.do("GET", "/api/v1/store/metadata")).items, (await admin.do("GET", "/api/v1/store/block")).items],
  }).toEqual(before);
  expect((await admin.do("GET", "/api/v1/audit?page_size=1000")).total).toBeGreaterThanOrEqual(audit);
  await client.reconnect();
  expect((await client.read(handle, 0, 100)).data.toString()).toBe("over the restart");
  client.close();
});

test("no secret reached the log", () => {
  for (const secret of ["correct horse battery", readFileSync(join(dataDir, "controlplane.secret"), "utf8").trim()]) expect(server.output).not.toContain(secret);
});
