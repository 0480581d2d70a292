import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { failsWith, NfsClient, NfsError, Stable, Status, Type } from "../support/nfs-client.ts";
import { RawConnection } from "../support/raw-connection.ts";
import { callHeader, record, RpcRefused } from "../support/rpc-client.ts";
import { SeededRandom, seedFor } from "../support/seeded-random.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";
import { until, within } from "../support/wait.ts";
import { XdrWriter } from "../support/xdr.ts";
import { Bystander } from "./bad-input/bystander.ts";
import { argumentsAt, framed, mutate, validCall } from "./bad-input/mutations.ts";

/** Clients that send nonsense get an error or lose their connection; nobody else notices, and memory stays bounded. */

const MiB = 1024 * 1024;
const mountOffset = Number(Bun.env.DITTOFS_TEST_MOUNT_OFFSET ?? 0);
const cacheBytes = 64 * MiB;
/** Resident memory that must do under any load. */
const residentMax = cacheBytes + 300 * MiB;
const disturbedMsMax = 8000;
const credentials = { uid: 1000, gid: 1000 };

const directory = temporaryDirectory("bad-input");
let server: Server;
let bystander: Bystander;
let client: NfsClient;
let root: Uint8Array;
let residentPeak = 0;

beforeAll(async () => {
  const config = join(directory.path, "config.yaml");
  writeFileSync(config, "shares:\n  - name: /export\n  - name: /quiet\n");
  const env = { DITTOFS_CACHE_SIZE: String(cacheBytes), DITTOFS_LOGGING_LEVEL: "error" };
  server = await Server.start({ dataDir: join(directory.path, "data"), port: await freePort(), config, env });
});
// After all of it the server must still be able to stop.
afterAll(async () => {
  const begun = performance.now();
  const status = await within("the end of the server", 25_000, server.stop()).catch(async (error: Error) => {
    await server.kill();
    return error.message;
  });
  console.log(`bad input: the server stopped after ${Math.round(performance.now() - begun)} ms`);
  directory.remove();
  expect(status).toBe(0);
}, 40_000);
beforeEach(async () => {
  const mountPort = server.port + mountOffset;
  client = await NfsClient.connect({ port: server.port, mountPort, credentials });
  root = await client.mount("/export");
  bystander = await Bystander.start(server.port, mountPort, "/quiet");
  residentPeak = 0;
});
afterEach(async () => {
  sampleMemory();
  const { rounds, slowestMs } = await bystander.stop();
  client.close();
  expect(server.running).toBe(true);
  expect(rounds).toBeGreaterThan(0);
  expect(slowestMs).toBeLessThan(disturbedMsMax);
  expect(residentPeak).toBeLessThan(residentMax);
});

function sampleMemory(): void {
  residentPeak = Math.max(residentPeak, server.residentBytes());
}

async function newFile(name: string): Promise<Uint8Array> {
  return (await client.create(root, name, { mode: 0o644 })).handle;
}

/** The status a call fails with; 0 when it succeeds; "refused" when RPC refused it. */
async function statusOf(call: Promise<unknown>): Promise<number | "refused"> {
  try {
    await call;
    return 0;
  } catch (error) {
    if (error instanceof NfsError) return error.status;
    if (error instanceof RpcRefused) return "refused";
    throw error;
  }
}

const nullCall = (xid: number): Buffer => record(callHeader(xid, 100003, 3, 0, null).bytes());

const refusals: readonly (number | "refused")[] = [Status.badHandle, "refused"];

