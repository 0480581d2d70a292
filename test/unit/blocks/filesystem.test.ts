import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { faultyBlocks } from "#blocks/fault/index.ts";
import { openFilesystemBlocks, systemDisk, type Disk } from "#blocks/filesystem/index.ts";
import { openMemoryBlocks } from "#blocks/memory/index.ts";
import { MissingObjectError, StoreFullError } from "#model/block-store.ts";
import { pattern } from "../../contract/blocks.ts";
import { temporary } from "../../support/temporary.ts";
import { until } from "../../support/wait.ts";

let directory = "";
beforeEach(() => {
  directory = temporary("blocks");
});
afterEach(() => {
  fs.rmSync(directory, { recursive: true, force: true });
});

const bytes = pattern(10_000, 1);
const slices = { from: "slices", slices: [bytes] } as const;

/** A disk that keeps a journal, and fails where `failAt` says. */
function journal(failAt: (event: string) => string | null = () => null): { disk: Disk; events: string[] } {
  const events: string[] = [];
  const note = (event: string) => {
    // Of a temporary file its number alone.
    const shown = event.replaceAll(directory, "").replace(/\/temp\/\d+-\d+-/, "/temp/");
    events.push(shown);
    const code = failAt(shown);
    if (code !== null) throw Object.assign(new Error(code), { code });
  };
  const disk: Disk = {
    async sync(file) {
      note("sync");
      await systemDisk.sync(file);
    },
    async syncDirectory(path) {
      note(`names ${path}`);
      await systemDisk.syncDirectory(path);
    },
    async link(from, to) {
      note(`link ${to}`);
      await systemDisk.link(from, to);
    },
    async rename(from, to) {
      note(`rename ${from} ${to}`);
      await systemDisk.rename(from, to);
    },
    async unlink(path) {
      note(`unlink ${path}`);
      await systemDisk.unlink(path);
    },
  };
  return { disk, events };
}

test("who opens a store beside the one that has it disturbs nothing that is being written, and is not disturbed", async () => {
  const syncing = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let putting = false;
  const disk: Disk = {
    ...systemDisk,
    async sync(file) {
      if (putting) {
        syncing.resolve();
        await go.promise;
      }
      await systemDisk.sync(file);
    },
  };
  const live = await openFilesystemBlocks({ directory, disk });
  putting = true;
  const first = live.put("a/1", slices);
  await syncing.promise;
  const beside = await openFilesystemBlocks({ directory, beside: true });
  await beside.put("a/2", slices);
  go.resolve();
  await first;
  for (const key of ["a/1", "a/2"]) expect(await live.size(key)).toBe(bytes.byteLength);
  for (const store of [live, beside]) await store.close();
});

/** A synced file in the store's staging directory. */
function staged(stagingDirectory: string): { path: string; source: { from: "file"; path: string; size: number } } {
  const path = join(stagingDirectory, "pack");
  fs.writeFileSync(path, bytes);
  return { path, source: { from: "file", path, size: bytes.byteLength } };
}

