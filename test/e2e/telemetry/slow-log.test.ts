import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { type FaultyProxy, faultyProxy } from "../../support/faulty-proxy.ts";
import { NfsClient, Stable } from "../../support/nfs-client.ts";
import { OtlpReceiver } from "../../support/otlp-receiver.ts";
import { bucketConfig, missingRadosgw, type S3Server, s3StartMsMax, startS3 } from "../../support/radosgw.ts";
import { freePort, Server, temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { SmbFiles } from "../../support/smb-requests.ts";
import { until } from "../../support/wait.ts";

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
  let receiver: OtlpReceiver;

  beforeAll(async () => {
    receiver = await OtlpReceiver.start();
    s3 = await startS3();
    proxy = await faultyProxy(Number(new URL(s3.endpoint).port));
    await start();
  }, s3StartMsMax + 30_000);

  async function start(): Promise<void> {
    server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort(), env: { DITTOFS_LOGGING_FORMAT: "json", DITTOFS_CACHE_DISK_SIZE: "0", DITTOFS_TELEMETRY_ENABLED: "true", DITTOFS_TELEMETRY_ENDPOINT: receiver.endpoint } });
    admin = await Admin.at(server);
  }

  afterAll(async () => {
    await server?.stop();
    await proxy?.close();
    await s3?.stop();
    receiver?.stop();
    directory.remove();
  });

  type Line = Record<string, any>;
  const slowLines = (): Line[] => server.output.split("\n").filter((line) => line.includes('"a slow request"')).map((line) => JSON.parse(line));

  test("names the operation, whose it was and that the bucket took the time, from when it is switched on to when it is off", async () => {
    await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config: bucketConfig({ endpoint: proxy.endpoint, credentials: s3.credentials }, s3.bucketName()) });
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
    const line = await slowLine(0, 400, ({ procedure }) => procedure === "READ");
    expect(line).toMatchObject({ level: "warn", part: "nfs", procedure: "READ", status: "NFS3_OK", share: "/cloud", client: "127.0.0.1", bytes: 5000, storeError: null });
    expect(line["request"]).toMatch(/^nfs-\d+:[0-9a-f]{8}$/);
    expect(line["ms"]).toBeGreaterThanOrEqual(bucketMs);
    expect(line["meanwhile"][0]).toMatchObject({ what: "block store get, first bytes" });
    expect(line["meanwhile"][0].ms).toBeGreaterThanOrEqual(bucketMs);
    await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "0s" });
    await client.read(handle as Uint8Array, 30 * MiB, 5000);
    expect(slowLines().filter(({ procedure }) => procedure === "READ")).toHaveLength(1);
    expect((await admin.ask("PUT", "/api/v1/settings/logging.slow_operations", { value: "soon" })).status).toBe(422);
    client.close();
    proxy.plan = () => ({ kind: "pass" });
  }, 180_000);

  /** The one line of such a request since there were `before`. Others there may be on a busy machine, and of those that took as long alone. */
  async function slowLine(before: number, slowMs: number, such: (line: Line) => boolean): Promise<Line> {
    await until("the line", 5000, () => slowLines().slice(before).some(such) || null);
    const lines = slowLines().slice(before);
    expect(lines.filter(({ ms }) => ms < slowMs)).toEqual([]);
    const [line, ...others] = lines.filter(such);
    expect(others).toEqual([]);
    return line!;
  }

  /** The same where the bucket took the time; what is the same in all of them is looked at. */
  async function onlyLine(before: number, share: string, span: string): Promise<Line> {
    const line = await slowLine(before, 900, ({ ms, share: of }) => of === share && ms >= bucketMs);
    expect(line["trace"]).toMatch(/^[0-9a-f]{32}$/);
    expect(line).toMatchObject({ level: "warn", msg: "a slow request", client: "127.0.0.1", share });
    const followed = await receiver.wait("its span", () => receiver.spans.find(({ trace, parent }) => parent === "" && trace === line["trace"]));
    expect(followed.name).toBe(span);
    expect(line["meanwhile"]).toEqual(line["meanwhile"].toSorted((a: { ms: number }, b: { ms: number }) => b.ms - a.ms));
    return line;
  }

  test("is the same of changes over NFS, of commands of SMB and of calls of REST: whose, on which share, in which trace, and what was waited for", async () => {
    await admin.do("POST", "/api/v1/store/block", { name: "remote", type: "s3", config: { ...bucketConfig({ endpoint: proxy.endpoint, credentials: s3.credentials }, s3.bucketName()), history: false } });
    await admin.do("POST", "/api/v1/shares", { name: "/remote", blocks: "remote", durability: "remote", default_permission: "read-write", root_mode: 0o777 });
    await admin.do("POST", "/api/v1/users", { username: "alice", password: "the password of alice", uid: 1000, gid: 1000 });
    const nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
    const { handle } = await nfs.create(await nfs.mount("/remote"), "file", { mode: 0o644 });
    const smb = await SmbClient.open(server.smbPort);
    await smb.negotiate();
    expect((await smb.login("alice", "the password of alice")).status).toBe(0);
    smb.signs = true;
    const files = await SmbFiles.of(smb, "remote");
    const { fileId, status } = await files.create({ name: "file-of-smb" });
    expect(status).toBe(0);
    await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "900ms" });
    proxy.plan = ({ method }) => ({ kind: "pass", ...(method === "PUT" ? { delayMs: bucketMs } : {}) });

    let before = slowLines().length;
    await nfs.write(handle as Uint8Array, 0, Buffer.alloc(1000, 1), Stable.unstable);
    await nfs.commit(handle as Uint8Array);
    const ofNfs = await onlyLine(before, "/remote", "nfs.COMMIT");
    expect(ofNfs).toMatchObject({ part: "nfs", procedure: "COMMIT", status: "NFS3_OK", storeError: null, request: expect.stringMatching(/^nfs-\d+:[0-9a-f]{8}$/) });
    expect(ofNfs["meanwhile"]).toContainEqual({ what: "block store put", times: expect.any(Number), ms: expect.any(Number) });
    expect(Math.max(...ofNfs["meanwhile"].filter(({ what }: { what: string }) => what === "block store put").map(({ ms }: { ms: number }) => ms))).toBeGreaterThanOrEqual(bucketMs);

    before = slowLines().length;
    expect(await files.write(fileId, 0, Buffer.alloc(1000, 2))).toBe(0);
    const flush = Buffer.alloc(24);
    flush.writeUInt16LE(24, 0);
    flush.set(fileId, 8);
    expect((await files.call(7, flush)).status).toBe(0);
    const ofSmb = await onlyLine(before, "/remote", "smb.FLUSH");
    expect(ofSmb).toMatchObject({ part: "smb", command: "FLUSH", user: "alice", status: "STATUS_SUCCESS", storeError: null, request: expect.stringMatching(/^smb-\d+:\d+$/) });
    expect(ofSmb["meanwhile"]).toContainEqual({ what: "block store put", times: expect.any(Number), ms: expect.any(Number) });
    expect(Math.max(...ofSmb["meanwhile"].filter(({ what }: { what: string }) => what === "block store put").map(({ ms }: { ms: number }) => ms))).toBeGreaterThanOrEqual(bucketMs);

    proxy.plan = () => ({ kind: "pass" });
    await admin.do("POST", "/api/v1/store/block", { name: "late", type: "s3", config: bucketConfig({ endpoint: proxy.endpoint, credentials: s3.credentials }, s3.bucketName()) });
    proxy.plan = ({ method }) => ({ kind: "pass", ...(method === "PUT" ? { delayMs: bucketMs } : {}) });
    before = slowLines().length;
    const made = await admin.ask("POST", "/api/v1/shares", { name: "/late", blocks: "late" });
    // The bucket is tried before there is a share that could count what it waits for.
    const ofRest = await onlyLine(before, "/late", "POST /api/v1/shares");
    expect(ofRest).toMatchObject({ part: "api", route: "shares.create", method: "POST", user: "admin", status: 201, request: made.headers.get("x-request-id"), storeError: null });

    proxy.plan = () => ({ kind: "pass" });
    await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "0s" });
    smb.close();
    nfs.close();
  }, 180_000);
});
