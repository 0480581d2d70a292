import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Time } from "#base/time.ts";
import type { FileOps } from "#cache/log/index.ts";
import { CrashDisk } from "./crash-disk.ts";
import { Lottery } from "./lottery.ts";
import { appendSome, file, open, restore, segmentBytes, segmentNames, temporaryDirectory, turns, unsynced } from "./world.ts";

/** A sync of another directory makes nothing durable here. */
function namesOf(directory: string, files: FileOps): FileOps {
  const others = new Set<number>();
  const openSync: FileOps["openSync"] = (path, flags) => {
    const fd = files.openSync(path, flags);
    if (flags === "r" && path !== directory) others.add(fd);
    else others.delete(fd);
    return fd;
  };
  return { ...files, openSync, fsync: (fd, done) => (others.has(fd) ? queueMicrotask(() => done(null)) : files.fsync(fd, done)) };
}

/** What a start decided before it was cut off, the next one decides the same way. */

/** Resolves when `opening` does, ending each sync it waits for. */
async function synced<T>(disk: CrashDisk, opening: Promise<T>): Promise<T> {
  let done = false;
  const ended = opening.finally(() => (done = true));
  ended.catch(() => {});
  while (!done) {
    await turns(2);
    disk.endSync();
  }
  return ended;
}

test("a log whose only segment lost its header with the power begins above what the metadata knows, too", async () => {
  const directory = temporaryDirectory();
  // The name got to the disk, what was written did not.
  writeFileSync(join(directory, "0000000000000001.log"), new Uint8Array(segmentBytes));
  const { log } = await open(directory, { files: unsynced, beginsAbove: () => 2 ** 40 });
  expect(appendSome(log, 1).sequence).toBe(2 ** 40 + 1);
  await log.close();
});

test("what a start found is durable on a full disk, too, where it begins no segment", async () => {
  const directory = temporaryDirectory();
  const disk = new CrashDisk(new Map());
  const first = disk.process();
  const { log } = await synced(disk, open(directory, { files: first.files }));
  disk.roomBytes = 4 * segmentBytes;
  const appended = [];
  for (let seed = 1; segmentNames(directory).length < 2; seed++) appended.push(appendSome(log, seed));
  await turns(2);
  // Truncations take the reserve, down to the last spare.
  disk.roomBytes = Number.NEGATIVE_INFINITY;
  while (typeof log.appendTruncate(file, 1, new Time(1, 0)) === "number") appended.push(null);
  await turns(2);
  first.kill();
  const second = disk.process();
  const { records } = await synced(disk, open(directory, { files: namesOf(directory, second.files) }));
  expect(records).toHaveLength(appended.length);
  second.kill();
  // The power fails, and nothing is left but what was synced.
  for (let seed = 1; seed <= 8; seed++) {
    const third = await open(restore(disk.crash(new Lottery(seed))), { files: unsynced });
    expect(third.records).toHaveLength(appended.length);
    await third.log.close();
  }
});