describe("put", () => {
  test("from slices: the file is synced, then named, then its directory synced, new directories too", async () => {
    const { disk, events } = journal();
    const store = await openFilesystemBlocks({ directory, disk });
    events.length = 0;
    await store.put("s/00/a", slices);
    expect(events).toEqual([
      "names /objects",
      "names /objects/s",
      "sync",
      "link /objects/s/00/a+",
      "names /objects/s/00",
      "unlink /temp/0",
    ]);
    events.length = 0;
    await store.put("s/00/b", slices);
    expect(events).toEqual(["sync", "link /objects/s/00/b+", "names /objects/s/00", "unlink /temp/1"]);
    await store.close();
  });

  test("of a staged file: renamed, the new name synced before the old one's end", async () => {
    const { disk, events } = journal();
    const store = await openFilesystemBlocks({ directory, disk });
    const { path, source } = staged(store.stagingDirectory);
    const inode = fs.statSync(path).ino;
    events.length = 0;
    await store.put("a", source);
    expect(events).toEqual(["rename /staging/pack /objects/a+", "names /objects", "names /staging"]);
    expect(fs.statSync(join(directory, "objects/a+")).ino).toBe(inode);
    await store.close();
  });

  test("of a file on another file system: copied, and the source goes only afterwards", async () => {
    const { disk, events } = journal((event) => (event.startsWith("rename") ? "EXDEV" : null));
    const store = await openFilesystemBlocks({ directory, disk });
    const { path, source } = staged(store.stagingDirectory);
    events.length = 0;
    await store.put("a", source);
    expect(events.indexOf("unlink /staging/pack")).toBeGreaterThan(events.indexOf("names /objects"));
    expect(events.indexOf("link /objects/a+")).toBeGreaterThan(events.indexOf("sync"));
    expect(await store.get("a", 0, bytes.byteLength)).toEqual(bytes);
    expect(fs.existsSync(path)).toBe(false);
    await store.close();
  });

  for (const at of ["sync", "link", "names /objects"]) {
    test(`does not resolve when "${at}" fails, and leaves no temporary file`, async () => {
      let broken = false;
      const { disk } = journal((event) => (broken && event.startsWith(at) ? "EIO" : null));
      const store = await openFilesystemBlocks({ directory, disk });
      broken = true;
      await expect(store.put("a", slices)).rejects.toThrow("EIO");
      broken = false;
      expect(fs.readdirSync(join(directory, "temp"))).toEqual([]);
      await store.close();
    });
  }

  test("whose name could not be synced leaves no object, which whoever looks would take for stored, and works again later", async () => {
    let broken = false;
    const { disk } = journal((event) => (broken && event.startsWith("names /objects") ? "EIO" : null));
    const store = await openFilesystemBlocks({ directory, disk });
    const { path, source } = staged(store.stagingDirectory);
    broken = true;
    await expect(store.put("a", slices)).rejects.toThrow("EIO");
    await expect(store.put("b", source)).rejects.toThrow("EIO");
    expect([await store.size("a"), await store.size("b")]).toEqual([null, null]);
    expect(fs.existsSync(path)).toBe(true);
    broken = false;
    await store.put("a", slices);
    await store.put("b", source);
    await store.close();
  });

  test("on a full disk throws StoreFullError, leaves a file source where it is, and works again later", async () => {
    let full = true;
    const { disk } = journal((event) => (full && (event === "sync" || event.startsWith("rename")) ? "ENOSPC" : null));
    full = false;
    const store = await openFilesystemBlocks({ directory, disk });
    full = true;
    const { path, source } = staged(store.stagingDirectory);
    await expect(store.put("a", slices)).rejects.toBeInstanceOf(StoreFullError);
    await expect(store.put("b", source)).rejects.toBeInstanceOf(StoreFullError);
    expect(fs.existsSync(path)).toBe(true);
    expect(await store.size("a")).toBeNull();
    full = false;
    await store.put("a", slices);
    await store.put("b", source);
    await store.close();
  });
});

describe("open", () => {
  test("removes temporary files, keeps staged ones and objects", async () => {
    const first = await openFilesystemBlocks({ directory });
    await first.put("a", slices);
    await first.close();
    fs.writeFileSync(join(directory, "temp/17"), "half");
    fs.writeFileSync(join(directory, "staging/pack"), "half");
    const store = await openFilesystemBlocks({ directory });
    expect(fs.readdirSync(join(directory, "temp"))).toEqual([]);
    expect(fs.readdirSync(store.stagingDirectory)).toEqual(["pack"]);
    expect(await store.size("a")).toBe(bytes.byteLength);
    await store.close();
  });

  test("refuses a newer format and a directory that is something else", async () => {
    fs.writeFileSync(join(directory, "format"), "dittofs-blocks 2\n");
    await expect(openFilesystemBlocks({ directory })).rejects.toThrow("block store format 2, newer than 1");
    fs.writeFileSync(join(directory, "format"), "something else\n");
    await expect(openFilesystemBlocks({ directory })).rejects.toThrow("is not the format file of a block store");
  });
});

test("a store whose disk went away says so: no empty list, no missing object, no deletion that did not happen", async () => {
  const store = await openFilesystemBlocks({ directory: join(directory, "disk") });
  await store.put("s/a", slices);
  fs.renameSync(join(directory, "disk"), join(directory, "away"));
  fs.mkdirSync(join(directory, "disk"));
  const listing = (async () => {
    for await (const _ of store.list("s/")) throw new Error("an entry");
  })();
  await expect(listing).rejects.toThrow("ENOENT");
  const error = await store.get("s/a", 0, 1).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Error);
  expect(error).not.toBeInstanceOf(MissingObjectError);
  await expect(store.size("s/a")).rejects.toThrow("ENOENT");
  await expect(store.delete(["s/a"])).rejects.toThrow("ENOENT");
  await store.close();
});