describe("handles", () => {
  test("cut, grown, flipped and foreign ones are BADHANDLE", async () => {
    const handle = await newFile("handles");
    for (const length of [0, 1, 4, 43]) expect(refusals).toContain(await statusOf(client.getattr(handle.subarray(0, length))));
    expect(await statusOf(client.getattr(Buffer.concat([handle, Buffer.alloc(4)])))).toBe(Status.badHandle);
    expect(refusals).toContain(await statusOf(client.getattr(Buffer.alloc(65))));
    for (let byte = 0; byte < handle.length; byte++) {
      const forged = Buffer.from(handle);
      forged[byte] = (forged[byte] ?? 0) ^ (1 << (byte & 7));
      await failsWith(Status.badHandle, client.getattr(forged));
      await failsWith(Status.badHandle, client.remove(forged, "handles"));
    }
    const random = new SeededRandom(3);
    for (let i = 0; i < 200; i++) await failsWith(Status.badHandle, client.getattr(random.bytes(handle.length)));
    await client.getattr(handle);
  });

  test("those of another server are BADHANDLE, of deleted files STALE, for every procedure", async () => {
    const other = await Server.start({ dataDir: join(directory.path, "other"), port: await freePort() });
    const there = await NfsClient.connect({ port: other.port, mountPort: other.port + mountOffset, credentials });
    const foreign = (await there.create(await there.mount("/export"), "x", {})).handle;
    const [deleted, folder] = [await newFile("deleted"), (await client.mkdir(root, "deleted-folder", { mode: 0o755 })).handle];
    await client.remove(root, "deleted");
    await client.rmdir(root, "deleted-folder");
    const onFile = (handle: Uint8Array): (() => Promise<unknown>)[] => [
      () => client.getattr(handle), () => client.setattr(handle, { mode: 0o600 }), () => client.access(handle, 1), () => client.read(handle, 0, 10),
      () => client.write(handle, 0, Buffer.from("x"), Stable.fileSync), () => client.commit(handle), () => client.link(handle, root, "linked"),
      () => client.readlink(handle), () => client.fsstat(handle), () => client.fsinfo(handle), () => client.pathconf(handle),
    ]; // prettier-ignore
    const onFolder = (handle: Uint8Array): (() => Promise<unknown>)[] => [
      () => client.lookup(handle, "x"), () => client.create(handle, "x"), () => client.mkdir(handle, "x"), () => client.symlink(handle, "x", "y"),
      () => client.mknod(handle, "x", Type.fifo), () => client.remove(handle, "x"), () => client.rmdir(handle, "x"), () => client.rename(handle, "x", root, "y"),
      () => client.readdir(handle, 0n, Buffer.alloc(8), 4096), () => client.readdirplus(handle, 0n, Buffer.alloc(8), 4096, 4096),
    ]; // prettier-ignore
    for (const call of [...onFile(foreign), ...onFolder(foreign)]) expect(await statusOf(call())).toBe(Status.badHandle);
    for (const call of [...onFile(deleted), ...onFolder(folder)]) expect(await statusOf(call())).toBe(Status.stale);
    there.close();
    await other.stop();
  });
});

describe("names", () => {
  const wrong: Record<string, readonly [Uint8Array, readonly number[]]> = {
    "of 256 bytes": [Buffer.alloc(256, 0x6e), [Status.nameTooLong]],
    "of 1,000 bytes": [Buffer.alloc(1000, 0x6e), [Status.nameTooLong]],
    empty: [Buffer.alloc(0), [Status.invalid, Status.access, Status.noEntry]],
    "with a slash": [Buffer.from("a/b"), [Status.invalid, Status.access]],
    "with NUL": [Buffer.from("a\0b"), [Status.invalid, Status.access]],
    "not UTF-8": [Buffer.from([0x61, 0xff, 0xfe]), [Status.invalid]],
    "an overlong slash": [Buffer.from([0x61, 0xc0, 0xaf]), [Status.invalid]],
    "a surrogate": [Buffer.from([0xed, 0xa0, 0x80]), [Status.invalid]],
  };
  for (const [what, [name, allowed]] of Object.entries(wrong)) {
    test(`${what} are refused by every procedure`, async () => {
      const file = await newFile("named");
      const calls = [
        client.lookup(root, name), client.create(root, name), client.create(root, name, {}, true), client.createExclusive(root, name, Buffer.alloc(8, 1)),
        client.mkdir(root, name), client.symlink(root, name, "target"), client.mknod(root, name, Type.fifo), client.remove(root, name), client.rmdir(root, name),
        client.rename(root, name, root, "fine"), client.rename(root, "named", root, name), client.link(file, root, name),
      ]; // prettier-ignore
      const found = await Promise.all(calls.map(statusOf));
      for (const status of found) expect(allowed).toContain(status as number);
      expect((await client.list(root)).some((entry) => entry.nameBytes.equals(name))).toBe(false);
    });
  }

  test("`.` and `..` can be looked up and nothing else", async () => {
    const file = await newFile("dots");
    const folder = (await client.mkdir(root, "dots-folder", { mode: 0o755 })).handle;
    const rootId = (await client.getattr(root)).fileid;
    const up = await client.lookup(folder, "..");
    expect((await client.getattr(up.handle)).fileid).toBe(rootId);
    expect((await client.getattr((await client.lookup(root, "..")).handle)).fileid).toBe(rootId);
    for (const name of [".", ".."]) {
      const calls = [
        client.create(folder, name, {}, true), client.mkdir(folder, name), client.symlink(folder, name, "x"), client.mknod(folder, name, Type.fifo),
        client.remove(folder, name), client.rmdir(folder, name), client.rename(folder, name, root, "x"), client.rename(root, "dots", folder, name), client.link(file, folder, name),
      ]; // prettier-ignore
      for (const call of calls) expect([Status.exists, Status.invalid, Status.access, Status.isDirectory, Status.notEmpty, Status.notDirectory]).toContain((await statusOf(call)) as 17);
    }
    await client.getattr(folder);
  });
});

