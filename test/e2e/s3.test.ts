import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { bucketConfig, missingRadosgw, type S3Server, s3StartMsMax, startS3 } from "../support/radosgw.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";

/** A share whose content lies in a bucket of a real S3 server: written, killed, cut off from the bucket, purged. */

if (missingRadosgw !== null) console.log(`S3 share: skipped, ${missingRadosgw}`);

const MiB = 2 ** 20;
const startMs = s3StartMsMax + 30_000;
const minuteMs = 60_000;

/** Bytes that differ from block to block, so that a block in another's place is seen. */
function pattern(length: number, seed: number): Buffer {
  const words = new Uint32Array(length / 4);
  for (let i = 0, word = seed; i < words.length; i++) words[i] = word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
  return Buffer.from(words.buffer);
}

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("a share on S3", () => {
  const directory = temporaryDirectory("s3-share");
  const dataDir = join(directory.path, "data");
  let s3: S3Server;
  let bucket: string;
  let server: Server;
  let admin: Admin;
  let client: NfsClient;

  beforeAll(async () => {
    s3 = await startS3();
    bucket = s3.bucketName();
    await start();
  }, startMs);

  afterAll(async () => {
    client?.close();
    await server?.stop();
    await s3?.stop();
    directory.remove();
  });

  async function start(): Promise<void> {
    server = await Server.start({ dataDir, port: await freePort(), env: { DITTOFS_CACHE_FLUSH_AGE: "1s" } });
    admin = await Admin.at(server);
  }

  async function restart(): Promise<void> {
    client.close();
    await server.kill();
    await start();
    await connect();
  }

  async function connect(): Promise<void> {
    client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  }

  const store = (change: object) => ({ name: "cloud", type: "s3", config: { ...bucketConfig(s3, bucket), ...change } });

  async function read(root: Uint8Array, name: string): Promise<Buffer> {
    return await client.readAll((await client.lookup(root, name)).handle);
  }

  test("a store with a wrong key is refused by name, and no secret is shown of one that works", async () => {
    const wrong = await admin.ask("POST", "/api/v1/store/block", store({ secret_key: "not-the-secret-of-this-key" }));
    expect(wrong.status).toBe(503);
    expect(wrong.body.detail).toMatch(/secret/);
    expect(JSON.stringify(wrong.body)).not.toContain("not-the-secret-of-this-key");
    const made = await admin.do("POST", "/api/v1/store/block", store({}));
    expect(made.secrets).toEqual(["secret_key"]);
    expect(JSON.stringify(made)).not.toContain(s3.credentials.secretAccessKey);
    expect(await admin.do("GET", "/api/v1/store/block/cloud/health")).toMatchObject({ healthy: true });
  });

  test(
    "what was acknowledged is there after kill -9, before and after it reached the bucket",
    async () => {
      await admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", default_permission: "read-write" });
      await connect();
      const root = await client.mount("/cloud");
      const large = pattern(24 * MiB, 1);
      await client.writeFile(root, "large", large);
      for (let i = 0; i < 20; i++) await client.writeFile(root, `small-${i}`, pattern(4096, i + 2));
      await restart();
      expect((await read(root, "large")).equals(large)).toBe(true);
      await admin.do("POST", "/api/v1/system/drain-uploads");
      const status = await admin.do("GET", "/api/v1/shares/cloud/status");
      expect([status.dirty_bytes, status.unstored_bytes]).toEqual([0, 0]);
      await restart();
      expect((await read(root, "large")).equals(large)).toBe(true);
      for (let i = 0; i < 20; i++) expect((await read(root, `small-${i}`)).equals(pattern(4096, i + 2))).toBe(true);
    },
    3 * minuteMs,
  );

  test(
    "after a restart content is read from the local disk while the bucket is away, also with the cache's index lost",
    async () => {
      const root = await client.mount("/cloud");
      const disk = join(dataDir, "shares", "cloud", "disk");
      expect(existsSync(join(disk, "index.db"))).toBe(true);
      await s3.kill();
      for (const lost of [false, true]) {
        client.close();
        await server.kill();
        if (lost) rmSync(join(disk, "index.db"));
        await start();
        await connect();
        expect((await read(root, "large")).equals(pattern(24 * MiB, 1))).toBe(true);
        for (let i = 0; i < 20; i++) expect((await read(root, `small-${i}`)).equals(pattern(4096, i + 2))).toBe(true);
        const { disk_cache: cache } = await admin.do("GET", "/api/v1/shares/cloud/status");
        expect(cache).toMatchObject({ hit_rate: 1, misses: 0, miss_bytes: 0, evicted_bytes: 0, damaged: 0 });
        expect([cache.hits > 0, cache.hit_bytes >= 24 * MiB, cache.objects > 1, cache.bytes > 24 * MiB, cache.bytes < cache.max_bytes]).toEqual(Array(5).fill(true));
      }
      expect((await admin.do("GET", "/api/v1/shares/export/status")).disk_cache).toBeNull();
      await s3.start();
    },
    3 * minuteMs,
  );

  test(
    "evicted, content is in the bucket alone; warmed, the disk holds it again",
    async () => {
      const root = await client.mount("/cloud");
      const evicted = await admin.do("POST", "/api/v1/shares/cloud/evict");
      expect(evicted.bytes).toBeGreaterThan(24 * MiB);
      const warmed = await admin.do("POST", "/api/v1/shares/cloud/warm");
      expect([warmed.bytes > 24 * MiB, warmed.complete]).toEqual([true, true]);
      expect((await admin.do("POST", "/api/v1/shares/cloud/warm")).bytes).toBe(0);
      expect((await admin.ask("POST", "/api/v1/shares/export/warm")).status).toBe(409);
      client.close();
      await server.kill();
      await s3.kill();
      await start();
      await connect();
      expect((await read(root, "large")).equals(pattern(24 * MiB, 1))).toBe(true);
      await admin.do("POST", "/api/v1/shares/cloud/evict");
      expect((await admin.ask("POST", "/api/v1/shares/cloud/warm")).status).toBe(503);
      await s3.start();
      expect((await admin.do("POST", "/api/v1/shares/cloud/warm")).complete).toBe(true);
    },
    2 * minuteMs,
  );

  test(
    "while the bucket is away writes go on and other shares don't notice; it heals by itself",
    async () => {
      const root = await client.mount("/cloud");
      const other = await client.mount("/export");
      await s3.kill();
      const late = pattern(8 * MiB, 99);
      await client.writeFile(root, "late", late);
      await client.writeFile(other, "elsewhere", pattern(4 * MiB, 100));
      expect((await read(root, "late")).equals(late)).toBe(true);
      expect((await admin.do("GET", "/api/v1/store/block/cloud/health")).healthy).toBe(false);
      await restart();
      expect((await read(root, "late")).equals(late)).toBe(true);
      await s3.start();
      await admin.do("POST", "/api/v1/system/drain-uploads?share=%2Fcloud");
      await restart();
      expect((await read(root, "late")).equals(late)).toBe(true);
    },
    2 * minuteMs,
  );

  test(
    "a start while the bucket is away waits for it once, not once for each share that lies there",
    async () => {
      const more = ["/second", "/third", "/fourth"];
      for (const name of more) await admin.do("POST", "/api/v1/shares", { name, blocks: "cloud", default_permission: "read-write" });
      await s3.kill();
      client.close();
      await server.kill();
      const before = performance.now();
      await start();
      // It waits for five seconds.
      expect(performance.now() - before).toBeLessThan(15_000);
      await connect();
      const written = await client.mount("/fourth");
      await client.writeFile(written, "file", pattern(MiB, 7));
      await s3.start();
      await admin.do("POST", "/api/v1/system/drain-uploads?share=%2Ffourth");
      for (const name of more) await admin.do("DELETE", `/api/v1/shares${name}?force=true&purge=true`);
    },
    2 * minuteMs,
  );

  test(
    "purging removes the share's objects, and nothing else",
    async () => {
      client.close();
      await s3.admin("bucket", "stats", `--bucket=${bucket}`);
      await admin.do("DELETE", "/api/v1/shares/cloud?force=true&purge=true");
      const listed = JSON.parse(await s3.admin("bucket", "list", `--bucket=${bucket}`)) as readonly { name: string }[];
      expect(listed.map(({ name }) => name)).toEqual([]);
      expect(existsSync(join(dataDir, "shares", "cloud"))).toBe(false);
      await connect();
      expect((await read(await client.mount("/export"), "elsewhere")).length).toBe(4 * MiB);
    },
    3 * minuteMs,
  );
});
