import { spawnSync } from "bun";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { failsWith, type Handle, NfsClient, NfsError, Stable, Status } from "../support/nfs-client.ts";
import { patiently } from "../support/patiently.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../support/server.ts";
import { until } from "../support/wait.ts";

/** A disk that fills up, files that are mostly holes, shares that keep to themselves. */

const mountOffset = Number(Bun.env.DITTOFS_TEST_MOUNT_OFFSET ?? 0);
const credentials = { uid: 1000, gid: 1000 };
const MiB = 1024 * 1024;

const why = process.getuid?.() === 0 ? null : "mounting a small file system needs root";
if (why !== null) console.log(`a full disk: skipped, ${why}`);

/** A file system of its own of a given size. */
class SmallDisk {
  readonly path: string;
  constructor(parent: string, sizeMiB: number) {
    this.path = join(parent, "small");
    mkdirSync(this.path);
    const mounted = spawnSync(["mount", "-t", "tmpfs", "-o", `size=${sizeMiB}m,mode=755`, "small", this.path]);
    if (mounted.exitCode !== 0) throw new Error(`mount: ${mounted.stderr.toString()}`);
  }
  unmount(): void {
    spawnSync(["umount", "-l", this.path]);
  }
}

// Skipped where a small file system can't be mounted; the reason is printed above.
describe.skipIf(why !== null)("a full disk", () => {
  const directory = temporaryDirectory("space");
  let disk: SmallDisk;
  let server: Server;
  let client: NfsClient;
  const limits = {
    DITTOFS_CACHE_SIZE: "32MiB", DITTOFS_CACHE_DIRTY_LIMIT: "8MiB", DITTOFS_CACHE_FLUSH_AGE: "100ms", DITTOFS_CACHE_LOG_SEGMENT_SIZE: "20MiB",
  }; // prettier-ignore

  beforeAll(async () => {
    disk = new SmallDisk(directory.path, 256);
    server = await Server.start({ dataDir: join(disk.path, "data"), port: await freePort(), env: limits });
    client = await NfsClient.connect({ port: server.port, mountPort: server.port + mountOffset, credentials });
  });

  afterAll(async () => {
    client?.close();
    await server?.stop();
    disk?.unmount();
    directory.remove();
  });

  const random = new SeededRandom(11);
  const noise = random.bytes(2 * MiB);
  const contentOf = (file: number, chunk: number): Buffer => noise.subarray(file * 997 + chunk * 13, file * 997 + chunk * 13 + MiB);
  const chunks = 8;

  /** Writes files of 8 MiB until there is no room; those that were committed whole. */
  async function fill(root: Handle): Promise<number[]> {
    const whole: number[] = [];
    for (let file = 0; file < 200; file++) {
      try {
        const { handle } = await patiently(() => client.create(root, `file-${file}`, { mode: 0o644 }));
        for (let chunk = 0; chunk < chunks; chunk++) {
          const { written } = await patiently(() => client.write(handle, chunk * MiB, contentOf(file, chunk), Stable.unstable));
          expect(written).toBe(MiB);
        }
        await patiently(() => client.commit(handle));
        whole.push(file);
      } catch (error) {
        if (error instanceof NfsError && error.status === Status.noSpace) return whole;
        throw error;
      }
    }
    throw new Error("the disk never filled");
  }

  async function holds(root: Handle, file: number): Promise<void> {
    const { handle } = await client.lookup(root, `file-${file}`);
    for (let chunk = 0; chunk < chunks; chunk++) {
      const data = await patiently(() => client.readAll(handle, chunk * MiB, MiB));
      if (!data.equals(contentOf(file, chunk))) throw new Error(`file-${file} differs in MiB ${chunk}`);
    }
  }

  test("says NOSPC, keeps what it acknowledged, and takes writes again within 10 s of a removal", async () => {
    const root = await client.mount("/export");
    const whole = await fill(root);
    console.log(`a full disk: ${whole.length} files of ${chunks} MiB fitted in 256 MiB`);
    expect(whole.length).toBeGreaterThan(4);
    for (const file of whole) await holds(root, file);

    // Half is removed over NFS; removal must work on the full disk.
    const kept = whole.filter((file) => file % 2 === 1);
    for (const entry of await client.list(root)) {
      if (!kept.includes(Number(entry.name.slice(5)))) await patiently(() => client.remove(root, entry.name));
    }
    await until("a write after the removal", 10_000, async () => {
      try {
        const { handle } = await client.create(root, "after", { mode: 0o644 });
        await client.writeAll(handle, 0, contentOf(1, 1), Stable.fileSync);
        return true;
      } catch (error) {
        if (error instanceof NfsError && (error.status === Status.noSpace || error.status === Status.jukebox)) return null;
        throw error;
      }
    });
    for (const file of kept) await holds(root, file);
    expect(server.running).toBe(true);
  }, 180_000);

  test("a full disk that lost its server starts again and still holds everything", async () => {
    const root = await client.mount("/export");
    for (const entry of await client.list(root)) await patiently(() => client.remove(root, entry.name));
    const whole = await until("room for some files", 20_000, async () => {
      const found = await fill(root);
      return found.length > 4 ? found : null;
    });
    await server.kill();
    server = await Server.start({ dataDir: join(disk.path, "data"), port: server.port, env: limits });
    await client.reconnect();
    for (const file of whole) await holds(root, file);
    await patiently(() => client.remove(root, `file-${whole[0]}`));
    await until("a write after the restart and a removal", 10_000, async () => {
      try {
        const { handle } = await client.create(root, "again", { mode: 0o644 });
        await client.writeAll(handle, 0, contentOf(2, 2), Stable.fileSync);
        return true;
      } catch (error) {
        if (error instanceof NfsError && (error.status === Status.noSpace || error.status === Status.jukebox)) return null;
        throw error;
      }
    });
  }, 180_000);
});