describe("numbers", () => {
  const edge = 2n ** 63n;

  test("offsets, sizes and counts at 2^63 and 2^64 do no harm", async () => {
    const file = await newFile("numbers");
    await client.writeAll(file, 0, Buffer.from("content"), Stable.fileSync);
    for (const far of [edge - 1n, edge, 2n ** 64n - 1n, 2n ** 53n, 2n ** 53n - 1n]) {
      expect([Status.fileTooBig, Status.invalid]).toContain((await statusOf(client.write(file, far, Buffer.from("xx"), Stable.fileSync))) as 27);
      expect([0, Status.invalid]).toContain((await statusOf(client.read(file, far, 100))) as 0);
      expect([0, Status.invalid]).toContain((await statusOf(client.commit(file, far, 0xffff_ffff))) as 0);
      if (far >= 2n ** 53n) expect([Status.fileTooBig, Status.invalid]).toContain((await statusOf(client.setattr(file, { size: far }))) as 27);
      expect([0, Status.badCookie, Status.notSync, Status.invalid]).toContain((await statusOf(client.readdir(root, far, Buffer.alloc(8), 4096))) as 0);
    }
    expect((await client.readAll(file)).toString()).toBe("content");
    expect((await client.getattr(file)).size).toBe(7);
  });

  test("counts that ask for too much or too little", async () => {
    const file = await newFile("counts");
    await client.writeAll(file, 0, Buffer.alloc(3 * MiB, 1), Stable.fileSync);
    const { data } = await client.read(file, 0, 0xffff_ffff);
    expect(data.length).toBeLessThanOrEqual(16 * MiB);
    expect(await statusOf(client.readdir(root, 0n, Buffer.alloc(8), 0))).toBe(Status.tooSmall);
    expect(await statusOf(client.readdirplus(root, 0n, Buffer.alloc(8), 0, 0))).toBe(Status.tooSmall);
    const page = await client.readdirplus(root, 0n, Buffer.alloc(8), 0xffff_ffff, 0xffff_ffff);
    expect(page.entries.length).toBeGreaterThan(0);
    expect([0, Status.invalid]).toContain((await statusOf(client.read(file, 0, 0))) as 0);
    // A WRITE whose count is not the length of its data.
    const lying = new XdrWriter().opaque(file).uint64(0).uint32(1000).uint32(2).opaque(Buffer.alloc(10, 2)).bytes();
    const reply = await client.raw(7, lying).then((reader) => reader.uint32(), (error: unknown) => (error instanceof RpcRefused ? "refused" : Promise.reject(error)));
    expect(["refused", Status.invalid]).toContain(reply as "refused");
    expect([...(await client.readAll(file, 0, 20))].every((byte) => byte === 1)).toBe(true);
    expect(await statusOf(client.symlink(root, "long", Buffer.alloc(100_000, 0x61)))).not.toBe(0);
    expect([Status.invalid, 0]).toContain((await statusOf(client.setattr(file, { mtime: { sec: 1, nsec: 4_000_000_000 } }))) as 0);
  });
});

