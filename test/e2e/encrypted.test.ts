import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { masterKeyLine } from "../support/master-keys.ts";
import { Admin } from "../support/admin.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { binaryPath, freePort, Server, temporaryDirectory } from "../support/server.ts";

/** A share whose content is compressed and encrypted: written, killed, its keys rotated while it serves, refused with wrong ones. */

const MiB = 2 ** 20;
const startMs = 240_000;
const minuteMs = 60_000;
/** Text that is found in what isn't encrypted or compressed. */
const secretLine = "the board meets on thursday in the small room behind the library\n";

function text(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0, line = 0; at < length; line++) at += bytes.write(`${seed}/${line}: ${secretLine}`, at, "latin1");
  return bytes;
}

describe("a share on an encrypted and compressed store", () => {
  const directory = temporaryDirectory("encrypted");
  const dataDir = join(directory.path, "data");
  const keyFile = join(directory.path, "master.keys");
  const blocks = join(directory.path, "blocks");
  let server: Server;
  let admin: Admin;
  let client: NfsClient;

  beforeAll(async () => {
    writeFileSync(keyFile, `${masterKeyLine("old")}\n`, { mode: 0o600 });
    await start();
  }, startMs);

  afterAll(async () => {
    client?.close();
    await server?.stop();
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
    client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  }

  const read = async (root: Uint8Array, name: string): Promise<Buffer> => await client.readAll((await client.lookup(root, name)).handle);
  const objects = (): string[] => readdirSync(blocks, { recursive: true, withFileTypes: true }).flatMap((entry) => (entry.isFile() && entry.parentPath.includes("/objects") ? [join(entry.parentPath, entry.name)] : []));
  const config = { path: blocks, compression: "zstd", encryption: "aes-256-gcm", encryption_key_file: keyFile };

  test("a store without a key, or with one that others can read, is refused by name", async () => {
    const { encryption_key_file: _, ...without } = config;
    expect((await admin.ask("POST", "/api/v1/store/block", { name: "sealed", type: "filesystem", config: without })).status).toBe(422);
    const open = join(directory.path, "open.keys");
    writeFileSync(open, `${masterKeyLine("old")}\n`, { mode: 0o644 });
    const refused = await admin.ask("POST", "/api/v1/store/block", { name: "sealed", type: "filesystem", config: { ...config, encryption_key_file: open } });
    expect([refused.status, refused.body.detail]).toEqual([503, expect.stringContaining("chmod 600")]);
    const absent = await admin.ask("POST", "/api/v1/store/block", { name: "sealed", type: "filesystem", config: { ...config, encryption_key_file: "/nowhere/keys" } });
    expect([absent.status, absent.body.detail]).toEqual([503, expect.stringContaining("/nowhere/keys is not there")]);
  });

  test(
    "what is written is stored smaller and unreadable, and is there after kill -9",
    async () => {
      await admin.do("POST", "/api/v1/store/block", { name: "sealed", type: "filesystem", config });
      await admin.do("POST", "/api/v1/shares", { name: "/sealed", blocks: "sealed", default_permission: "read-write" });
      client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
      const root = await client.mount("/sealed");
      const large = text(24 * MiB, 1);
      await client.writeFile(root, "large", large);
      for (let i = 0; i < 10; i++) await client.writeFile(root, `small-${i}`, text(5000, i + 2));
      await admin.do("POST", "/api/v1/system/drain-uploads");
      const stored = objects().map((path) => readFileSync(path));
      expect(stored.reduce((sum, bytes) => sum + bytes.length, 0)).toBeLessThan(6 * MiB);
      for (const bytes of stored) expect(bytes.includes("the board meets")).toBe(false);
      await restart();
      const again = await client.mount("/sealed");
      expect((await read(again, "large")).equals(large)).toBe(true);
      for (let i = 0; i < 10; i++) expect((await read(again, `small-${i}`)).equals(text(5000, i + 2))).toBe(true);
    },
    3 * minuteMs,
  );

  test(
    "keys are rotated while clients write and read, on both sides of a kill -9; afterwards the old master key is of no use",
    async () => {
      const root = await client.mount("/sealed");
      await client.writeFile(root, "steady", text(4 * MiB, 30));
      const written: string[] = [];
      let stop = false;
      const writing = (async () => {
        for (let i = 0; !stop; i++) {
          await client.writeFile(root, `during-${i}`, text(300_000, 40 + i));
          written.push(`during-${i}`);
        }
      })();
      const reading = (async () => {
        while (!stop) expect((await read(root, "steady")).equals(text(4 * MiB, 30))).toBe(true);
      })();
      for (const id of ["second", "third"]) {
        expect(await Bun.spawn([binaryPath(), "store", "block", "new-key", keyFile, "--id", id], { stdout: "ignore" }).exited).toBe(0);
        const { shares } = await admin.do("POST", "/api/v1/store/block/sealed/rotate-keys");
        expect(shares).toEqual([{ share: "/sealed", master_key: id, keys: id === "second" ? 2 : 3, error: null }]);
      }
      const before = written.length;
      while (written.length < before + 3) await Promise.race([writing, reading, new Promise((resolve) => setImmediate(resolve))]);
      stop = true;
      await Promise.all([writing, reading]);
      await admin.do("POST", "/api/v1/system/drain-uploads");
      writeFileSync(keyFile, readFileSync(keyFile, "utf8").split("\n")[0] as string, { mode: 0o600 });
      await restart();
      const again = await client.mount("/sealed");
      expect((await read(again, "steady")).equals(text(4 * MiB, 30))).toBe(true);
      expect((await read(again, "large")).equals(text(24 * MiB, 1))).toBe(true);
      for (const [i, name] of written.entries()) expect((await read(again, name)).equals(text(300_000, 40 + i))).toBe(true);
    },
    3 * minuteMs,
  );

  test(
    "a rotation that kill -9 cuts off at random is repeated after the start, which leaves one keyring; nothing is lost",
    async () => {
      const random = new SeededRandom(20_261_122);
      const ringsLeft = (): number => objects().filter((path) => path.includes("/keyring/")).length;
      let root = await client.mount("/sealed");
      const written: string[] = [];
      for (let round = 0; round < 6; round++) {
        const name = `round-${round}`;
        await client.writeFile(root, name, text(200_000, 100 + round));
        written.push(name);
        const rotating = Array.from({ length: 4 }, () => admin.ask("POST", "/api/v1/store/block/sealed/rotate-keys").catch(() => null));
        const stopAt = random.below(25);
        for (let turn = 0; turn < stopAt; turn++) await new Promise((resolve) => setImmediate(resolve));
        await restart();
        await Promise.all(rotating);
        expect(ringsLeft()).toBe(1);
        root = await client.mount("/sealed");
        for (const [i, one] of written.entries()) expect((await read(root, one)).equals(text(200_000, 100 + i))).toBe(true);
      }
      const { shares } = await admin.do("POST", "/api/v1/store/block/sealed/rotate-keys");
      expect(shares).toMatchObject([{ share: "/sealed", error: null }]);
      expect(ringsLeft()).toBe(1);
      expect((await read(root, "large")).equals(text(24 * MiB, 1))).toBe(true);
    },
    3 * minuteMs,
  );

  test(
    "another master key is refused by name, by an edit and by a start, and the right one brings the share back",
    async () => {
      const right = readFileSync(keyFile);
      const other = join(directory.path, "other.keys");
      writeFileSync(other, `${masterKeyLine("old")}\n`, { mode: 0o600 });
      const edit = await admin.ask("PUT", "/api/v1/store/block/sealed", { config: { encryption_key_file: other } });
      expect([edit.status, edit.body.detail]).toEqual([503, expect.stringContaining('master key "third"')]);
      writeFileSync(keyFile, `${masterKeyLine("third")}\n`, { mode: 0o600 });
      await restart();
      const status = await admin.do("GET", "/api/v1/shares/sealed/status");
      expect(status).toMatchObject({ state: "failed", error: expect.stringContaining("is not the one") });
      writeFileSync(keyFile, right, { mode: 0o600 });
      await restart();
      const root = await client.mount("/sealed");
      expect((await read(root, "steady")).equals(text(4 * MiB, 30))).toBe(true);
    },
    3 * minuteMs,
  );

  test(
    "a store in use is not brought into a state in which its content could not be read",
    async () => {
      for (const change of [{ encryption: null }, { compression: null }, { encryption_key_file: null, encryption: "off" }]) {
        const refused = await admin.ask("PUT", "/api/v1/store/block/sealed", { config: change });
        expect([change, refused.status]).toEqual([change, 409]);
      }
      await admin.do("PUT", "/api/v1/store/block/sealed", { config: { encryption: "off", compression: "off" } });
      const root = await client.mount("/sealed");
      expect((await read(root, "large")).equals(text(24 * MiB, 1))).toBe(true);
      await client.writeFile(root, "plain", text(MiB, 50));
      await admin.do("POST", "/api/v1/system/drain-uploads");
      expect((await admin.ask("PUT", "/api/v1/store/block/sealed", { config: { encryption: "aes-256-gcm" } })).status).toBe(409);
      await admin.do("PUT", "/api/v1/store/block/sealed", { config: { encryption: "aes-256-gcm", encryption_accept_plain: true } });
      await restart();
      const again = await client.mount("/sealed");
      for (const [name, bytes] of [["plain", text(MiB, 50)], ["large", text(24 * MiB, 1)]] as const) expect((await read(again, name)).equals(bytes)).toBe(true);
      const { requests } = await admin.do("GET", "/api/v1/store/block/sealed/status");
      expect(requests.find((one: { operation: string }) => one.operation === "get").ok).toBeGreaterThan(0);
      client.close();
      await admin.do("DELETE", "/api/v1/shares/sealed?purge=true&force=true");
      expect(objects()).toEqual([]);
    },
    3 * minuteMs,
  );
});
