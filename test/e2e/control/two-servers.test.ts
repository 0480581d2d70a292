import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Admin, request } from "../../support/admin.ts";
import { NfsClient, NfsError, Status } from "../../support/nfs-client.ts";
import { type DatabaseLogin, missingPostgres, sharedCluster } from "../../support/postgres.ts";
import { binaryPath, Server, serverEnvironment, temporaryDirectory } from "../../support/server.ts";
import { until } from "../../support/wait.ts";

/** Two servers on one PostgreSQL control plane: what is changed at one is obeyed by the other's clients, and a share's name is one tree. */

if (missingPostgres !== null) console.log(`two servers: skipped, ${missingPostgres}`);

/** A change of another server is looked for every half second; the rest is for a busy machine. */
const obeyedMsMax = 5_000;
/** Each of a test's changes may take that long. */
const testMsMax = 180_000;
const secret = "the secret that both of these servers have";
const directory = temporaryDirectory("two-servers");

afterAll(() => directory.remove());

function environmentOf(login: DatabaseLogin, key = secret): Record<string, string> {
  return {
    DITTOFS_DATABASE_TYPE: "postgres",
    DITTOFS_DATABASE_POSTGRES_HOST: login.host,
    DITTOFS_DATABASE_POSTGRES_PORT: String(login.port),
    DITTOFS_DATABASE_POSTGRES_DATABASE: login.database,
    DITTOFS_DATABASE_POSTGRES_USER: login.user,
    DITTOFS_DATABASE_POSTGRES_PASSWORD: login.password,
    DITTOFS_DATABASE_POSTGRES_SSLMODE: "disable",
    DITTOFS_CONTROLPLANE_SECRET: key,
  };
}

