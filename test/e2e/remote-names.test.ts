import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { NfsError, Status } from "../support/nfs-types.ts";
import { missingRadosgw, type S3Server, startS3 } from "../support/radosgw.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";
import { after, until } from "../support/wait.ts";

/** Changes of names in durability `remote` that an outage of the S3 server catches under way: told to come back, and done once. */

if (missingRadosgw !== null) console.log(`names in durability remote: skipped, ${missingRadosgw}`);

const startMs = 90_000;
const minuteMs = 60_000;

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("changes of names in durability remote while the S3 server is down", () => {
  const directory = temporaryDirectory("remote-names");
  let s3: S3Server;
  let server: Server;
  let admin: Admin;
  let client: NfsClient;
  let root: Uint8Array;

  beforeAll(async () => {
    s3 = await startS3();
    server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort() });
    admin = await Admin.at(server);
    const config = { bucket: s3.bucketName(), endpoint: s3.endpoint, access_key: s3.credentials.accessKeyId, secret_key: s3.credentials.secretAccessKey, create_bucket: true };
    await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config });
    await admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", durability: "remote", default_permission: "read-write" });
    client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
    root = await client.mount("/cloud");
    await until("a snapshot", minuteMs, async () => ((await admin.do("GET", "/api/v1/shares/cloud/status")) as { history: { recoverable: boolean } }).history.recoverable || null);
  }, startMs);

  afterAll(async () => {
    client?.close();
    await server?.stop();
    await s3?.stop();
    directory.remove();
  }, minuteMs);

  /** As the kernel's client does it: whoever is told to come back asks again under a new xid. */
  const insist = async (told: { count: number }, ask: () => Promise<unknown>): Promise<unknown> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof NfsError) || error.status !== Status.jukebox) throw error;
        told.count++;
        await after(500);
      }
    }
  };

  test(
    "each is told to come back within seconds, and asked again it succeeds once the server is back, however often it was asked",
    async () => {
      for (const name of ["taken", "moved"]) await client.create(root, name, { mode: 0o644 });
      const file = (await client.create(root, "file", { mode: 0o644 })).handle as Uint8Array;
      await s3.kill();
      const told = { count: 0 };
      const changes = [
        () => client.create(root, "made", { mode: 0o644 }, true),
        () => client.createExclusive(root, "once", new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])),
        () => client.mkdir(root, "directory", { mode: 0o755 }),
        () => client.remove(root, "taken"),
        () => client.rename(root, "moved", root, "there"),
        () => client.setattr(file, { mode: 0o600 }),
      ];
      const begun = performance.now();
      const done = Promise.all(changes.map((change) => insist(told, change)));
      await until("all to be told to come back", 30_000, async () => (told.count >= changes.length ? true : null));
      expect(performance.now() - begun).toBeLessThan(15_000);
      await s3.start();
      await done;
      expect((await client.list(root)).map(({ name }) => name).sort()).toEqual(["directory", "file", "made", "once", "there"]);
    },
    2 * minuteMs,
  );
});
