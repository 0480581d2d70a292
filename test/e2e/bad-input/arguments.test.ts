import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { failsWith, NfsClient, Stable, Status, Type } from "../../support/nfs-client.ts";
import { RpcRefused } from "../../support/rpc-client.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { freePort, Server } from "../../support/server.ts";
import { XdrWriter } from "../../support/xdr.ts";
import { credentials, MiB, mountOffset, Scene, statusOf } from "./scene.ts";

/** Well-formed calls with handles, names and numbers that no honest client sends: each gets the error RFC 1813 has for it. */

const scene = Scene.set();

const refusals: readonly (number | "refused")[] = [Status.badHandle, "refused"];

describe("handles", () => {
  test("cut, grown, flipped and foreign ones are BADHANDLE", async () => {
    const handle = await scene.newFile("handles");
    for (const length of [0, 1, 4, 43]) expect(refusals).toContain(await statusOf(scene.client.getattr(handle.subarray(0, length))));
    expect(await statusOf(scene.client.getattr(Buffer.concat([handle, Buffer.alloc(4)])))).toBe(Status.badHandle);
    expect(refusals).toContain(await statusOf(scene.client.getattr(Buffer.alloc(65))));
    for (let byte = 0; byte < handle.length; byte++) {
      const forged = Buffer.from(handle);
      forged[byte] = (forged[byte] ?? 0) ^ (1 << (byte & 7));
      await failsWith(Status.badHandle, scene.client.getattr(forged));
      await failsWith(Status.badHandle, scene.client.remove(forged, "handles"));
    }
    const random = new SeededRandom(3);
    for (let i = 0; i < 200; i++) await failsWith(Status.badHandle, scene.client.getattr(random.bytes(handle.length)));
    await scene.client.getattr(handle);
  });

  test("those of another server are BADHANDLE, of deleted files STALE, for every procedure", async () => {
    const other = await Server.start({ dataDir: join(scene.directory.path, "other"), port: await freePort() });
    const there = await NfsClient.connect({ port: other.port, mountPort: other.port + mountOffset, credentials });
    const foreign = (await there.create(await there.mount("/export"), "x", {})).handle;
    const [deleted, folder] = [await scene.newFile("deleted"), (await scene.client.mkdir(scene.root, "deleted-folder", { mode: 0o755 })).handle];
    await scene.client.remove(scene.root, "deleted");
    await scene.client.rmdir(scene.root, "deleted-folder");
    const onFile = (handle: Uint8Array): (() => Promise<unknown>)[] => [
      () => scene.client.getattr(handle), () => scene.client.setattr(handle, { mode: 0o600 }), () => scene.client.access(handle, 1), () => scene.client.read(handle, 0, 10),
      () => scene.client.write(handle, 0, Buffer.from("x"), Stable.fileSync), () => scene.client.commit(handle), () => scene.client.link(handle, scene.root, "linked"),
      () => scene.client.readlink(handle), () => scene.client.fsstat(handle), () => scene.client.fsinfo(handle), () => scene.client.pathconf(handle),
    ]; // prettier-ignore
    const onFolder = (handle: Uint8Array): (() => Promise<unknown>)[] => [
      () => scene.client.lookup(handle, "x"), () => scene.client.create(handle, "x"), () => scene.client.mkdir(handle, "x"), () => scene.client.symlink(handle, "x", "y"),
      () => scene.client.mknod(handle, "x", Type.fifo), () => scene.client.remove(handle, "x"), () => scene.client.rmdir(handle, "x"), () => scene.client.rename(handle, "x", scene.root, "y"),
      () => scene.client.readdir(handle, 0n, Buffer.alloc(8), 4096), () => scene.client.readdirplus(handle, 0n, Buffer.alloc(8), 4096, 4096),
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
      const file = await scene.newFile("named");
      const calls = [
        scene.client.lookup(scene.root, name), scene.client.create(scene.root, name), scene.client.create(scene.root, name, {}, true), scene.client.createExclusive(scene.root, name, Buffer.alloc(8, 1)),
        scene.client.mkdir(scene.root, name), scene.client.symlink(scene.root, name, "target"), scene.client.mknod(scene.root, name, Type.fifo), scene.client.remove(scene.root, name), scene.client.rmdir(scene.root, name),
        scene.client.rename(scene.root, name, scene.root, "fine"), scene.client.rename(scene.root, "named", scene.root, name), scene.client.link(file, scene.root, name),
      ]; // prettier-ignore
      const found = await Promise.all(calls.map(statusOf));
      for (const status of found) expect(allowed).toContain(status as number);
      expect((await scene.client.list(scene.root)).some((entry) => entry.nameBytes.equals(name))).toBe(false);
    });
  }

  test("`.` and `..` can be looked up and nothing else", async () => {
    const file = await scene.newFile("dots");
    const folder = (await scene.client.mkdir(scene.root, "dots-folder", { mode: 0o755 })).handle;
    const rootId = (await scene.client.getattr(scene.root)).fileid;
    const up = await scene.client.lookup(folder, "..");
    expect((await scene.client.getattr(up.handle)).fileid).toBe(rootId);
    expect((await scene.client.getattr((await scene.client.lookup(scene.root, "..")).handle)).fileid).toBe(rootId);
    for (const name of [".", ".."]) {
      const calls = [
        scene.client.create(folder, name, {}, true), scene.client.mkdir(folder, name), scene.client.symlink(folder, name, "x"), scene.client.mknod(folder, name, Type.fifo),
        scene.client.remove(folder, name), scene.client.rmdir(folder, name), scene.client.rename(folder, name, scene.root, "x"), scene.client.rename(scene.root, "dots", folder, name), scene.client.link(file, folder, name),
      ]; // prettier-ignore
      for (const call of calls) expect([Status.exists, Status.invalid, Status.access, Status.isDirectory, Status.notEmpty, Status.notDirectory]).toContain((await statusOf(call)) as 17);
    }
    await scene.client.getattr(folder);
  });
});