test("a listing that can't read a directory throws, whatever it gave before; stray files are no objects", async () => {
  const store = await openFilesystemBlocks({ directory });
  for (const key of ["s/a/1", "s/b/1"]) await store.put(key, slices);
  fs.writeFileSync(join(directory, "objects/s/stray"), "");
  expect((await Array.fromAsync(store.list("s/"))).length).toBe(2);
  const keys: string[] = [];
  const walk = (async () => {
    for await (const { key } of store.list("s/")) {
      keys.push(key);
      // The other directory is known to be there and can't be read any more.
      fs.rmSync(join(directory, "objects/s", key === "s/a/1" ? "b" : "a"), { recursive: true });
    }
  })();
  await expect(walk).rejects.toThrow("ENOENT");
  expect(keys.length).toBe(1);
  await store.close();
});

/** Descriptors of this process that refer to files below the test's directory. */
function openFiles(): string[] {
  return fs.readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = fs.readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(directory) ? [target] : [];
    } catch {
      return [];
    }
  });
}

// Skipped where there is no /proc to look in.
describe.skipIf(process.platform !== "linux")("open files (seen in /proc)", () => {
  test("are at most as many as allowed, and none after close", async () => {
    const store = await openFilesystemBlocks({ directory, openFilesMax: 5 });
    for (let i = 0; i < 20; i++) await store.put(`k/${i}`, slices);
    for (let i = 0; i < 40; i++) await store.get(`k/${i % 20}`, 0, 10);
    // Those just dropped may still be closing.
    await until("at most five", 5000, () => (openFiles().length <= 5 ? true : null));
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.get(`k/${i % 20}`, 0, 10)));
    await store.close();
    expect(openFiles()).toEqual([]);
  });

  test("of deleted objects are closed when delete resolves, after the reads that use them", async () => {
    const store = await openFilesystemBlocks({ directory });
    await store.put("a", { from: "slices", slices: [pattern(4 << 20, 2)] });
    await store.get("a", 0, 1);
    const reading = store.get("a", 0, 4 << 20);
    await store.delete(["a"]);
    expect(openFiles()).toEqual([]);
    const read = await reading.catch((error: unknown) => error);
    if (read instanceof Uint8Array) expect(read).toEqual(pattern(4 << 20, 2));
    else expect(read).toBeInstanceOf(MissingObjectError);
    await store.close();
  });
});

test("space is that of the file system", async () => {
  const store = await openFilesystemBlocks({ directory });
  const stat = fs.statfsSync(directory);
  expect((await store.space())!.total).toBe(stat.blocks * stat.bsize);
  await store.close();
});

describe("the fault wrapper", () => {
  test("fails before, fails after, delays; and else is the store", async () => {
    const inner = openMemoryBlocks();
    let fail = "";
    const store = faultyBlocks(inner, {
      before: (operation, key) => {
        if (fail === `before ${operation} ${key}`) throw new Error("before");
      },
      after: async (operation) => {
        if (fail === `after ${operation}`) throw new Error("after");
      },
    });
    fail = "before put a";
    await expect(store.put("a", slices)).rejects.toThrow("before");
    expect(await inner.size("a")).toBeNull();
    fail = "after put";
    await expect(store.put("a", slices)).rejects.toThrow("after");
    expect(await inner.size("a")).toBe(bytes.byteLength);
    fail = "after list";
    await expect(Array.fromAsync(store.list(""))).rejects.toThrow("after");
    fail = "";
    expect(await store.get("a", 0, 10)).toEqual(bytes.subarray(0, 10));
    expect(await Array.fromAsync(store.list(""))).toEqual([{ key: "a", size: bytes.byteLength }]);
    await store.delete(["a"]);
    expect(await store.space()).toBeNull();
    await store.close();
  });
});

test("a bounded memory store is full, and has room again after a delete", async () => {
  const store = openMemoryBlocks({ bytesMax: 25_000 });
  await store.put("a", slices);
  await store.put("b", slices);
  await expect(store.put("c", slices)).rejects.toBeInstanceOf(StoreFullError);
  await store.delete(["a"]);
  await store.put("c", slices);
  expect(await store.space()).toEqual({ free: 5000, total: 25_000 });
});