test.skipIf(why !== null)("a disk without room for a start is named (needs root)", () => {
  const directory = temporaryDirectory("no-room");
  const disk = new SmallDisk(directory.path, 1);
  try {
    const data = join(disk.path, "data");
    mkdirSync(data);
    expect(() => writeFileSync(join(disk.path, "fill"), Buffer.alloc(2 * MiB))).toThrow("ENOSPC");
    const { exitCode, stderr } = spawnSync([binaryPath(), "start", "--data-dir", data, "--nfs-port", "0"], { env: { ...Bun.env, ...serverEnvironment } });
    expect([exitCode, stderr.toString()]).toEqual([1, `error: no room on the disk of ${data} (ENOSPC: no space left on device, write); make some and start again\n`]);
  } finally {
    disk.unmount();
    directory.remove();
  }
});

describe("holes and shares", () => {
  const directory = temporaryDirectory("holes");
  let server: Server;
  const clients: NfsClient[] = [];

  beforeAll(async () => {
    const config = join(directory.path, "config.yaml");
    writeFileSync(config, "shares:\n  - name: /export\n  - name: /other\n");
    server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort(), config });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  async function connect(): Promise<NfsClient> {
    const client = await NfsClient.connect({ port: server.port, mountPort: server.port + mountOffset, credentials });
    clients.push(client);
    return client;
  }

  /** Bytes the data directory takes on disk. */
  function stored(): number {
    return Number(spawnSync(["du", "-s", "--block-size=1", join(directory.path, "data")]).stdout.toString().split("\t")[0]);
  }

  test("a file of 1 TiB with one written byte", async () => {
    const client = await connect();
    const root = await client.mount("/export");
    const TiB = 2 ** 40;
    const { handle } = await client.create(root, "huge", { mode: 0o644 });
    const before = stored();
    await client.writeAll(handle, TiB - 1, Buffer.from("x"), Stable.fileSync);
    const attributes = await client.getattr(handle);
    expect(attributes.size).toBe(TiB);
    expect(attributes.used).toBeLessThan(10 * MiB);
    expect((await client.read(handle, TiB - 5, 10)).data.equals(Buffer.from("\0\0\0\0x"))).toBe(true);
    for (const offset of [0, 12_345, TiB / 2, TiB - MiB - 1]) {
      const { data, eof } = await client.read(handle, offset, MiB);
      expect(data.length).toBe(MiB);
      expect(data.every((byte) => byte === 0)).toBe(true);
      expect(eof).toBe(false);
    }
    expect(stored() - before).toBeLessThan(8 * MiB);
    await client.remove(root, "huge");
  });

  test("holes read as zeros and store nothing, also after truncates and a restart", async () => {
    const client = await connect();
    const root = await client.mount("/export");
    const { handle } = await client.create(root, "sparse", { mode: 0o644 });
    const before = stored();
    await client.setattr(handle, { size: 500 * MiB });
    await client.writeAll(handle, 100 * MiB + 7, Buffer.from("island"), Stable.fileSync);
    await client.setattr(handle, { size: 100 * MiB + 10 });
    await client.setattr(handle, { size: 300 * MiB });
    const check = async (): Promise<void> => {
      expect((await client.getattr(handle)).size).toBe(300 * MiB);
      expect((await client.readAll(handle, 100 * MiB, 20)).toString("latin1")).toBe(`${"\0".repeat(7)}isl${"\0".repeat(10)}`);
      expect((await client.readAll(handle, 200 * MiB, 3 * MiB)).every((byte) => byte === 0)).toBe(true);
    };
    await check();
    expect((await client.getattr(handle)).used).toBeLessThan(10 * MiB);
    expect(stored() - before).toBeLessThan(8 * MiB);
    await server.stop();
    server = await Server.start({ dataDir: join(directory.path, "data"), port: server.port, config: join(directory.path, "config.yaml") });
    await client.reconnect();
    await check();
  });

  test("two shares never see each other's files", async () => {
    const client = await connect();
    const [one, two] = [await client.mount("/export"), await client.mount("/other")];
    expect(Buffer.from(one).equals(two)).toBe(false);
    const mine = await client.create(one, "mine", { mode: 0o644 });
    await client.writeAll(mine.handle, 0, Buffer.from("one"), Stable.fileSync);
    await failsWith(Status.noEntry, client.lookup(two, "mine"));
    const other = await client.create(two, "mine", { mode: 0o644 });
    await client.writeAll(other.handle, 0, Buffer.from("two!"), Stable.fileSync);
    expect((await client.readAll(mine.handle)).toString()).toBe("one");
    expect((await client.readAll(other.handle)).toString()).toBe("two!");
    expect((await client.list(two)).map((entry) => entry.name)).toEqual(["mine"]);
    await failsWith(Status.crossDevice, client.rename(one, "mine", two, "moved"));
    await failsWith(Status.crossDevice, client.link(mine.handle, two, "linked"));
    expect((await client.getattr(mine.handle)).fsid).not.toBe((await client.getattr(other.handle)).fsid);
    // A handle with the other share's instance but its own body is nobody's.
    const forged = Buffer.from(mine.handle);
    Buffer.from(other.handle).copy(forged, 4, 4, 12);
    await failsWith(Status.badHandle, client.getattr(forged));
  });
});
