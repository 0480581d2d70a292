import { describe, expect, test } from "bun:test";
import fs from "node:fs";
import { systemClock } from "#base/clock.ts";
import { systemFiles, type FileOps } from "#cache/log/index.ts";
import { createPack, reopenPack } from "#cache/packs/index.ts";
import type { PackId } from "#model/ids.ts";
import { pattern } from "../../contract/blocks.ts";
import { temporary } from "../../support/temporary.ts";
import { appendSome, instance, open, turns } from "./log/world.ts";

/** What a start makes of files whose sync failed, or was never begun, in the process before. The kernel is the same: it has all that was written in memory. */

/** Files on a disk, each under a kernel that may have more of it in its memory. */
class Kernel {
  private readonly disk = new Map<number, Uint8Array>();
  private readonly dirty = new Set<number>();
  /** Syncs fail: what they were for is clean from then on. */
  fails = false;
  readonly files: FileOps = {
    ...systemFiles,
    writeSync: (fd, bytes, offset, length, position) => {
      this.dirty.add(nodeOf(fd));
      return systemFiles.writeSync(fd, bytes, offset, length, position);
    },
    writevSync: (fd, slices, position) => {
      this.dirty.add(nodeOf(fd));
      return systemFiles.writevSync(fd, slices, position);
    },
    fdatasync: (fd, done) => {
      if (this.dirty.delete(nodeOf(fd)) && !this.fails) this.disk.set(nodeOf(fd), bytesOf(fd));
      queueMicrotask(() => done(this.fails ? Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" }) : null));
    },
    dropCleanPages: (fd) => {
      if (!this.dirty.has(nodeOf(fd))) this.forget(fd);
    },
  };

  cutPower(directory: string): void {
    for (const name of fs.readdirSync(directory)) {
      const fd = fs.openSync(`${directory}/${name}`, "r+");
      this.forget(fd);
      fs.closeSync(fd);
    }
  }

  private forget(fd: number): void {
    const bytes = new Uint8Array(fs.fstatSync(fd).size);
    bytes.set(this.disk.get(nodeOf(fd)) ?? []);
    fs.writeSync(fd, bytes, 0, bytes.length, 0);
  }
}

function nodeOf(fd: number): number {
  return fs.fstatSync(fd).ino;
}

function bytesOf(fd: number): Uint8Array {
  const bytes = new Uint8Array(fs.fstatSync(fd).size);
  fs.readSync(fd, bytes, 0, bytes.length, 0);
  return bytes;
}

const id = 7 as PackId;
const bytes = pattern(100_000, 3);

describe("a start with what the process before left in the kernel's memory", () => {
  test("takes no record for stored whose sync failed", async () => {
    const kernel = new Kernel();
    const directory = temporary("failed-sync");
    const { log, failures } = await open(directory, { files: kernel.files });
    const stored = appendSome(log, 4);
    await log.durable(stored.sequence);
    appendSome(log, 5);
    kernel.fails = true;
    void log.durable(log.sequence);
    await turns();
    expect(failures).toHaveLength(1);
    kernel.fails = false;
    const again = await open(directory, { files: kernel.files });
    expect(again.records).toEqual([stored]);
    await again.log.close();
  });

  test("has every record that a killed process wrote and did not sync, and makes it durable", async () => {
    const kernel = new Kernel();
    const directory = temporary("failed-sync");
    const { log } = await open(directory, { files: kernel.files });
    const records = [appendSome(log, 4), appendSome(log, 5)];
    await log.written(log.sequence);
    expect((await open(directory, { files: kernel.files })).records).toEqual(records);
    kernel.cutPower(directory);
    expect((await open(directory, { files: kernel.files })).records).toEqual(records);
  });

  test("takes no bytes of a pack for stored whose sync failed", async () => {
    const kernel = new Kernel();
    const directory = temporary("failed-sync");
    const failures: Error[] = [];
    const options = { clock: systemClock, files: kernel.files, fatal: (error: Error) => void failures.push(error) };
    const pack = createPack(directory, id, instance, options);
    pack.append([bytes], bytes.length);
    await pack.durable(bytes.length);
    pack.append([bytes], bytes.length);
    kernel.fails = true;
    void pack.durable(2 * bytes.length);
    await turns();
    expect(failures).toHaveLength(1);
    kernel.fails = false;
    const again = await reopenPack(directory, id, instance, options);
    const found = new Uint8Array(again?.size ?? 0);
    again?.readSync(0, found);
    expect(found.subarray(0, bytes.length)).toEqual(bytes);
    expect(found.subarray(bytes.length).every((byte) => byte === 0)).toBe(true);
    await again?.abandon();
  });

  test("has every byte of a pack that a killed process wrote and did not sync, and makes it durable", async () => {
    const kernel = new Kernel();
    const directory = temporary("failed-sync");
    const options = { clock: systemClock, files: kernel.files, fatal: () => {} };
    createPack(directory, id, instance, options).append([bytes], bytes.length);
    const again = await reopenPack(directory, id, instance, options);
    const found = new Uint8Array(bytes.length);
    again?.readSync(0, found);
    expect(found).toEqual(bytes);
    kernel.cutPower(directory);
    again?.readSync(0, found);
    expect(found).toEqual(bytes);
    await again?.abandon();
  });
});