describe("records", () => {
  test("a valid call in fragments of one byte is answered", async () => {
    const connection = await RawConnection.open(server.port);
    const body = nullCall(77).subarray(4);
    for (let i = 0; i < body.length; i++) {
      const mark = Buffer.alloc(4);
      mark.writeUInt32BE((i === body.length - 1 ? 0x8000_0001 : 1) >>> 0);
      connection.send(Buffer.concat([mark, body.subarray(i, i + 1)]));
    }
    await connection.wait("the reply", 5000, () => connection.receivedBytes >= 28);
    expect(connection.bytes().readUInt32BE(4)).toBe(77);
    connection.close();
  });

  test("a fragment that promises 2 GiB, and one that never ends, lose their connection without taking memory", async () => {
    for (const mark of [0xffff_ffff, 0x7fff_ffff, 0x8800_0000]) {
      const connection = await RawConnection.open(server.port);
      const head = Buffer.alloc(4);
      head.writeUInt32BE(mark);
      connection.send(head);
      for (let i = 0; i < 64 && connection.open; i++) {
        connection.send(Buffer.alloc(MiB, 0x5a));
        await connection.wait("the server takes it or closes", 5000, () => connection.unsentBytes === 0);
        sampleMemory();
      }
      expect(connection.open).toBe(false);
    }
    const endless = await RawConnection.open(server.port);
    const piece = Buffer.concat([Buffer.from([0, 1, 0, 0]), Buffer.alloc(65536, 0x5a)]);
    for (let i = 0; i < 2000 && endless.open; i++) {
      endless.send(piece);
      await endless.wait("the server takes it or closes", 5000, () => endless.unsentBytes === 0);
      if (i % 100 === 0) sampleMemory();
    }
    expect(endless.open).toBe(false);
  }, 60_000);

  test("a flood of empty fragments ends or is borne", async () => {
    const connection = await RawConnection.open(server.port);
    const flood = Buffer.alloc(4 * 100_000);
    for (let i = 0; i < 20 && connection.open; i++) {
      connection.send(flood);
      await connection.wait("the server takes it or closes", 10_000, () => connection.unsentBytes === 0);
      sampleMemory();
    }
    connection.close();
  }, 60_000);

  test("wrong programs, versions, procedures and credentials are answered as RFC 5531 says", async () => {
    const answer = async (call: Uint8Array): Promise<number[]> => {
      const connection = await RawConnection.open(server.port);
      connection.send(record(call));
      await connection.wait("the reply", 5000, () => connection.receivedBytes >= 20);
      const reply = connection.bytes();
      connection.close();
      return Array.from({ length: Math.floor(reply.length / 4) - 1 }, (_, i) => reply.readUInt32BE(4 + i * 4));
    };
    expect(await answer(callHeader(1, 400_000, 1, 0, null).bytes())).toEqual([1, 1, 0, 0, 0, 1]);
    expect(await answer(callHeader(2, 100003, 77, 0, null).bytes())).toEqual([2, 1, 0, 0, 0, 2, 3, 3]);
    expect(await answer(callHeader(3, 100003, 3, 99, null).bytes())).toEqual([3, 1, 0, 0, 0, 3]);
    expect(await answer(callHeader(4, 100003, 3, 1, null).bytes())).toEqual([4, 1, 0, 0, 0, 4]);
    const oldRpc = callHeader(5, 100003, 3, 0, null).bytes();
    oldRpc.writeUInt32BE(3, 8);
    expect(await answer(oldRpc)).toEqual([5, 1, 1, 0, 2, 2]);
    const flavor = callHeader(6, 100003, 3, 1, null).bytes();
    flavor.writeUInt32BE(999, 24);
    expect((await answer(flavor)).slice(0, 4)).toEqual([6, 1, 1, 1]);
    const groups = callHeader(7, 100003, 3, 1, { uid: 1, gid: 1, groups: Array.from({ length: 17 }, (_, i) => i) }).bytes();
    expect((await answer(groups)).slice(0, 4)).toEqual([7, 1, 1, 1]);
  });

  test("a seeded fuzzer: spoiled calls on live connections", async () => {
    const random = new SeededRandom(seedFor("bad input, fuzzer", "FUZZ_SEED"));
    const folder = (await client.mkdir(root, `fuzz-${random.uint32()}`, { mode: 0o777 })).handle;
    const file = (await client.create(folder, "f0", { mode: 0o666 })).handle;
    const deadline = performance.now() + 15_000;
    let [calls, closed, answered] = [0, 0, 0];
    const attack = async (): Promise<void> => {
      while (performance.now() < deadline) {
        const connection = await RawConnection.open(server.port);
        const breaksFraming = random.chance(0.15);
        for (let i = random.between(1, 40); i > 0 && connection.open; i--) {
          calls++;
          const call = validCall(random, folder, file);
          // Mostly the arguments: a spoiled header costs the connection, and what follows is not looked at.
          const from = random.chance(0.04) ? 0 : argumentsAt;
          const spoiled = framed(random, random.chance(0.9) ? mutate(random, call, from) : call);
          connection.send(breaksFraming && i === 1 ? mutate(random, spoiled) : spoiled);
        }
        if (!breaksFraming) {
          const xid = random.uint32();
          const wanted = Buffer.alloc(8);
          wanted.writeUInt32BE(xid);
          wanted.writeUInt32BE(1, 4);
          connection.send(nullCall(xid));
          await connection.wait("an answer or the end of the connection", 10_000, () => connection.bytes().includes(wanted));
          if (connection.open) answered++;
          else closed++;
        }
        connection.close();
        sampleMemory();
      }
    };
    await Promise.all([attack(), attack(), attack()]);
    console.log(`bad input, fuzzer: ${calls} spoiled calls, ${answered} connections answered to the end, ${closed} closed by the server`);
    expect(answered).toBeGreaterThan(0);
    expect((await client.list(folder)).length).toBeGreaterThanOrEqual(0);
  }, 60_000);
});

