import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { NfsClient, Stable } from "../../support/nfs-client.ts";
import { binaryPath, Server, serverEnvironment, temporaryDirectory } from "../../support/server.ts";

/** What was lost is missed: an empty directory is no empty share, and a lost control plane no first start. */

const directory = temporaryDirectory("trees");
const scratch = (name: string): string => join(directory.path, name);

afterAll(() => directory.remove());

function dittofs(args: readonly string[]): { readonly status: number; readonly out: string; readonly err: string } {
  const result = Bun.spawnSync([binaryPath(), ...args], { env: { ...Bun.env, ...serverEnvironment, XDG_CONFIG_HOME: scratch("config") }, stdin: "ignore" });
  return { status: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

async function put(server: Server, share: string, name: string, text: string): Promise<void> {
  const client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  const { handle } = await client.create(await client.mount(share), name, { mode: 0o644 });
  await client.write(handle, 0, new TextEncoder().encode(text), Stable.fileSync);
  client.close();
}

async function names(server: Server, share: string): Promise<readonly string[]> {
  const client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  const entries = await client.list(await client.mount(share));
  client.close();
  return entries.map((entry) => String(entry.name));
}

/** A server, while `work` is done with it. */
async function served<T>(dataDir: string, work: (server: Server, admin: Admin) => Promise<T>, args: readonly string[] = []): Promise<T> {
  const server = await Server.start({ dataDir, port: 0, args });
  try {
    return await work(server, await Admin.at(server));
  } finally {
    expect(await server.stop()).toBe(0);
  }
}

describe("a share whose files are gone", () => {
  const data = scratch("lost");

  test("is not begun anew in silence: it is away, with what is missing and what to do, and nothing is made in its place", async () => {
    await served(data, async (server, admin) => {
      await admin.do("POST", "/api/v1/shares", { name: "/other", default_permission: "read-write" });
      await put(server, "/export", "precious", "content");
      await put(server, "/other", "beside", "content");
    });
    renameSync(join(data, "shares/export"), scratch("kept"));
    await served(data, async (server, admin) => {
      const share = await admin.do("GET", "/api/v1/shares/export");
      expect(share.state).toBe("failed");
      for (const said of [`there is no ${join(data, "shares/export/metadata.db")}`, "dittofs share enable /export", "dittofs share accept /export"]) {
        expect(share.error).toContain(said);
        await server.printed(said);
      }
      expect((await admin.do("GET", "/health/ready")).data).toMatchObject({ shares: 2, shares_failed: 1 });
      expect((await admin.do("GET", "/api/v1/status")).shares).toEqual({ serving: 1, disabled: 0, failed: 1, volatile: 0 });
      expect(await names(server, "/other")).toEqual(["beside"]);
      await expect(names(server, "/export")).rejects.toThrow();
      expect(existsSync(join(data, "shares/export/metadata.db"))).toBe(false);
    });
  });

  test("is there again when they come back, at the word of an operator without a restart", async () => {
    await served(data, async (server, admin) => {
      expect((await admin.ask("POST", "/api/v1/shares/export/enable")).body).toMatchObject({ code: "store_unreachable" });
      rmSync(join(data, "shares/export"), { recursive: true, force: true });
      renameSync(scratch("kept"), join(data, "shares/export"));
      expect((await admin.do("POST", "/api/v1/shares/export/enable")).state).toBe("serving");
      expect(await names(server, "/export")).toEqual(["precious"]);
    });
  });

  test("another share's files in its place are not taken for its own", async () => {
    renameSync(join(data, "shares/export"), scratch("kept"));
    renameSync(join(data, "shares/other"), join(data, "shares/export"));
    await served(data, async (_, admin) => {
      expect((await admin.do("GET", "/api/v1/shares/export")).error).toMatch(/is another tree than the one in .*metadata\.db: the control plane knows it as [0-9a-f]{16}, and there is [0-9a-f]{16}/);
      expect((await admin.ask("DELETE", "/api/v1/shares/export?purge=true")).body).toMatchObject({ code: "conflict", detail: expect.stringContaining("nothing was removed") });
    });
    renameSync(join(data, "shares/export"), join(data, "shares/other"));
    renameSync(scratch("kept"), join(data, "shares/export"));
    await served(data, async (server, admin) => {
      // It was deleted above, before its data was looked at.
      await admin.do("POST", "/api/v1/shares", { name: "/export", adopt: true, default_permission: "read-write" });
      expect([await names(server, "/export"), await names(server, "/other")]).toEqual([["precious"], ["beside"]]);
    });
  });

  test("is begun anew, empty, by share accept alone; from then on that tree is the share", async () => {
    rmSync(join(data, "shares/export"), { recursive: true });
    await served(data, async (server, admin) => {
      expect((await admin.do("POST", "/api/v1/shares/export/accept")).state).toBe("serving");
      expect(await names(server, "/export")).toEqual([]);
      await put(server, "/export", "new", "");
      const line = (await admin.do("GET", "/api/v1/audit?action=shares.accept")).items[0];
      expect(line).toMatchObject({ actor: "admin", target: "/export" });
      expect((await admin.ask("POST", "/api/v1/shares/export/accept")).body).toMatchObject({ code: "conflict" });
    });
    expect(await served(data, (server) => names(server, "/export"))).toEqual(["new"]);
  });

  test("deleted with its data and created again under its name it is another share, without a word", async () => {
    await served(data, async (server, admin) => {
      await admin.do("DELETE", "/api/v1/shares/export?purge=true&force=true");
      await admin.do("POST", "/api/v1/shares", { name: "/export", default_permission: "read-write" });
      expect(await names(server, "/export")).toEqual([]);
    });
    expect(await served(data, async (_, admin) => (await admin.do("GET", "/api/v1/shares/export")).state)).toBe("serving");
  });

  test("a backup of the control plane from before its data was purged brings back a share that is away, not an empty one", async () => {
    const backup = scratch("before.backup");
    await served(data, async (_, admin) => {
      expect(dittofs(["backup", "controlplane", "--data-dir", data, "--output", backup]).status).toBe(0);
      await admin.do("DELETE", "/api/v1/shares/export?purge=true&force=true");
    });
    expect(dittofs(["restore", "controlplane", "--data-dir", data, "--input", backup, "--yes"]).status).toBe(0);
    await served(data, async (_, admin) => {
      expect((await admin.do("GET", "/api/v1/shares/export")).state).toBe("failed");
      await admin.do("DELETE", "/api/v1/shares/export?purge=true");
      expect((await admin.do("POST", "/api/v1/shares", { name: "/export" })).state).toBe("serving");
    });
  });

  test("with all of its data directory but the control plane gone, the server starts and says it of every share", async () => {
    rmSync(join(data, "shares"), { recursive: true });
    await served(data, async (_, admin) => {
      const shares = (await admin.do("GET", "/api/v1/shares")).items as { state: string; error: string }[];
      expect(shares.map(({ state }) => state)).toEqual(["failed", "failed"]);
      expect(existsSync(join(data, "shares/other/metadata.db"))).toBe(false);
    });
  });
});

test("without its metadata but with its content a share can't be begun anew, and nothing is made in the place of what is to be put back", async () => {
  const data = scratch("content");
  await served(data, async (server) => await put(server, "/export", "precious", "content"));
  const [database, log] = [join(data, "shares/export/metadata.db"), join(data, "shares/export/log")];
  renameSync(database, scratch("database"));
  renameSync(log, scratch("log"));
  await served(data, async (_, admin) => {
    const refused = await admin.ask("POST", "/api/v1/shares/export/accept");
    expect(refused.body).toMatchObject({ code: "store_unreachable", detail: expect.stringContaining("if that metadata is lost for good, move the content away") });
    expect([existsSync(database), existsSync(log)]).toEqual([false, false]);
    renameSync(scratch("database"), database);
    renameSync(scratch("log"), log);
    expect((await admin.do("POST", "/api/v1/shares/export/enable")).state).toBe("serving");
  });
  expect(await served(data, (server) => names(server, "/export"))).toEqual(["precious"]);
});

test("metadata in memory is another tree at each start, and served", async () => {
  const data = scratch("memory");
  for (let i = 0; i < 2; i++) {
    await served(data, async (server, admin) => {
      if (i === 0) {
        for (const kind of ["metadata", "block"]) await admin.do("POST", `/api/v1/store/${kind}`, { name: "m", type: "memory" });
        await admin.do("POST", "/api/v1/shares", { name: "/scratch", metadata: "m", blocks: "m", default_permission: "read-write" });
      }
      expect(await names(server, "/scratch")).toEqual([]);
      await put(server, "/scratch", "gone", "soon");
    });
  }
});

test("content in memory under metadata that lasts is refused, with what to do", async () => {
  await served(scratch("mixed"), async (_, admin) => {
    await admin.do("POST", "/api/v1/store/block", { name: "m", type: "memory" });
    const { status, body } = await admin.ask("POST", "/api/v1/shares", { name: "/mixed", blocks: "m" });
    expect([status, body.code]).toEqual([422, "invalid_value"]);
    expect(JSON.stringify(body)).toContain("after a restart there would be files without their content. Name a metadata store of type memory, too");
    expect((await admin.ask("GET", "/api/v1/shares/mixed")).status).toBe(404);
  });
});

describe("a data directory whose control plane is lost", () => {
  const data = scratch("no-control");

  test("is no first start: it is refused, says what to do, and leaves nothing in the database's place", async () => {
    await served(data, async (server, admin) => {
      await put(server, "/export", "precious", "content");
      await admin.do("PUT", "/api/v1/shares/export", { default_permission: "none" });
    });
    expect(dittofs(["backup", "controlplane", "--data-dir", data, "--output", scratch("control.backup")]).status).toBe(0);
    for (const file of readdirSync(data)) if (file.startsWith("controlplane.db")) rmSync(join(data, file));
    const { status, err } = dittofs(["start", "--data-dir", data, "--nfs-port", "0"]);
    expect(status).toBe(1);
    for (const said of [join(data, "shares/export/metadata.db"), `there is no control-plane database ${join(data, "controlplane.db")}`, "dittofs restore controlplane --input FILE", "dittofs start --new-control-plane"]) expect(err).toContain(said);
    expect(existsSync(join(data, "controlplane.db"))).toBe(false);
  });

  test("comes back from a backup as it was", async () => {
    expect(dittofs(["restore", "controlplane", "--data-dir", data, "--input", scratch("control.backup"), "--yes"])).toMatchObject({ status: 0 });
    await served(data, async (_, admin) => expect(await admin.do("GET", "/api/v1/shares/export")).toMatchObject({ state: "serving", default_permission: "none" }));
  });

  test("an empty one in its place is refused as well", () => {
    for (const file of readdirSync(data)) if (file.startsWith("controlplane.db")) rmSync(join(data, file));
    writeFileSync(join(data, "controlplane.db"), "");
    expect(dittofs(["start", "--data-dir", data, "--nfs-port", "0"])).toMatchObject({ status: 1, err: expect.stringContaining("--new-control-plane") });
  });

  test("is begun anew by an operator's word, and what is in the configuration's shares is taken over", async () => {
    await served(data, async (server) => expect(await names(server, "/export")).toEqual(["precious"]), ["--new-control-plane"]);
    await served(data, async (server) => expect(await names(server, "/export")).toEqual(["precious"]));
  });

  test("without files of shares there is nothing to ask about", async () => {
    const empty = scratch("empty");
    mkdirSync(join(empty, "shares/export/log"), { recursive: true });
    writeFileSync(join(empty, "FORMAT"), "dittofs data directory, layout 1\n");
    await served(empty, async (server) => expect(await names(server, "/export")).toEqual([]));
  });
});
