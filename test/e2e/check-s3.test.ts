import { S3Client } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { bytesOf } from "../support/damaged-share.ts";
import { type Handle, NfsClient, Stable } from "../support/nfs-client.ts";
import { bucketConfig, missingRadosgw, type S3Server, s3StartMsMax, startS3 } from "../support/radosgw.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";
import { until } from "../support/wait.ts";

/** A share moves into the bucket of a real S3 server and back; what the bucket damages comes from the copies on the local disk. */

if (missingRadosgw !== null) console.log(`checks on S3: skipped, ${missingRadosgw}`);

const files = 6;
const fileBytes = 300_000;

interface Job {
  readonly state: string;
  readonly error: string | null;
  readonly findings: readonly { readonly kind: string; readonly path: string | null; readonly key: string | null; readonly repaired: boolean }[];
  readonly result: Readonly<Record<string, number>>;
}

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("a share on S3", () => {
  const directory = temporaryDirectory("check-s3");
  const handles = new Map<number, Handle>();
  let s3: S3Server;
  let bucket: string;
  let server: Server;
  let admin: Admin;
  let client: NfsClient;

  beforeAll(async () => {
    s3 = await startS3();
    bucket = s3.bucketName();
    server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort() });
    admin = await Admin.at(server);
    client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
    const root = await client.mount("/export");
    for (let seed = 0; seed < files; seed++) {
      const { handle } = await client.create(root, `f${seed}`, { mode: 0o644 });
      await client.write(handle as Handle, 0, bytesOf(seed, fileBytes), Stable.fileSync);
      handles.set(seed, handle as Handle);
    }
    await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config: bucketConfig(s3, bucket) });
  }, s3StartMsMax + 30_000);

  afterAll(async () => {
    client?.close();
    await server?.stop();
    await s3?.stop();
    directory.remove();
  });

  async function job(path: string, body: object): Promise<Job> {
    const { id } = await admin.do("POST", `/api/v1/shares/export/${path}`, body);
    return await until(`the job ${path}`, 60_000, async () => {
      const now = (await admin.do("GET", `/api/v1/jobs/${id}`)) as Job;
      return now.state === "running" ? null : now;
    });
  }

  async function expectWhole(): Promise<void> {
    for (const [seed, handle] of handles) expect(Buffer.compare(await client.readAll(handle), bytesOf(seed, fileBytes))).toBe(0);
  }

  test("moves into the bucket, where damage is found, named and repaired from the disk's copies, and back", async () => {
    expect(await job("migrate", { blocks: "cloud" })).toMatchObject({ state: "done", error: null });
    await expectWhole();
    expect(await job("fsck", { data: true })).toMatchObject({ state: "done", findings: [], result: { damaged: 0 } });
    await admin.do("POST", "/api/v1/shares/export/warm");
    const raw = new S3Client({ bucket, endpoint: s3.endpoint, ...s3.credentials });
    const [object] = (await raw.list({ prefix: "" })).contents ?? [];
    const key = object?.key ?? "";
    const bytes = await raw.file(key).bytes();
    bytes[10] = (bytes[10] as number) ^ 1;
    await raw.write(key, bytes);
    const found = await job("fsck", { data: true });
    expect(found.result["damaged"]).toBeGreaterThan(1);
    expect(found.findings.some(({ kind, path }) => kind === "content_damaged" && path?.startsWith("/f") === true)).toBeTrue();
    const repaired = await job("fsck", { data: true, repair: true });
    expect(repaired.result["repaired"]).toBe(repaired.result["damaged"] as number);
    expect(await job("fsck", { data: true })).toMatchObject({ result: { damaged: 0 } });
    expect(await job("scrub", {})).toMatchObject({ state: "done", result: { damaged: 0 } });
    expect((await job("gc", {})).result["objects"]).toBeGreaterThan(0);
    expect(await job("migrate", { blocks: "default" })).toMatchObject({ state: "done", error: null });
    await expectWhole();
    expect(await job("fsck", { data: true })).toMatchObject({ result: { damaged: 0 } });
  }, 180_000);
});
