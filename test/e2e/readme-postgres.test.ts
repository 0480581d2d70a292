import { spawn } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { NfsClient } from "../support/nfs-client.ts";
import { type Cluster, type DatabaseLogin, missingPostgres, sharedCluster } from "../support/postgres.ts";
import { adminPassword, binaryPath, freePort, projectRoot, Server, temporaryDirectory } from "../support/server.ts";

/** The README's lines about metadata in PostgreSQL, word for word, against a real server. */

if (missingPostgres !== null) console.log(`the README's share on PostgreSQL: skipped, ${missingPostgres}`);

const startMs = 240_000;

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("the README's share on PostgreSQL", () => {
  const directory = temporaryDirectory("readme-postgres");
  let cluster: Cluster;
  let login: DatabaseLogin;
  let server: Server;

  beforeAll(async () => {
    cluster = await sharedCluster();
    login = await cluster.database();
    server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort() });
  }, startMs);

  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  async function bash(lines: string): Promise<string> {
    const home = join(directory.path, "home");
    mkdirSync(join(home, ".config"), { recursive: true });
    const env = {
      HOME: home,
      XDG_CONFIG_HOME: join(home, ".config"),
      PATH: `${dirname(binaryPath())}:${Bun.env.PATH ?? ""}`,
      DITTOFS_SERVER: server.apiUrl,
      PASSWORD: adminPassword,
      PGHOST: "localhost",
      PGPORT: String(login.port),
      PGDATABASE: login.database,
      PGUSER: login.user,
      PGPASSWORD: login.password,
      PGSSLROOTCERT: cluster.rootCert,
    };
    const child = spawn(["bash", "-euo", "pipefail", "-c", lines], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [output, errors, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
    if (status !== 0) throw new Error(`status ${status}\n${output}\n${errors}`);
    return output + errors;
  }

  test(
    "is made as it stands there, serves, and is there again after a restart, handles too",
    async () => {
      const section = /^## Metadata in PostgreSQL\n(.*?)^## /ms.exec(readFileSync(join(projectRoot, "README.md"), "utf8"))?.[1] ?? "";
      const blocks = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
      expect(blocks.length).toBe(1);
      await bash('echo "$PASSWORD" | dittofs login --username admin --password-stdin');
      expect(await bash(blocks[0] ?? "")).toMatch(/127\.0\.0\.1:\/team/);
      const shown = await bash("dittofs store metadata show pg -o json");
      expect(shown).not.toContain(login.password);
      const client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
      const root = await client.mount("/team");
      const { handle } = await client.create(root, "film", { mode: 0o644 });
      await client.writeAll(handle as Uint8Array, 0, Buffer.alloc(300_000, 5));
      await client.commit(handle as Uint8Array);
      client.close();

      await server.stop();
      server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort() });
      const again = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
      expect((await again.readAll(handle as Uint8Array)).equals(Buffer.alloc(300_000, 5))).toBe(true);
      again.close();

      const [{ n: inodes } = { n: 0 }] = await cluster.sql("select count(*)::int as n from dittofs_inode", login.database);
      expect(inodes).toBe(2);
      // What is deleted for good leaves nothing behind.
      await bash('echo "$PASSWORD" | dittofs login --username admin --password-stdin; dittofs share delete /team --purge --yes');
      const [{ n: left } = { n: -1 }] = await cluster.sql("select (select count(*) from dittofs_inode) + (select count(*) from dittofs_dirent) + (select count(*) from dittofs_share) as n", login.database);
      expect(Number(left)).toBe(0);
    },
    startMs,
  );
});
