import { expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { dropCleanPages, readFromDisk } from "#base/kernel-pages.ts";
import { readNow, ReadNow } from "#blocks/filesystem/native.ts";
import { temporary } from "../../support/temporary.ts";

const tmpfs = 0x01021994;
const bytes = new Uint8Array(1 << 20).fill(7);

test("what is read from the disk is synced first, and then dropped from memory", () => {
  const path = join(temporary("pages"), "file");
  fs.writeFileSync(path, bytes);
  const done: string[] = [];
  readFromDisk(path, { sync: () => done.push("sync"), drop: () => done.push("drop") });
  expect(done).toEqual(["sync", "drop"]);
});

test("nothing is dropped where the sync fails, and a file that is not there is none to read", () => {
  const path = join(temporary("pages"), "file");
  const ops = {
    sync: () => {
      throw new Error("EIO");
    },
    drop: () => expect.unreachable(),
  };
  readFromDisk(path, ops);
  fs.writeFileSync(path, bytes);
  expect(() => readFromDisk(path, ops)).toThrow("EIO");
});

test("the kernel forgets what is on the disk, and keeps what is not", () => {
  const path = join(temporary("pages"), "file");
  const fd = fs.openSync(path, "w+");
  fs.writeSync(fd, bytes, 0, bytes.length, 0);
  fs.fdatasyncSync(fd);
  // A file system in memory has nothing to forget.
  if (fs.statfsSync(path).type !== tmpfs) {
    const page = new Uint8Array(4096);
    expect(readNow(fd, 8192, page)).toBe(ReadNow.done);
    dropCleanPages(fd);
    expect(readNow(fd, 8192, page)).toBe(ReadNow.wouldWait);
  }
  fs.writeSync(fd, bytes.fill(8), 0, bytes.length, 0);
  dropCleanPages(fd);
  const found = new Uint8Array(bytes.length);
  fs.readSync(fd, found, 0, found.length, 0);
  expect(found).toEqual(bytes);
  fs.closeSync(fd);
});
