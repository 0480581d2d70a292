import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { openFilesystemBlocks } from "#blocks/filesystem/index.ts";
import { systemFiles, type Done, type FileOps } from "#cache/log/index.ts";
import { createPack, frameBytes, listOpenPacks, packKey, payloadCrc, reopenPack, verifyFrames, type PackOptions } from "#cache/packs/index.ts";
import { FsError } from "#model/fs-error.ts";
import type { PackId } from "#model/ids.ts";
import { pattern } from "../../../contract/blocks.ts";
import { temporary } from "../../../support/temporary.ts";

const instance = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0xab);
const id = 0x123456789a as PackId;
let directory = "";
let failures: Error[] = [];
const options: PackOptions = { clock: systemClock, fatal: (error) => failures.push(error) };

beforeEach(() => {
  directory = temporary("packs");
  failures = [];
});
afterEach(() => {
  fs.rmSync(directory, { recursive: true, force: true });
});

/** Lets the event loop go round often enough for what is ready to run. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** System files whose fdatasync waits until the test lets it end. */
class HeldSyncs {
  readonly begun: Done[] = [];
  readonly files: FileOps = { ...systemFiles, fdatasync: (_fd, done) => void this.begun.push(done) };
}

describe("an open pack", () => {
  test("appends slices, reads them back, seals, is adopted, and its frames verify", async () => {
    const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
    const pack = createPack(blocks.stagingDirectory, id, instance, options);
    const bytes = pattern(400_000, 1);
    expect(pack.append([bytes.subarray(0, 10), bytes.subarray(10, 70_000)], 70_000)).toBe(0);
    expect(pack.append([bytes.subarray(70_000)], 330_000)).toBe(70_000);
    expect(pack.size).toBe(400_000);
    const target = new Uint8Array(1000);
    pack.readSync(69_500, target);
    expect(target).toEqual(bytes.subarray(69_500, 70_500));
    pack.readSync(399_000, target);
    expect(target).toEqual(bytes.subarray(399_000));
    const sealed = await pack.seal();
    expect(sealed.size).toBe(400_000);
    expect(sealed.frames.byteLength).toBe(7 * 4);
    expect(sealed.objectBytes).toBe(fs.statSync(pack.path).size);
    pack.readSync(0, target);
    expect(target).toEqual(bytes.subarray(0, 1000));
    const key = packKey(instance, id);
    await blocks.put(key, { from: "file", path: pack.path, size: sealed.objectBytes });
    const read = await blocks.get(key, frameBytes, 400_000 - frameBytes);
    expect(verifyFrames(read, frameBytes, 400_000, sealed.frames)).toBe(true);
    read[100_000]! ^= 1;
    expect(verifyFrames(read, frameBytes, 400_000, sealed.frames)).toBe(false);
    await blocks.close();
  });

  test("a whole number of frames, an empty pack, and ranges that can't be checked", async () => {
    const pack = createPack(directory, id, instance, options);
    const bytes = pattern(frameBytes * 2, 2);
    pack.append([bytes], bytes.byteLength);
    const { frames } = await pack.seal();
    expect(frames.byteLength).toBe(8);
    expect(verifyFrames(bytes, 0, bytes.byteLength, frames)).toBe(true);
    expect(verifyFrames(bytes.subarray(frameBytes), frameBytes, bytes.byteLength, frames)).toBe(true);
    expect(verifyFrames(bytes.subarray(0, 100), 0, bytes.byteLength, frames)).toBe(false);
    expect(verifyFrames(bytes.subarray(1, frameBytes + 1), 1, bytes.byteLength, frames)).toBe(false);
    expect(verifyFrames(bytes, frameBytes, bytes.byteLength, frames)).toBe(false);
    expect(verifyFrames(bytes, 0, bytes.byteLength, frames.subarray(4))).toBe(false);
    const empty = createPack(directory, 7 as PackId, instance, options);
    expect((await empty.seal()).frames.byteLength).toBe(0);
  });

  test("more frames than the table begins with, fed in odd pieces", async () => {
    const pack = createPack(directory, id, instance, options);
    const bytes = pattern(20 << 20, 3);
    for (let at = 0; at < bytes.byteLength; ) {
      const take = Math.min(777_777, bytes.byteLength - at);
      pack.append([bytes.subarray(at, at + take)], take);
      at += take;
    }
    const { frames, size } = await pack.seal();
    expect(verifyFrames(bytes, 0, size, frames)).toBe(true);
  });

  test("durable is at hand after a sync, and shared", async () => {
    const held = new HeldSyncs();
    const pack = createPack(directory, id, instance, { ...options, files: held.files });
    expect(pack.durable(0)).toBeUndefined();
    pack.append([pattern(100, 4)], 100);
    const first = pack.durable(100);
    expect(pack.durable(50)).toBe(first!);
    await turns();
    expect(held.begun.length).toBe(1);
    pack.append([pattern(100, 5)], 100);
    expect(pack.durable(100)).toBe(first!);
    const second = pack.durable(200);
    expect(second).not.toBe(first!);
    let secondDone = false;
    void Promise.resolve(second).then(() => (secondDone = true));
    held.begun[0]!(null);
    await first;
    await turns();
    expect(secondDone).toBe(false);
    expect(held.begun.length).toBe(2);
    held.begun[1]!(null);
    await second;
    expect(pack.durable(200)).toBeUndefined();
  });

  test("a failed sync is fatal, once, and never resolves", async () => {
    const held = new HeldSyncs();
    const pack = createPack(directory, id, instance, { ...options, files: held.files });
    pack.append([pattern(100, 6)], 100);
    let resolved = false;
    void Promise.resolve(pack.durable(100)).then(() => (resolved = true));
    await turns();
    held.begun[0]!(new Error("EIO"));
    await turns();
    expect(failures.length).toBe(1);
    void Promise.resolve(pack.durable(100)).then(() => (resolved = true));
    await turns();
    expect(resolved).toBe(false);
    expect(held.begun.length).toBe(1);
    expect(pack.append([pattern(1, 7)], 1)).toBe(FsError.of("io"));
    await expect(pack.seal()).rejects.toThrow();
  });

  test("a full disk refuses the append, wholly, and takes it later", async () => {
    let full = true;
    const files: FileOps = {
      ...systemFiles,
      writevSync(fd, slices, position) {
        if (full) {
          systemFiles.writevSync(fd, [slices[0]!.subarray(0, 5)], position);
          throw Object.assign(new Error("full"), { code: "ENOSPC" });
        }
        return systemFiles.writevSync(fd, slices, position);
      },
    };
    const pack = createPack(directory, id, instance, { ...options, files });
    expect(pack.append([pattern(100, 8)], 100)).toBe(FsError.of("noSpace"));
    expect(pack.size).toBe(0);
    full = false;
    const bytes = pattern(90, 9);
    expect(pack.append([bytes], 90)).toBe(0);
    const sealed = await pack.seal();
    expect(sealed.objectBytes).toBe(fs.statSync(pack.path).size);
    expect(verifyFrames(bytes, 0, 90, sealed.frames)).toBe(true);
  });

  test("short writes are completed", async () => {
    const files: FileOps = {
      ...systemFiles,
      writevSync: (fd, slices, position) => systemFiles.writevSync(fd, [slices[0]!.subarray(0, 3)], position),
      writeSync: (fd, bytes, offset, length, position) => systemFiles.writeSync(fd, bytes, offset, Math.min(length, 7), position),
    };
    const pack = createPack(directory, id, instance, { ...options, files });
    const bytes = pattern(1000, 10);
    pack.append([bytes.subarray(0, 400), bytes.subarray(400)], 1000);
    const target = new Uint8Array(1000);
    pack.readSync(0, target);
    expect(target).toEqual(bytes);
  });

  test("what the thread pool appends is the pack's once it has all of it, however short its writes", async () => {
    const files: FileOps = { ...systemFiles, writev: (fd, slices, position, done) => systemFiles.writev(fd, [slices[0]!.subarray(0, 300)], position, done) };
    const pack = createPack(directory, id, instance, { ...options, files });
    const bytes = pattern(1000, 21);
    const appended = pack.appendAside([bytes.subarray(0, 400), bytes.subarray(400)], 1000);
    expect(pack.size).toBe(0);
    expect(await appended).toBe(0);
    const target = new Uint8Array(1000);
    pack.readSync(0, target);
    expect(target).toEqual(bytes);
    const sealed = await pack.seal();
    expect([sealed.size, verifyFrames(bytes, 0, 1000, sealed.frames)]).toEqual([1000, true]);
  });

  test("a full disk refuses what the thread pool appends, wholly, and takes it later", async () => {
    let full = true;
    const files: FileOps = {
      ...systemFiles,
      writev(fd, slices, position, done) {
        if (!full) systemFiles.writev(fd, slices, position, done);
        else if (position === 0) systemFiles.writev(fd, [slices[0]!.subarray(0, 5)], position, done);
        else done(Object.assign(new Error("full"), { code: "ENOSPC" }), 0);
      },
    };
    const pack = createPack(directory, id, instance, { ...options, files });
    expect(await pack.appendAside([pattern(100, 22)], 100)).toBe(FsError.of("noSpace"));
    expect(pack.size).toBe(0);
    full = false;
    const bytes = pattern(90, 23);
    expect(await pack.appendAside([bytes], 90)).toBe(0);
    expect(verifyFrames(bytes, 0, 90, (await pack.seal()).frames)).toBe(true);
  });

  test("abandon deletes; whoever waits is let go", async () => {
    const pack = createPack(directory, id, instance, options);
    pack.append([pattern(100, 11)], 100);
    const waiting = pack.durable(100);
    await pack.abandon();
    await waiting;
    expect(fs.readdirSync(directory)).toEqual([]);
    await reopenPack(directory, id, instance, options).then((found) => expect(found).toBeNull());
  });
});