function dittofs(args: readonly string[], env: Readonly<Record<string, string>>, input = ""): { readonly status: number; readonly out: string; readonly err: string } {
  const result = Bun.spawnSync([binaryPath(), ...args], { env: { ...Bun.env, ...serverEnvironment, XDG_CONFIG_HOME: join(directory.path, "config"), ...env }, stdin: new TextEncoder().encode(input) });
  return { status: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

async function statusOf(work: Promise<unknown>): Promise<number> {
  try {
    await work;
    return Status.ok;
  } catch (error) {
    if (error instanceof NfsError) return error.status;
    throw error;
  }
}

const connect = (server: Server, uid: number, gid = uid) => NfsClient.connect({ port: server.port, credentials: { uid, gid } });

/** Waits until a call gives this status. */
const obeyed = (what: string, status: number, call: () => Promise<unknown>) => until(what, obeyedMsMax, async () => ((await statusOf(call())) === status ? true : null));

// Skips where there is no PostgreSQL: the reason is printed.
describe.skipIf(missingPostgres !== null)("two servers on one control plane", () => {
  let login: DatabaseLogin;
  let a: Server;
  let b: Server;
  let adminA: Admin;
  let adminB: Admin;

  const start = (name: string, key = secret, args: readonly string[] = []) => Server.start({ dataDir: join(directory.path, name), port: null, env: { ...environmentOf(login, key), DITTOFS_ADAPTERS_NFS_PORT: "0" }, args: ["--bind", "127.0.0.1", ...args] });

  beforeAll(async () => {
    login = await (await sharedCluster()).database();
    a = await start("a");
    b = await start("b");
    adminA = await Admin.at(a);
    adminB = await Admin.at(b);
  });

  afterAll(async () => {
    for (const server of [a, b]) if (server.running) expect(await server.stop()).toBe(0);
  });

  const shareAt = (admin: Admin, name: string) => admin.do("GET", `/api/v1/shares/${name}`);

  test("each has its own port, by flag, though the row of the adapter is one", async () => {
    const [one, other] = [await adminA.do("GET", "/api/v1/adapters/nfs"), await adminB.do("GET", "/api/v1/adapters/nfs")];
    expect([one.listening_port, other.listening_port]).toEqual([a.port, b.port]);
    expect(a.port).not.toBe(b.port);
    expect([one.overridden, other.overridden].every((each) => each.includes("port"))).toBe(true);
  }, testMsMax);

  test("a share's name is one tree: the first server has it, the other does not serve another in its place, and says so", async () => {
    expect((await shareAt(adminA, "export")).state).toBe("serving");
    const there = await shareAt(adminB, "export");
    expect(there.state).toBe("failed");
    expect(there.error).toContain(join(directory.path, "b/shares/export/metadata.db"));
    expect(there.error).toContain("another server of this control plane");
    expect((await adminB.do("GET", "/api/v1/status")).shares).toEqual({ serving: 0, disabled: 0, failed: 1, volatile: 0 });
    expect((await adminB.do("GET", "/health/ready")).status).toBe("degraded");
    await b.printed("has been in use, but its metadata is not here");
    const client = await connect(b, 1000);
    await expect(client.mount("/export")).rejects.toThrow();
    client.close();
  }, testMsMax);

  test("a share that is created at one is that one's, whichever looks first; the other leaves nothing of it on its disk", async () => {
    for (let i = 0; i < 5; i++) {
      const [maker, other] = i % 2 === 0 ? [adminB, adminA] : [adminA, adminB];
      expect((await maker.do("POST", "/api/v1/shares", { name: `/made-${i}`, default_permission: "read-write" })).state).toBe("serving");
      await until("the other server's look", obeyedMsMax, async () => ((await other.ask("GET", `/api/v1/shares/made-${i}`)).body.state === "failed" ? true : null));
      expect((await shareAt(maker, `made-${i}`)).state).toBe("serving");
      const otherDirectory = join(directory.path, i % 2 === 0 ? "a" : "b", `shares/made-${i}`);
      expect(await Bun.file(join(otherDirectory, "metadata.db")).exists()).toBe(false);
    }
  }, testMsMax);

  test("users, grants, squash and who is let in, changed at A, are obeyed by B's clients", async () => {
    await adminB.do("POST", "/api/v1/shares", { name: "/b", default_permission: "none" });
    const client = await connect(b, 4001);
    const root = await client.mount("/b");
    expect(await statusOf(client.create(root, "refused"))).toBe(Status.access);
    await until("the share at A", obeyedMsMax, async () => ((await adminA.ask("GET", "/api/v1/shares/b")).status === 200 ? true : null));
    await adminA.do("POST", "/api/v1/users", { username: "alice", password: "correct horse battery", uid: 4001 });
    await adminA.do("PUT", "/api/v1/shares/b/permissions/users/alice", { level: "read-write" });
    await obeyed("the grant", Status.ok, () => client.create(root, "file", { mode: 0o644 }));
    await adminA.do("PUT", "/api/v1/shares/b", { read_only: true });
    await obeyed("read-only", Status.readOnly, () => client.create(root, "other"));
    await adminA.do("PUT", "/api/v1/shares/b", { read_only: false, squash: "all_to_guest" });
    await obeyed("the squash", Status.access, () => client.create(root, "squashed"));
    await adminA.do("PUT", "/api/v1/shares/b", { squash: "none" });
    await obeyed("no squash", Status.ok, () => client.create(root, "again"));
    await adminA.do("POST", "/api/v1/netgroups", { name: "lab" });
    await adminA.do("POST", "/api/v1/netgroups/lab/members", { type: "ip", value: "127.0.0.1" });
    await adminA.do("PUT", "/api/v1/shares/b", { allowed_clients: ["192.0.2.1"] });
    await obeyed("the clients", Status.access, () => client.getattr(root));
    await adminA.do("PUT", "/api/v1/shares/b", { netgroups: ["lab"] });
    await obeyed("the netgroup", Status.ok, () => client.getattr(root));
    await adminA.do("PUT", "/api/v1/shares/b", { netgroups: [], allowed_clients: null });
    await adminA.do("PUT", "/api/v1/users/alice", { enabled: false });
    await obeyed("the disabled user", Status.access, () => client.create(root, "disabled"));
    await adminA.do("POST", "/api/v1/shares/b/disable");
    await obeyed("the disabled share", Status.access, () => client.getattr(root));
    await adminA.do("POST", "/api/v1/shares/b/enable");
    await obeyed("the enabled share", Status.ok, () => client.getattr(root));
    client.close();
  }, testMsMax);

  test("a session that is ended at A ends at B", async () => {
    await adminA.do("POST", "/api/v1/users", { username: "bob", password: "correct horse battery", role: "operator" });
    const bob = await until("bob at B", obeyedMsMax, async () => Admin.at(b, "bob", "correct horse battery").catch(() => null));
    expect((await bob.ask("GET", "/api/v1/shares")).status).toBe(200);
    await adminA.do("POST", "/api/v1/users/bob/password", { new_password: "another horse battery" });
    await until("the end of bob's session", obeyedMsMax, async () => ((await bob.ask("GET", "/api/v1/shares")).status === 401 ? true : null));
    const anew = await Admin.at(b, "bob", "another horse battery");
    await adminA.do("PUT", "/api/v1/users/bob", { enabled: false });
    await until("the end of the disabled one's", obeyedMsMax, async () => ((await anew.ask("GET", "/api/v1/shares")).status === 401 ? true : null));
    const { status } = await request(b.apiUrl, "POST", "/api/v1/auth/login", { username: "bob", password: "another horse battery" }, {});
    expect(status).toBe(401);
  }, testMsMax);

  test("a token of one is good at the other; the audit log is one, and says who, from where", async () => {
    const { body } = await request(a.apiUrl, "POST", "/api/v1/auth/login", { username: "admin", password: serverEnvironment["DITTOFS_ADMIN_INITIAL_PASSWORD"] }, {});
    const guest = new Admin(b.apiUrl, body.access_token);
    await until("the token at B", obeyedMsMax, async () => ((await guest.ask("GET", "/api/v1/audit")).status === 200 ? true : null));
    const lines = (await guest.do("GET", "/api/v1/audit?page_size=1000")).items as { actor: string; address: string; action: string; target: string; after: unknown }[];
    const named = (action: string, target: string) => lines.find((line) => line.action === action && line.target === target);
    expect(named("users.create", "alice")).toMatchObject({ actor: "admin", address: "127.0.0.1" });
    expect(named("shares.create", "/made-1")).toMatchObject({ actor: "admin" });
    expect(named("shares.identify", "/export")).toMatchObject({ actor: "system", after: { instance: expect.stringMatching(/^[0-9a-f]{16}$/) } });
  }, testMsMax);

  test("a backup is taken while both run, and is whole", async () => {
    const file = join(directory.path, "both.backup");
    const made = dittofs(["backup", "controlplane", "--data-dir", join(directory.path, "a"), "--output", file], environmentOf(login));
    expect(made).toMatchObject({ status: 0, out: expect.stringContaining(`wrote ${file}`) });
    const scratch = await (await sharedCluster()).database();
    const restored = dittofs(["restore", "controlplane", "--data-dir", join(directory.path, "restored"), "--input", file, "--yes"], environmentOf(scratch));
    expect(restored).toMatchObject({ status: 0, out: expect.stringContaining("restored 3 users") });
  }, testMsMax);

  test("the tree is moved by an operator's word: B begins its own, and A, which had it, serves it no more", async () => {
    expect((await adminA.ask("POST", "/api/v1/shares/export/accept")).body).toMatchObject({ code: "conflict" });
    expect((await adminB.do("POST", "/api/v1/shares/export/accept")).state).toBe("serving");
    const there = await until("A's giving way", obeyedMsMax, async () => {
      const share = await shareAt(adminA, "export");
      return share.state === "failed" && share.error.includes("another tree") ? share : null;
    });
    expect(there.error).toContain("Either another server of this control plane has the share");
    expect((await adminA.do("POST", "/api/v1/shares/export/accept")).state).toBe("serving");
    await until("B's giving way", obeyedMsMax, async () => ((await shareAt(adminB, "export")).state === "failed" ? true : null));
  }, testMsMax);

  test("the secret is rotated with one of them stopped; the other goes on, and starts anew only with the new one", async () => {
    const next = "another secret that both of these get now";
    expect(await a.stop()).toBe(0);
    const rotated = dittofs(["settings", "rotate-secret", "--data-dir", join(directory.path, "a"), "--password-stdin", "--yes"], environmentOf(login), `${next}\n`);
    expect(rotated).toMatchObject({ status: 0, out: expect.stringContaining("changed the control-plane secret") });
    a = await start("a", next);
    adminA = await Admin.at(a);
    const client = await connect(b, 0);
    expect(await statusOf(client.getattr(await client.mount("/b")))).toBe(Status.ok);
    client.close();
    expect(await b.stop()).toBe(0);
    const refused = dittofs(["start", "--data-dir", join(directory.path, "b"), "--nfs-port", "0"], environmentOf(login));
    expect([refused.status, refused.err]).toEqual([1, expect.stringContaining("DITTOFS_CONTROLPLANE_SECRET")]);
    b = await start("b", next);
    expect((await (await Admin.at(b)).do("GET", "/api/v1/shares/b")).state).toBe("serving");
  }, testMsMax);
});
