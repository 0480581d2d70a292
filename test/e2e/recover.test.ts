import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "bun";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { masterKeyLine } from "../support/master-keys.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { Stable } from "../support/nfs-types.ts";
import { bucketConfig, missingRadosgw, type S3Server, startS3 } from "../support/radosgw.ts";
import { binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../support/server.ts";
import { until } from "../support/wait.ts";

/** A share is rebuilt from its block store alone: the server is killed, its directory deleted, and what clients hold goes on working. */

if (missingRadosgw !== null) console.log(`recovery from S3: skipped, ${missingRadosgw}`);

const startMs = 240_000;
const minuteMs = 60_000;

async function run(args: readonly string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }> {
  const child = spawn([binaryPath(), ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment } });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, out, err };
}

interface World {
  readonly directory: string;
  /** Configuration of the store, and the flags that say the same. */
  readonly type: string;
  readonly config: Record<string, unknown>;
  readonly flags: readonly string[];
  readonly durability: string;
}

/** Fills a share, kills its server, deletes its directory, recovers it elsewhere and compares. */
async function loseAndRecover({ directory, type, config, flags, durability }: World): Promise<void> {
  const data = join(directory, "lost");
  let server = await Server.start({ dataDir: data, port: await freePort() });
  const admin = await Admin.at(server);
  await admin.do("POST", "/api/v1/store/block", { name: "cloud", type, config });
  await admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", durability, default_permission: "read-write" });
  let client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  const root = await client.mount("/cloud");
  const made = new Map<string, { readonly handle: Uint8Array; readonly bytes: Buffer }>();
  for (let i = 0; i < 20; i++) {
    const bytes = Buffer.alloc(i === 7 ? 300_000 : 1000 * i, i);
    const handle = (await client.create(root, `new-${i}`, { mode: 0o644 })).handle as Uint8Array;
    if (bytes.length > 0) await client.write(handle, 0, bytes, Stable.unstable);
    await client.commit(handle);
    // A new file takes the place of an older one.
    await client.rename(root, `new-${i}`, root, `file-${i % 15}`);
    made.set(`file-${i % 15}`, { handle, bytes });
  }
  if (durability !== "remote") {
    await until("the history to be published", 10_000, async () => {
      const { history } = (await admin.do("GET", "/api/v1/shares/cloud/status")) as { history: { recoverable: boolean; lag_segments: number } };
      return history.recoverable && history.lag_segments === 0 ? true : null;
    });
  }
  client.close();
  await server.kill();
  rmSync(data, { recursive: true });

  const dry = await run(["recover", "--from", type, ...flags, "--dry-run", "--data-dir", join(directory, "dry")]);
  expect(dry).toMatchObject({ status: 0 });
  const found = join(directory, "found");
  const recovered = await run(["recover", "--from", type, ...flags, "--data-dir", found]);
  expect(recovered).toMatchObject({ status: 0 });
  expect(recovered.out).toContain("recovered share /cloud");
  // Told on standard error, part by part.
  expect(recovered.err).toMatch(/^fetching the snapshot: \S+ \S+ of \S+ \S+\nreplaying changes: \d+ of \d+ segments\n/);
  server = await Server.start({ dataDir: found, port: await freePort() });
  await (await Admin.at(server)).do("PUT", "/api/v1/shares/cloud", { default_permission: "read-write" }).catch(() => {});
  client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  try {
    expect((await client.list(root)).map(({ name }) => name.toString()).filter((name) => name.startsWith("f")).sort()).toEqual([...made.keys()].sort());
    for (const [name, { handle, bytes }] of made) {
      expect((await client.getattr(handle)).size).toBe(bytes.length);
      expect((await client.read(handle, 0, 400_000)).data.equals(bytes)).toBe(true);
      expect(Buffer.from((await client.lookup(root, name)).handle)).toEqual(Buffer.from(handle));
    }
    const more = (await client.create(root, "more", { mode: 0o644 })).handle as Uint8Array;
    await client.write(more, 0, Buffer.from("goes on"), Stable.fileSync);
  } finally {
    client.close();
    await server.stop();
  }
}

test(
  "from a filesystem store",
  async () => {
    const directory = temporaryDirectory("recover-fs");
    const path = join(directory.path, "blocks");
    await loseAndRecover({ directory: directory.path, type: "filesystem", config: { path, history: true }, flags: ["--path", path], durability: "local" });
    directory.remove();
  },
  3 * minuteMs,
);

test(
  "from an encrypted and compressed store, with its master keys alone",
  async () => {
    const directory = temporaryDirectory("recover-sealed");
    const [path, keys] = [join(directory.path, "blocks"), join(directory.path, "master.keys")];
    writeFileSync(keys, `${masterKeyLine("first")}\n`, { mode: 0o600 });
    const flags = ["--path", path, "--compression", "zstd", "--encryption", "aes-256-gcm", "--encryption-key-file"];
    await loseAndRecover({ directory: directory.path, type: "filesystem", config: { path, history: true, compression: "zstd", encryption: "aes-256-gcm", encryption_key_file: keys }, flags: [...flags, keys], durability: "local" });
    const others = join(directory.path, "other.keys");
    writeFileSync(others, `${masterKeyLine("other")}\n`, { mode: 0o600 });
    const refused = await run(["recover", "--from", "filesystem", ...flags, others, "--data-dir", join(directory.path, "refused")]);
    expect(refused.status).not.toBe(0);
    expect(refused.err).toContain("first");
    directory.remove();
  },
  3 * minuteMs,
);

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("from S3", () => {
  let s3: S3Server;
  beforeAll(async () => {
    s3 = await startS3();
  }, startMs);
  afterAll(async () => {
    await s3?.stop();
  });

  for (const durability of ["local", "remote"]) {
    test(
      `durability ${durability}`,
      async () => {
        const directory = temporaryDirectory("recover-s3");
        const bucket = s3.bucketName();
        const { accessKeyId, secretAccessKey } = s3.credentials;
        const config = bucketConfig(s3, bucket);
        const flags = ["--bucket", bucket, "--endpoint", s3.endpoint, "--access-key", accessKeyId, "--secret-key", secretAccessKey];
        await loseAndRecover({ directory: directory.path, type: "s3", config, flags, durability });
        directory.remove();
      },
      3 * minuteMs,
    );
  }
});
