import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { missingPostgres, sharedCluster } from "../support/postgres.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";
import { until } from "../support/wait.ts";

/** Two servers with the same share, its metadata in one PostgreSQL database: the one that starts later has it. */

if (missingPostgres !== null) console.log(`two servers on one share: skipped, ${missingPostgres}`);

const startMs = 240_000;

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("two servers on one share in PostgreSQL", () => {
  const directory = temporaryDirectory("takeover");
  const servers: Server[] = [];
  beforeAll(async () => {
    await sharedCluster();
  }, startMs);
  afterAll(async () => {
    for (const server of servers) await server.kill();
    directory.remove();
  });

  async function start(name: string): Promise<Server> {
    const server = await Server.start({ dataDir: join(directory.path, name), port: await freePort() });
    servers.push(server);
    return server;
  }

  test(
    "the first stops serving it, says why, and goes on with its other shares; a second without the share's log is refused",
    async () => {
      const login = await (await sharedCluster()).database();
      let first = await start("first");
      let admin = await Admin.at(first);
      await admin.do("POST", "/api/v1/store/metadata", { name: "pg", type: "postgres", config: { ...login, sslmode: "disable" } });
      await admin.do("POST", "/api/v1/shares", { name: "/team", metadata: "pg", default_permission: "read-write" });
      const credentials = { uid: 1000, gid: 1000 };
      let client = await NfsClient.connect({ port: first.port, credentials });
      const team = await client.mount("/team");
      const { handle } = await client.create(team, "kept", { mode: 0o644 });
      client.close();
      await first.stop();
      for (const name of ["second", "third"]) cpSync(join(directory.path, "first"), join(directory.path, name), { recursive: true, filter: (from) => name === "second" || !/shares\/team/.test(from) });
      first = await start("first");
      admin = await Admin.at(first);

      const third = await start("third");
      const refused = await (await Admin.at(third)).do("GET", "/api/v1/shares/team/status");
      expect(JSON.stringify(refused)).toMatch(/no write-ahead log/);
      await third.stop();
      expect(JSON.stringify(await admin.do("GET", "/api/v1/shares/team/status"))).toMatch(/"serving"/);

      const second = await start("second");
      client = await NfsClient.connect({ port: second.port, credentials });
      expect((await client.getattr(handle as Uint8Array)).mode & 0o777).toBe(0o644);
      client.close();
      const state = await until("the first server to notice", 20_000, async () => {
        const seen = JSON.stringify(await admin.do("GET", "/api/v1/shares/team/status"));
        return /"failed".*taken over/.test(seen) ? seen : null;
      });
      expect(state).toMatch(/taken over by the server on .* with the data directory .*second/);
      client = await NfsClient.connect({ port: first.port, credentials });
      await client.create(await client.mount("/export"), "still-served", { mode: 0o644 });
      client.close();
      // Whatever else changes, it is not taken back unasked.
      await admin.do("POST", "/api/v1/shares", { name: "/more", default_permission: "read-write" });
      expect(JSON.stringify(await admin.do("GET", "/api/v1/shares/team/status"))).toMatch(/taken over/);
      expect(JSON.stringify(await (await Admin.at(second)).do("GET", "/api/v1/shares/team/status"))).toMatch(/"serving"/);
    },
    startMs,
  );
});
