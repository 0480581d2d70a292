import { spawnSync } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NfsClient } from "../support/nfs-client.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";

/** libnfs's tools against the compiled server. */

const tools = ["nfs-ls", "nfs-cp", "nfs-cat"];
const missing = tools.filter((tool) => Bun.which(tool) === null);
if (missing.length > 0) console.log(`libnfs: skipped, ${missing.join(", ")} not installed (libnfs-utils)`);

const directory = temporaryDirectory("libnfs");
const mountOffset = Number(Bun.env.DITTOFS_TEST_MOUNT_OFFSET ?? 0);
let server: Server;

function url(path: string): string {
  return `nfs://127.0.0.1${path}?version=3&nfsport=${server.port}&mountport=${server.port + mountOffset}&uid=1000&gid=1000`;
}

function run(...command: string[]): Buffer {
  const result = spawnSync(command, { timeout: 60_000 });
  if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.exitCode}\n${result.stderr.toString()}${result.stdout.toString()}`);
  return result.stdout;
}

// Skipped where the tools are not installed; the reason is printed above.
describe.skipIf(missing.length > 0)("libnfs", () => {
  beforeAll(async () => {
    server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort() });
    const client = await NfsClient.connect({ port: server.port, mountPort: server.port + mountOffset, credentials: { uid: 1000, gid: 1000 } });
    await client.mkdir(await client.mount("/export"), "folder", { mode: 0o755 });
    client.close();
    mkdirSync(join(directory.path, "local"));
  });

  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  const sizes = [0, 1, 4095, 65_536, 1_048_577, 12_345_678];

  test("copies files up and down, the same byte for byte", () => {
    const random = new SeededRandom(7);
    const noise = random.bytes(1_000_003);
    for (const size of sizes) {
      const source = join(directory.path, "local", `up-${size}`);
      const bytes = Buffer.alloc(size, noise);
      writeFileSync(source, bytes);
      run("nfs-cp", source, url(`/export/folder/file-${size}`));
      const back = join(directory.path, "local", `down-${size}`);
      run("nfs-cp", url(`/export/folder/file-${size}`), back);
      expect(readFileSync(back).equals(bytes)).toBe(true);
      expect(Buffer.from(run("nfs-cat", url(`/export/folder/file-${size}`))).equals(bytes)).toBe(true);
    }
  });

  test("lists what was copied, with sizes", () => {
    const listed = run("nfs-ls", url("/export/folder")).toString();
    for (const size of sizes) {
      const line = listed.split("\n").find((one) => one.endsWith(` file-${size}`));
      expect(line).toBeDefined();
      expect(line?.trim().split(/\s+/)).toContain(String(size));
    }
  });

  test("says so when there is no such file or share", () => {
    expect(() => run("nfs-cat", url("/export/folder/absent"))).toThrow();
    expect(() => run("nfs-ls", url("/absent"))).toThrow();
  });

  test("finds everything after a restart", async () => {
    await server.stop();
    server = await Server.start({ dataDir: join(directory.path, "data"), port: server.port });
    const source = join(directory.path, "local", "up-1048577");
    expect(Buffer.from(run("nfs-cat", url("/export/folder/file-1048577"))).equals(readFileSync(source))).toBe(true);
  });
});