describe("a pack left open by a crash", () => {
  test("is listed, reopened with all its bytes as payload, and goes on", async () => {
    const pack = createPack(directory, id, instance, options);
    const bytes = pattern(200_000, 13);
    pack.append([bytes.subarray(0, 150_000)], 150_000);
    fs.writeFileSync(join(directory, "something-else"), "");
    expect(await listOpenPacks(directory)).toEqual([id]);
    const again = (await reopenPack(directory, id, instance, options))!;
    expect(again.size).toBe(150_000);
    expect(again.durable(150_000)).toBeUndefined();
    expect(again.append([bytes.subarray(150_000)], 50_000)).toBe(150_000);
    const { frames, size } = await again.seal();
    expect(size).toBe(200_000);
    expect(verifyFrames(bytes, 0, size, frames)).toBe(true);
    await pack.abandon();
  });

  test("cut at any byte of its footer it is payload up to there; with the whole footer it is what was sealed", async () => {
    const pack = createPack(directory, id, instance, options);
    const bytes = pattern(70_000, 14);
    pack.append([bytes], bytes.byteLength);
    const sealed = await pack.seal();
    const whole = fs.readFileSync(pack.path);
    for (let cut = sealed.size; cut <= sealed.objectBytes; cut++) {
      fs.writeFileSync(pack.path, whole.subarray(0, cut));
      const again = (await reopenPack(directory, id, instance, options))!;
      expect(again.size).toBe(cut === sealed.objectBytes ? sealed.size : cut);
      const resealed = await again.seal();
      expect(fs.statSync(pack.path).size).toBe(resealed.objectBytes);
      expect(verifyFrames(whole.subarray(0, resealed.size), 0, resealed.size, resealed.frames)).toBe(true);
    }
  });

  test("of a newer format is refused by name; a foreign footer is payload", async () => {
    const pack = createPack(directory, id, instance, options);
    pack.append([pattern(100, 15)], 100);
    const sealed = await pack.seal();
    const other = (await reopenPack(directory, id, Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9), options))!;
    expect(other.size).toBe(sealed.objectBytes);
    const whole = fs.readFileSync(pack.path);
    whole[whole.byteLength - 48 + 11] = 2;
    fs.writeFileSync(pack.path, whole);
    await expect(reopenPack(directory, id, instance, options)).rejects.toThrow("pack format 2, newer than 1");
  });
});

test("keys begin with the instance and spread", () => {
  const keys = Array.from({ length: 1000 }, (_, i) => packKey(instance, (1000 + i * 3) as PackId));
  expect(new Set(keys).size).toBe(1000);
  for (const key of keys) expect(key).toMatch(/^01020304050607ab\/[0-9a-f]{2}\/[0-9a-f]{14}$/);
  expect(new Set(keys.map((key) => key.slice(17, 19))).size).toBeGreaterThan(150);
});

test("payloadCrc is that of the slices end to end", () => {
  const bytes = pattern(100_000, 16);
  expect(payloadCrc([bytes.subarray(0, 3), bytes.subarray(3, 3), bytes.subarray(3)])).toBe(Bun.hash.crc32(bytes));
  expect(payloadCrc([])).toBe(0);
});
