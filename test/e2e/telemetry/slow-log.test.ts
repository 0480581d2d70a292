import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { type FaultyProxy, faultyProxy } from "../../support/faulty-proxy.ts";
import { NfsClient, Stable } from "../../support/nfs-client.ts";
import { missingRadosgw, type S3Server, s3StartMsMax, startS3 } from "../../support/radosgw.ts";
import { freePort, Server, temporaryDirectory } from "../../support/server.ts";

/** Requests that a slow bucket holds up are found in the log, with what they waited for. */

if (missingRadosgw !== null) console.log(`slow requests: skipped, ${missingRadosgw}`);

const MiB = 2 ** 20;
const bucketMs = 1500;

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("the log of slow requests", () => {
  const directory = temporaryDirectory("slow-log");
  let s3: S3Server;
  let proxy: FaultyProxy;
  let server: Server;
  let admin: Admin;

  beforeAll(async () => {
    s3 = await startS3();
    proxy = await faultyProxy(Number(new URL(s3.endpoint).port));
    await start();
  }, s3StartMsMax + 30_000);

  async function start(): Promise<void> {
    server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort(), env: { DITTOFS_LOGGING_FORMAT: "json", DITTOFS_CACHE_DISK_SIZE: "0" } });
    admin = await Admin.at(server);
  }

  afterAll(async () => {
    await server?.stop();
    await proxy?.close();
    await s3?.stop();
    directory.remove();
  });

  const slowLines = () => server.output.split("\n").filter((line) => line.includes('"a slow request"')).map((line) => JSON.parse(line));

  test("names the operation, whose it was and that the bucket took the time, from when it is switched on to when it is off", async () => {
    await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config: { bucket: s3.bucketName(), endpoint: proxy.endpoint, access_key: s3.credentials.accessKeyId, secret_key: s3.credentials.secretAccessKey, create_bucket: true } });
    await admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", default_permission: "read-write" });
    const credentials = { uid: 1000, gid: 1000 };
    const writer = await NfsClient.connect({ port: server.port, credentials });
    const { handle } = await writer.create(await writer.mount("/cloud"), "file", { mode: 0o644 });
    for (let at = 0; at < 64; at++) await writer.write(handle as Uint8Array, at * MiB, Buffer.alloc(MiB, at), Stable.unstable);
    await writer.commit(handle as Uint8Array);
    await admin.do("POST", "/api/v1/system/drain-uploads");
    writer.close();
    await server.stop();
    await start();
    proxy.plan = ({ method }) => ({ kind: "pass", ...(method === "GET" ? { delayMs: bucketMs } : {}) });
    const client = await NfsClient.connect({ port: server.port, credentials });
    await client.read(handle as Uint8Array, 0, 1000);
    expect(slowLines()).toEqual([]);
    await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "400ms" });
    await client.getattr(handle as Uint8Array);
    await client.read(handle as Uint8Array, 60 * MiB, 5000);
    const [line, ...others] = slowLines();
    expect(others).toEqual([]);
    expect(line).toMatchObject({ level: "warn", part: "nfs", procedure: "READ", status: "NFS3_OK", share: "/cloud", client: "127.0.0.1", bytes: 5000, storeError: null });
    expect(line.request).toMatch(/^nfs-\d+:[0-9a-f]{8}$/);
    expect(line.ms).toBeGreaterThanOrEqual(bucketMs);
    expect(line.meanwhile[0]).toMatchObject({ what: "block store get, first bytes" });
    expect(line.meanwhile[0].ms).toBeGreaterThanOrEqual(bucketMs);
    await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "0s" });
    await client.read(handle as Uint8Array, 30 * MiB, 5000);
    expect(slowLines()).toHaveLength(1);
    expect((await admin.ask("PUT", "/api/v1/settings/logging.slow_operations", { value: "soon" })).status).toBe(422);
    client.close();
  }, 90_000);
});
