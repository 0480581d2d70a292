import { spawn } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { NfsClient } from "../support/nfs-client.ts";
import { missingRadosgw, type S3Server, startS3 } from "../support/radosgw.ts";
import { adminPassword, binaryPath, freePort, projectRoot, Server, temporaryDirectory } from "../support/server.ts";
import { until } from "../support/wait.ts";

/** The README's lines about content in a bucket, word for word, against a real S3 server. */

if (missingRadosgw !== null) console.log(`the README's share on S3: skipped, ${missingRadosgw}`);

const startMs = 240_000;

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("the README's share on S3", () => {
  const directory = temporaryDirectory("readme-s3");
  let s3: S3Server;
  let server: Server;
  let bucket: string;
  let kept: Uint8Array;
  let newPort = 0;

  beforeAll(async () => {
    s3 = await startS3();
    bucket = s3.bucketName();
    server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort() });
  }, startMs);

  afterAll(async () => {
    await server?.stop();
    await s3?.stop();
    directory.remove();
  });

  function linesOf(heading: string): string {
    const section = new RegExp(`^## ${heading}\\n(.*?)^## `, "ms").exec(readFileSync(join(projectRoot, "README.md"), "utf8"))?.[1] ?? "";
    const blocks = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
    expect(blocks.length).toBe(1);
    return blocks[0] ?? "";
  }

  async function bash(lines: string): Promise<string> {
    const home = join(directory.path, "home");
    mkdirSync(join(home, ".config"), { recursive: true });
    const env = {
      HOME: home,
      XDG_CONFIG_HOME: join(home, ".config"),
      PATH: `${dirname(binaryPath())}:${Bun.env.PATH ?? ""}`,
      DITTOFS_SERVER: server.apiUrl,
      PASSWORD: adminPassword,
      BUCKET: bucket,
      NEW: join(directory.path, "new"),
      DITTOFS_CONTROLPLANE_PORT: "0",
      DITTOFS_ADAPTERS_NFS_PORT: String(newPort),
      DITTOFS_ADAPTERS_SMB_PORT: "0",
      DITTOFS_ADMIN_INITIAL_PASSWORD: adminPassword,
      ENDPOINT: s3.endpoint,
      ACCESS_KEY: s3.credentials.accessKeyId,
      SECRET_KEY: s3.credentials.secretAccessKey,
    };
    const child = spawn(["bash", "-euo", "pipefail", "-c", lines], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [output, errors, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
    if (status !== 0) throw new Error(`status ${status}\n${output}\n${errors}`);
    return output + errors;
  }

  test(
    "is made as it stands there, and serves",
    async () => {
      await bash('echo "$PASSWORD" | dittofs login --username admin --password-stdin');
      const output = await bash(linesOf("Content in a bucket"));
      expect(output).toMatch(/127\.0\.0\.1:\/cloud/);
      expect(output).toMatch(/local/);
      const client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
      const root = await client.mount("/cloud");
      const { handle } = await client.create(root, "film", { mode: 0o644 });
      await client.writeAll(handle as Uint8Array, 0, Buffer.alloc(300_000, 5));
      await client.commit(handle as Uint8Array);
      expect(await bash("dittofs system drain-uploads && dittofs share status /cloud -o json")).toMatch(/"unstored_bytes": 0/);
      expect((await client.readAll(handle as Uint8Array)).equals(Buffer.alloc(300_000, 5))).toBe(true);
      kept = handle as Uint8Array;
      client.close();
    },
    startMs,
  );

  test(
    "is recovered as it stands there, after its machine is gone",
    async () => {
      await until("the history to be published", 10_000, async () => {
        const { history } = JSON.parse(await bash("dittofs share status /cloud -o json")) as { history: { recoverable: boolean; lag_segments: number } };
        return history.recoverable && history.lag_segments === 0 ? true : null;
      });
      await server.kill();
      rmSync(join(directory.path, "data"), { recursive: true });
      newPort = await freePort();
      try {
        expect(await bash(linesOf("After the machine is gone"))).toContain("recovered share /cloud");
        // Nobody said yet who may use it: what the handle refers to may be looked at.
        const client = await NfsClient.connect({ port: newPort, credentials: { uid: 1000, gid: 1000 } });
        expect((await client.getattr(kept)).size).toBe(300_000);
        client.close();
      } finally {
        await bash('dittofs stop --data-dir "$NEW"');
      }
    },
    startMs,
  );
});
