import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "bun";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import type { FaultyProxy } from "../support/faulty-proxy.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { missingPostgres, sharedCluster } from "../support/postgres.ts";
import { missingRadosgw, type S3Server, s3StartMsMax, sharedS3 } from "../support/radosgw.ts";
import { binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../support/server.ts";
import { unconditional } from "../support/unconditional-s3.ts";
import { until } from "../support/wait.ts";

/** Recoveries that may not be: refused before anything is taken, and by a trial run as by the other. */

if (missingRadosgw !== null) console.log(`a store that does not fence: skipped, ${missingRadosgw}`);
if (missingPostgres !== null) console.log(`a share that was moved into PostgreSQL: skipped, ${missingPostgres}`);

const directory = temporaryDirectory("recover-refused");
let server: Server;
let admin: Admin;

async function run(...args: readonly string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }> {
  const child = spawn([binaryPath(), ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment } });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, out, err };
}

const remote = (...args: readonly string[]) => run(...args, "--server", server.apiUrl, "--token", admin.token);

async function recoverable(share: string): Promise<void> {
  await until("the history to be published", 20_000, async () => {
    const { history } = await admin.do("GET", `/api/v1/shares/${share}/status`);
    return history.recoverable && history.lag_segments === 0 ? true : null;
  });
}

beforeAll(async () => {
  server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort() });
  admin = await Admin.at(server);
}, 180_000);
afterAll(async () => {
  await server?.stop();
  directory.remove();
});

test("from a filesystem store whose share a server has: nothing is taken, and once that server is stopped it is recovered", async () => {
  const path = join(directory.path, "kept");
  await admin.do("POST", "/api/v1/store/block", { name: "kept", type: "filesystem", config: { path, history: true } });
  await admin.do("POST", "/api/v1/shares", { name: "/films", blocks: "kept", default_permission: "read-write" });
  await recoverable("films");
  const found = join(directory.path, "found");
  for (const more of [["--dry-run"], []]) {
    const refused = await run("recover", "--from", "filesystem", "--path", path, "--data-dir", found, ...more);
    expect([refused.status === 0, refused.err]).toEqual([false, expect.stringContaining("a server that runs has")]);
    expect(refused.err).toContain("Nothing was changed");
  }
  expect(existsSync(join(found, "shares", "films", "metadata.db"))).toBe(false);
  // It was not taken: what is published is published still.
  const client = await NfsClient.connect({ port: server.port, credentials: { uid: 0, gid: 0 } });
  await client.getattr(await client.mount("/films"));
  client.close();
  await admin.do("PUT", "/api/v1/shares/films", { durability: "remote" });
  await recoverable("films");
  expect((await admin.do("GET", "/api/v1/shares/films/status")).state).toBe("serving");
  await admin.do("DELETE", "/api/v1/shares/films?force=true");
  const recovered = await run("recover", "--from", "filesystem", "--path", path, "--data-dir", found);
  expect(recovered).toMatchObject({ status: 0, out: expect.stringContaining("recovered share /films") });
}, 180_000);

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("from an S3 server that ignores conditional writes", () => {
  let s3: S3Server;
  let proxy: FaultyProxy;
  beforeAll(async () => {
    s3 = await sharedS3();
    proxy = await unconditional(s3);
  }, s3StartMsMax);
  afterAll(async () => {
    await proxy?.close();
  });

  test("health, doctor, a trial run and the recovery say so alike, and each is content once that is accepted", async () => {
    const ignoring = proxy.plan;
    proxy.plan = () => ({ kind: "pass" });
    const bucket = s3.bucketName();
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const config = { bucket, endpoint: proxy.endpoint, access_key: accessKeyId, secret_key: secretAccessKey, create_bucket: true };
    await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config });
    await admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", default_permission: "read-write" });
    await recoverable("cloud");
    proxy.plan = ignoring;
    const flags = ["recover", "--from", "s3", "--bucket", bucket, "--endpoint", proxy.endpoint, "--access-key", accessKeyId, "--secret-key", secretAccessKey];
    const dry = join(directory.path, "dry");
    const said = [
      await remote("store", "block", "health", "cloud"),
      await remote("doctor"),
      await run(...flags, "--data-dir", dry, "--dry-run"),
      await run(...flags, "--data-dir", dry),
    ];
    for (const { status, out, err } of said) {
      expect(status).not.toBe(0);
      expect(out + err).toContain("ignores conditional writes");
      expect(out).not.toContain("can be recovered");
    }
    expect(await run(...flags, "--history-unfenced", "true", "--data-dir", dry, "--dry-run")).toMatchObject({ status: 0, out: expect.stringContaining("can be recovered: share /cloud") });
    proxy.plan = () => ({ kind: "pass" });
    expect(await remote("store", "block", "health", "cloud")).toMatchObject({ status: 0 });
    expect(await run(...flags, "--data-dir", dry, "--dry-run")).toMatchObject({ status: 0 });
  }, 180_000);
});

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("from a bucket whose share's metadata was moved since", () => {
  const moved = async (name: string, to: string, ...more: readonly string[]) => {
    const s3 = await sharedS3();
    const bucket = s3.bucketName();
    const { accessKeyId, secretAccessKey } = s3.credentials;
    await admin.do("POST", "/api/v1/store/block", { name, type: "s3", config: { bucket, endpoint: s3.endpoint, access_key: accessKeyId, secret_key: secretAccessKey, create_bucket: true } });
    await admin.do("POST", "/api/v1/shares", { name: `/${name}`, blocks: name, default_permission: "read-write" });
    await recoverable(name);
    expect(await remote("store", "migrate", `/${name}`, "--metadata", to, ...more)).toMatchObject({ status: 0 });
    const { status, err } = await run("recover", "--from", "s3", "--bucket", bucket, "--endpoint", s3.endpoint, "--access-key", accessKeyId, "--secret-key", secretAccessKey, "--data-dir", join(directory.path, `${name}-found`));
    expect(status).not.toBe(0);
    expect(err).toMatch(new RegExp(`the history of share /${name} \\(instance [0-9a-f]{16}\\) in this store was ended at 20.* by the server on .*, which moved it to metadata store ${to} `));
    return err;
  };

  test("into memory: that nothing of what it had there can be recovered", async () => {
    await admin.do("POST", "/api/v1/store/metadata", { name: "ram", type: "memory", config: {} });
    expect(await moved("volatile", "ram", "--accept-volatile")).toContain("nothing can be recovered once that server has stopped");
  }, s3StartMsMax + 60_000);

  // Skips where PostgreSQL is not installed: the reason is printed.
  test.skipIf(missingPostgres !== null)("into PostgreSQL: that its database has to be put back", async () => {
    const config = { ...(await (await sharedCluster()).database()), sslmode: "disable" };
    await admin.do("POST", "/api/v1/store/metadata", { name: "pg", type: "postgres", config });
    expect(await moved("team", "pg")).toContain("put that database back");
  }, s3StartMsMax + 90_000);
});
