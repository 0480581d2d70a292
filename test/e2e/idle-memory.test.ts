import { expect, test } from "bun:test";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { Server, temporaryDirectory } from "../support/server.ts";
import { until } from "../support/wait.ts";

const idleBytesMax = 70_000_000;
const settledMs = 20_000;

test("a server that nobody asks for anything holds less than 70 MB, and serves from there", async () => {
  const directory = temporaryDirectory("idle");
  const server = await Server.start({ dataDir: join(directory.path, "data"), port: 0 });
  try {
    await server.printed(/^ready$/m);
    await until(`less than ${idleBytesMax} bytes of resident memory`, settledMs, () => (server.residentBytes() < idleBytesMax ? true : null));
    const client = await NfsClient.connect({ port: server.port });
    expect((await client.create(await client.mount("/export"), "a", { mode: 0o644 })).handle).not.toBeNull();
    client.close();
    expect((await (await Admin.at(server)).do("GET", "/api/v1/status")).shares.serving).toBe(1);
    expect(await server.stop()).toBe(0);
  } finally {
    await server.kill();
    directory.remove();
  }
}, 180_000);
