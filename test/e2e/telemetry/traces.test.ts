import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { NfsClient, Stable } from "../../support/nfs-client.ts";
import { OtlpReceiver, type ReceivedSpan } from "../../support/otlp-receiver.ts";
import { bucketConfig, missingRadosgw, type S3Server, s3StartMsMax, startS3 } from "../../support/radosgw.ts";
import { Server, temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { SmbFiles } from "../../support/smb-requests.ts";
import { until } from "../../support/wait.ts";

/** The compiled server, followed from a client's request down to the bucket by a receiver of OTLP. */

if (missingRadosgw !== null) console.log(`traces: skipped, ${missingRadosgw}`);

const minuteMs = 60_000;
const password = "the password of alice";
const secretName = "a-name-nobody-is-to-read";
const secretContent = "content-nobody-is-to-read";

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("traces", () => {
  const directory = temporaryDirectory("traces");
  let s3: S3Server;
  let receiver: OtlpReceiver;
  let server: Server;
  let admin: Admin;
  let nfs: NfsClient;

  beforeAll(async () => {
    s3 = await startS3();
    receiver = await OtlpReceiver.start();
    const env = { DITTOFS_TELEMETRY_ENABLED: "true", DITTOFS_TELEMETRY_ENDPOINT: receiver.endpoint, DITTOFS_CACHE_FLUSH_AGE: "300ms", DITTOFS_LOGGING_FORMAT: "json" };
    server = await Server.start({ dataDir: join(directory.path, "data"), port: 0, env });
    admin = await Admin.at(server);
    for (const [name, more] of [["published", {}], ["stored", { history: false }]] as const) {
      const config = { ...bucketConfig(s3, s3.bucketName()), ...more };
      await admin.do("POST", "/api/v1/store/block", { name, type: "s3", config });
      await admin.do("POST", "/api/v1/shares", { name: `/${name}`, blocks: name, durability: "remote", default_permission: "read-write", root_mode: 0o777 });
    }
    await admin.do("POST", "/api/v1/users", { username: "alice", password, uid: 1000, gid: 1000 });
    nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  }, s3StartMsMax + minuteMs);

  afterAll(async () => {
    nfs?.close();
    await server?.stop();
    receiver?.stop();
    await s3?.stop();
    directory.remove();
  });

  const linksTo = (span: ReceivedSpan, to: ReceivedSpan): boolean => span.links.some(({ trace, id }) => trace === to.trace && id === to.id);

  /** The trace that the log names for the slow request, once it does. */
  const slowTrace = (name: string): Promise<string> => until(`the line of a slow ${name}`, 5000, () => server.output.split("\n").filter((line) => line.includes('"a slow request"') && line.includes(`"${name}"`)).map((line) => JSON.parse(line).trace as string).at(-1) ?? null);

  /** The first PUT that is a part of the span. */
  function putOf(span: ReceivedSpan): ReceivedSpan | undefined {
    return receiver.spans.find((one) => one.name === "S3.PutObject" && one.trace === span.trace && receiver.pathOf(one).includes(span.name));
  }

  async function writeAndCommit(share: string, length: number): Promise<{ write: ReceivedSpan; commit: ReceivedSpan; file: string }> {
    const root = await nfs.mount(share);
    const { handle } = await nfs.create(root, `${secretName}-${length}`, { mode: 0o644 });
    receiver.spans.length = 0;
    await nfs.write(handle!, 4096, Buffer.alloc(length, secretContent), Stable.unstable);
    await nfs.commit(handle!);
    const [write, commit] = await receiver.wait("WRITE and COMMIT", ({ spans }) => {
      const found = ["nfs.WRITE", "nfs.COMMIT"].map((name) => spans.find((span) => span.name === name));
      return found.every((one) => one !== undefined) ? (found as ReceivedSpan[]) : null;
    });
    return { write: write!, commit: commit!, file: String(write!.attributes["dittofs.file.id"]) };
  }

  test.each([
    ["a small one", 1000],
    ["a large one", 512 * 1024],
  ])(
    "a WRITE and its COMMIT on a share whose store keeps no history: %s",
    async (_, length) => {
      const { write, commit, file } = await writeAndCommit("/stored", length);
      expect(write).toMatchObject({
        parent: "", kind: 2, status: 0,
        attributes: {
          "rpc.system.name": "onc_rpc", "onc_rpc.program.name": "nfs", "onc_rpc.version": "3", "onc_rpc.procedure.name": "WRITE", "onc_rpc.procedure.number": "7",
          "network.peer.address": "127.0.0.1", "rpc.response.status_code": "NFS3_OK", "dittofs.share": "/stored", "dittofs.bytes": String(length),
        },
      });
      const [written] = receiver.childrenOf(write);
      expect(written).toMatchObject({ name: "vfs.write", kind: 1, attributes: { "dittofs.file.id": file, "dittofs.offset": "4096", "dittofs.length": String(length), "dittofs.stable": false } });

      // What the COMMIT waited for, and who did it.
      const wait = await receiver.wait("the wait", () => receiver.named("cache.stored").find(({ trace }) => trace === commit.trace));
      expect(receiver.pathOf(wait)).toEqual(["nfs.COMMIT", "vfs.commit", "cache.stored"]);
      const flush = await receiver.wait("the flush", () => receiver.named("cache.flush").find((span) => linksTo(span, write)));
      expect(flush).toMatchObject({ parent: "", status: 0 });
      expect(linksTo(wait, flush)).toBe(true);
      expect(linksTo(flush, commit)).toBe(true);
      expect([write.trace, commit.trace, flush.trace].length).toBe(new Set([write.trace, commit.trace, flush.trace]).size);
      expect(wait.endNs >= flush.startNs && wait.endNs <= commit.endNs).toBe(true);

      // Down to the bucket.
      const upload = await receiver.wait("the upload", () => receiver.named("cache.upload").find((span) => linksTo(span, write)));
      expect(upload.attributes["dittofs.links"]).toBe("1");
      const put = await receiver.wait("the PUT", () => putOf(upload));
      expect(receiver.pathOf(put)).toEqual(["cache.flush", "cache.upload", "blocks.put", "S3.PutObject"]);
      expect(put).toMatchObject({ kind: 3, status: 0, attributes: { "rpc.system.name": "aws-api", "rpc.method": "S3/PutObject", "http.request.method": "PUT", "http.response.status_code": "200", "server.address": "127.0.0.1", "server.port": String(s3.port) } });
      expect(put.startNs >= flush.startNs && put.endNs <= flush.endNs && flush.endNs >= wait.startNs).toBe(true);

      // And what the metadata say of it afterwards, made durable by a transaction of its own.
      const batches = receiver.named("metadata.batch").filter(({ trace }) => trace === flush.trace);
      expect(batches.map((batch) => receiver.pathOf(batch).join(" "))).toContain("cache.flush metadata.apply metadata.batch");
      expect(receiver.named("metadata.sync").some(({ trace }) => trace === flush.trace)).toBe(true);
    },
    3 * minuteMs,
  );

  test(
    "a WRITE and its COMMIT on a share whose history is published: the COMMIT waits for a segment, which links to the WRITE",
    async () => {
      const { write, commit } = await writeAndCommit("/published", 1000);
      const wait = await receiver.wait("the wait", () => receiver.named("history.published").find(({ trace }) => trace === commit.trace));
      expect(receiver.pathOf(wait)).toEqual(["nfs.COMMIT", "vfs.commit", "history.published"]);
      const upload = await receiver.wait("the segment", () => receiver.named("history.upload").find((span) => linksTo(span, write)));
      const put = await receiver.wait("its PUT", () => putOf(upload));
      expect(receiver.pathOf(put)).toEqual(["history.upload", "blocks.put", "S3.PutObject"]);
      expect(put.endNs <= commit.endNs).toBe(true);
      // The bytes go to their pack later.
      const pack = await receiver.wait("the pack", () => receiver.named("cache.upload").find((span) => linksTo(span, write)));
      await receiver.wait("the pack's PUT", () => putOf(pack));
    },
    3 * minuteMs,
  );

  test(
    "changes of names are followed to their transaction, their sync, and the segment they are published in",
    async () => {
      const root = await nfs.mount("/published");
      receiver.spans.length = 0;
      await nfs.create(root, `${secretName}-made`, { mode: 0o644 });
      const create = await receiver.wait("CREATE", () => receiver.named("nfs.CREATE")[0]);
      const batch = await receiver.wait("the transaction", () => receiver.named("metadata.batch").find(({ trace }) => trace === create.trace));
      expect(receiver.pathOf(batch)).toEqual(["nfs.CREATE", "vfs.create", "metadata.apply", "metadata.batch"]);
      expect(linksTo(batch, create)).toBe(true);
      const sync = receiver.named("metadata.sync").find(({ trace }) => trace === create.trace)!;
      expect(receiver.pathOf(sync)).toEqual(["nfs.CREATE", "vfs.create", "metadata.apply", "metadata.sync"]);
      const upload = await receiver.wait("the segment", () => receiver.named("history.upload").find((span) => linksTo(span, create)));
      expect((await receiver.wait("its PUT", () => putOf(upload))).endNs <= create.endNs).toBe(true);
      expect(receiver.named("history.published").some(({ trace }) => trace === create.trace)).toBe(true);
    },
    3 * minuteMs,
  );

  test(
    "requests that share a transaction are linked to it, and it to them",
    async () => {
      const root = await nfs.mount("/stored");
      receiver.spans.length = 0;
      await Promise.all(Array.from({ length: 8 }, (_, i) => nfs.create(root, `${secretName}-shared-${i}`, { mode: 0o644 })));
      const creates = await receiver.wait("all", () => (receiver.named("nfs.CREATE").length === 8 ? receiver.named("nfs.CREATE") : null));
      const batch = await receiver.wait("a transaction of several", () => receiver.named("metadata.batch").find(({ links }) => links.length > 1));
      const served = creates.filter((create) => linksTo(batch, create));
      expect(served.length).toBe(Number(batch.attributes["dittofs.links"]));
      const linked = receiver.named("metadata.apply").filter((apply) => linksTo(apply, batch));
      expect(linked.length).toBe(served.length - 1);
      for (const apply of linked) expect(receiver.pathOf(apply)).toEqual(["nfs.CREATE", "vfs.create", "metadata.apply"]);
    },
    3 * minuteMs,
  );

  test(
    "a READ from the bucket is one trace",
    async () => {
      const { file } = await writeAndCommit("/stored", 300_000);
      await admin.do("POST", "/api/v1/system/drain-uploads");
      nfs.close();
      await server.stop();
      server = await Server.start({ dataDir: join(directory.path, "data"), port: 0, env: { DITTOFS_TELEMETRY_ENABLED: "true", DITTOFS_TELEMETRY_ENDPOINT: receiver.endpoint, DITTOFS_CACHE_DISK_SIZE: "0", DITTOFS_LOGGING_FORMAT: "json" } });
      admin = await Admin.at(server);
      nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
      receiver.spans.length = 0;
      const { handle } = await nfs.lookup(await nfs.mount("/stored"), `${secretName}-300000`);
      await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "1ms" });
      const { data } = await nfs.read(handle, 4096, 1000);
      expect(data.equals(Buffer.alloc(300_000, secretContent).subarray(0, 1000))).toBe(true);
      await nfs.read(handle, 4096, 1000);
      await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "0s" });
      const [read, again] = await receiver.wait("READs", () => (receiver.named("nfs.READ").length === 2 ? receiver.named("nfs.READ") : null));
      expect([read!.trace, again!.trace]).toContain(await slowTrace("READ"));
      const get = await receiver.wait("the GET", () => receiver.named("S3.GetObject").find(({ trace }) => trace === read!.trace));
      expect(receiver.pathOf(get)).toEqual(["nfs.READ", "vfs.read", "cache.read", "blocks.get", "S3.GetObject"]);
      expect(read!.attributes["dittofs.file.id"]).toBe(file);
      const hit = receiver.named("cache.read").find(({ trace }) => trace === again!.trace)!;
      expect(hit.attributes["dittofs.cache.hit"]).toBe(true);
      // Sent when it was answered, not later.
      expect(receiver.named("nfs.LOOKUP")[0]!.attributes["rpc.response.status_code"]).toBe("NFS3_OK");
      await expect(nfs.lookup(await nfs.mount("/stored"), "nobody")).rejects.toThrow();
      const refused = await receiver.wait("the refusal", () => receiver.named("nfs.LOOKUP")[1]);
      expect(refused).toMatchObject({ status: 0, attributes: { "rpc.response.status_code": "NFS3ERR_NOENT" } });
      expect(receiver.childrenOf(refused)[0]!.attributes["dittofs.outcome"]).toBe("noEntry");
    },
    3 * minuteMs,
  );

  test(
    "SMB's WRITE and FLUSH are followed as NFS's are",
    async () => {
      const smb = await SmbClient.open(server.smbPort);
      await smb.negotiate();
      expect((await smb.login("alice", password)).status).toBe(0);
      smb.signs = true;
      const files = await SmbFiles.of(smb, "stored");
      const { fileId, status } = await files.create({ name: `${secretName}-smb` });
      expect(status).toBe(0);
      receiver.spans.length = 0;
      await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "1ms" });
      expect(await files.write(fileId, 0, Buffer.from(secretContent))).toBe(0);
      const flushBody = Buffer.alloc(24);
      flushBody.writeUInt16LE(24, 0);
      flushBody.set(fileId, 8);
      expect((await files.call(7, flushBody)).status).toBe(0);
      await admin.do("PUT", "/api/v1/settings/logging.slow_operations", { value: "0s" });
      smb.close();
      const write = await receiver.wait("WRITE", () => receiver.named("smb.WRITE")[0]);
      const flush = await receiver.wait("FLUSH", () => receiver.named("smb.FLUSH")[0]);
      expect(await slowTrace("FLUSH")).toBe(flush.trace);
      expect(write).toMatchObject({ parent: "", kind: 2, status: 0, attributes: { "network.peer.address": "127.0.0.1", "dittofs.share": "/stored", "rpc.response.status_code": "STATUS_SUCCESS", "dittofs.bytes": String(secretContent.length) } });
      expect(receiver.childrenOf(write).map(({ name }) => name)).toEqual(["vfs.write"]);
      const wait = receiver.named("cache.stored").find(({ trace }) => trace === flush.trace)!;
      expect(receiver.pathOf(wait)).toEqual(["smb.FLUSH", "vfs.commit", "cache.stored"]);
      const stored = await receiver.wait("the flush", () => receiver.named("cache.flush").find((span) => linksTo(span, write) && linksTo(span, flush)));
      expect(linksTo(wait, stored)).toBe(true);
      const upload = await receiver.wait("the upload", () => receiver.named("cache.upload").find((span) => linksTo(span, write)));
      expect(receiver.pathOf(await receiver.wait("the PUT", () => putOf(upload)))).toEqual(["cache.flush", "cache.upload", "blocks.put", "S3.PutObject"]);
    },
    3 * minuteMs,
  );

  test("nothing that was sent holds a name, content or a secret", () => {
    const sent = Buffer.concat(receiver.messages);
    expect(sent.length).toBeGreaterThan(10_000);
    for (const secret of [secretName, secretContent, password, s3.credentials.secretAccessKey, "nobody", admin.token]) expect(sent.includes(secret)).toBe(false);
    expect(receiver.resource["service.name"]).toBe("dittofs");
    for (const span of receiver.spans) expect(span.statusMessage).toBe("");
  });
});