describe("numbers", () => {
  const edge = 2n ** 63n;

  test("offsets, sizes and counts at 2^63 and 2^64 do no harm", async () => {
    const file = await scene.newFile("numbers");
    await scene.client.writeAll(file, 0, Buffer.from("content"), Stable.fileSync);
    for (const far of [edge - 1n, edge, 2n ** 64n - 1n, 2n ** 53n, 2n ** 53n - 1n]) {
      expect([Status.fileTooBig, Status.invalid]).toContain((await statusOf(scene.client.write(file, far, Buffer.from("xx"), Stable.fileSync))) as 27);
      expect([0, Status.invalid]).toContain((await statusOf(scene.client.read(file, far, 100))) as 0);
      expect([0, Status.invalid]).toContain((await statusOf(scene.client.commit(file, far, 0xffff_ffff))) as 0);
      if (far >= 2n ** 53n) expect([Status.fileTooBig, Status.invalid]).toContain((await statusOf(scene.client.setattr(file, { size: far }))) as 27);
      expect([0, Status.badCookie, Status.notSync, Status.invalid]).toContain((await statusOf(scene.client.readdir(scene.root, far, Buffer.alloc(8), 4096))) as 0);
    }
    expect((await scene.client.readAll(file)).toString()).toBe("content");
    expect((await scene.client.getattr(file)).size).toBe(7);
  });

  test("counts that ask for too much or too little", async () => {
    const file = await scene.newFile("counts");
    await scene.client.writeAll(file, 0, Buffer.alloc(3 * MiB, 1), Stable.fileSync);
    const { data } = await scene.client.read(file, 0, 0xffff_ffff);
    expect(data.length).toBeLessThanOrEqual(16 * MiB);
    expect(await statusOf(scene.client.readdir(scene.root, 0n, Buffer.alloc(8), 0))).toBe(Status.tooSmall);
    expect(await statusOf(scene.client.readdirplus(scene.root, 0n, Buffer.alloc(8), 0, 0))).toBe(Status.tooSmall);
    const page = await scene.client.readdirplus(scene.root, 0n, Buffer.alloc(8), 0xffff_ffff, 0xffff_ffff);
    expect(page.entries.length).toBeGreaterThan(0);
    expect([0, Status.invalid]).toContain((await statusOf(scene.client.read(file, 0, 0))) as 0);
    // A WRITE whose count is not the length of its data.
    const lying = new XdrWriter().opaque(file).uint64(0).uint32(1000).uint32(2).opaque(Buffer.alloc(10, 2)).bytes();
    const reply = await scene.client.raw(7, lying).then((reader) => reader.uint32(), (error: unknown) => (error instanceof RpcRefused ? "refused" : Promise.reject(error)));
    expect(["refused", Status.invalid]).toContain(reply as "refused");
    expect([...(await scene.client.readAll(file, 0, 20))].every((byte) => byte === 1)).toBe(true);
    expect(await statusOf(scene.client.symlink(scene.root, "long", Buffer.alloc(100_000, 0x61)))).not.toBe(0);
    expect([Status.invalid, 0]).toContain((await statusOf(scene.client.setattr(file, { mtime: { sec: 1, nsec: 4_000_000_000 } }))) as 0);
  });
});