describe("clients that are a burden", () => {
  test("one that never reads is not served for ever", async () => {
    const file = await newFile("unread");
    await client.writeAll(file, 0, Buffer.alloc(4 * MiB, 7), Stable.fileSync);
    const lazy: RawConnection[] = [];
    for (let c = 0; c < 8; c++) {
      const connection = await RawConnection.open(server.port);
      connection.stopReading();
      lazy.push(connection);
      for (let i = 0; i < 400; i++) {
        const header = callHeader(i, 100003, 3, 6, credentials).bytes();
        connection.send(record(header, new XdrWriter().opaque(file).uint64((i % 3) * MiB).uint32(MiB).bytes()));
      }
    }
    // What matters shows while others work: memory, and that they do.
    let probes = 0;
    await until("fifty rounds of another client", 30_000, async () => {
      await client.getattr(file);
      await client.read(file, 0, MiB);
      sampleMemory();
      return ++probes >= 50 ? true : null;
    });
    for (const connection of lazy) connection.close();
  }, 60_000);

  const half = 10_000;
  const filesMax = Number(readFileSync("/proc/self/limits", "utf8").match(/^Max open files\s+(\d+)/m)?.[1] ?? 0);
  const tooFew = filesMax < half + 1000;
  if (tooFew) console.log(`10,000 half-open connections: skipped, only ${filesMax} open files are allowed`);

  // Skipped where so many files can't be open; the reason is printed above.
  test.skipIf(tooFew)("10,000 half-open connections", async () => {
    const beginnings = [Buffer.alloc(0), Buffer.from([0x80, 0]), Buffer.from([0x80, 0, 0, 40]), nullCall(1).subarray(0, 30)];
    const open: RawConnection[] = [];
    for (let batch = 0; batch < half / 250; batch++) {
      const opened = await Promise.all(Array.from({ length: 250 }, () => RawConnection.open(server.port)));
      opened.forEach((connection, i) => connection.send(beginnings[i % beginnings.length] as Buffer));
      open.push(...opened);
    }
    sampleMemory();
    const fresh = await NfsClient.connect({ port: server.port, mountPort: server.port + mountOffset, credentials });
    expect((await fresh.getattr(await fresh.mount("/export"))).type).toBe(Type.directory);
    fresh.close();
    console.log(`10,000 half-open connections: ${open.filter((one) => one.open).length} held, ${Math.round(residentPeak / MiB)} MiB resident`);
    for (const connection of open) connection.close();
  }, 60_000);
});
