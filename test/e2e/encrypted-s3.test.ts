import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openS3Blocks } from "#blocks/s3/index.ts";
import { Admin } from "../support/admin.ts";
import { masterKeyLine } from "../support/master-keys.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { bucketConfig, missingRadosgw, type S3Server, s3StartMsMax, startS3 } from "../support/radosgw.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";

/** A share whose content lies encrypted in a bucket of a real S3 server, with the cache on disk in front of it. */

if (missingRadosgw !== null) console.log(`encrypted S3 share: skipped, ${missingRadosgw}`);

const MiB = 2 ** 20;
const line = "nobody but us is to read this line of text, least of all the bucket's owner\n";
const bytes = Buffer.from(line.repeat(Math.ceil((20 * MiB) / line.length)).slice(0, 20 * MiB));

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("an encrypted share on S3", () => {
  const directory = temporaryDirectory("encrypted-s3");
  let s3: S3Server;
  let server: Server;

  beforeAll(async () => {
    s3 = await startS3();
    await start();
  }, s3StartMsMax + 30_000);

  async function start(): Promise<void> {
    server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort(), env: { DITTOFS_CACHE_FLUSH_AGE: "1s" } });
  }

  afterAll(async () => {
    await server?.stop();
    await s3?.stop();
    directory.remove();
  });

  test("is written, read from the bucket again with nothing on the disk, and unreadable in it", async () => {
    const bucket = s3.bucketName();
    const keyFile = join(directory.path, "master.keys");
    writeFileSync(keyFile, masterKeyLine("a"), { mode: 0o600 });
    const admin = await Admin.at(server);
    const place = bucketConfig(s3, bucket);
    // Slow enough to wait for, fast enough for a test.
    const config = { ...place, encryption: "aes-256-gcm", encryption_key_file: keyFile, limit_upload: "32MiB/s" };
    await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config });
    await admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", default_permission: "read-write", durability: "remote" });
    const client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
    const root = await client.mount("/cloud");
    await client.writeFile(root, "large", bytes);
    await admin.do("POST", "/api/v1/shares/cloud/evict");
    client.close();
    await server.kill();
    await start();
    const again = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
    const found = await again.lookup(await again.mount("/cloud"), "large");
    expect((await again.readAll(found.handle)).equals(bytes)).toBe(true);
    again.close();
    const raw = await openS3Blocks({ bucket, endpoint: s3.endpoint, credentials: s3.credentials });
    const seen = { keyrings: 0, framed: 0 };
    for await (const { key, size } of raw.list("")) {
      if (key.includes("/keyring/")) seen.keyrings++;
      else if (key.endsWith(".framed")) seen.framed++;
      expect(Buffer.from(await raw.get(key, 0, size ?? 0)).includes("least of all")).toBe(false);
    }
    await raw.close();
    expect(seen.keyrings).toBe(1);
    expect(seen.framed).toBeGreaterThan(0);
  }, 180_000);
});
