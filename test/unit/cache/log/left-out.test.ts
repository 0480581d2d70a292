import { expect, test } from "bun:test";
import { type FileOps, LeftOut, systemFiles } from "#cache/log/index.ts";
import { instance, temporaryDirectory } from "./world.ts";

function listOf(directory: string, files: FileOps = systemFiles): LeftOut {
  return new LeftOut(files, directory, instance);
}

test("what is left out is known to later starts for as long as they find it", async () => {
  const directory = temporaryDirectory();
  const first = listOf(directory);
  for (const sequence of [7, 2 ** 40 + 3]) first.add(sequence);
  await first.keep();
  const second = listOf(directory);
  expect([7, 8, 2 ** 40 + 3].map((sequence) => second.has(sequence))).toEqual([true, false, true]);
  expect(second.isDamaged).toBe(false);
  second.add(7);
  await second.keep();
  const third = listOf(directory);
  expect([7, 2 ** 40 + 3].map((sequence) => third.has(sequence))).toEqual([true, false]);
});

test("on a disk without room for the list, packs have to be read by the next start, and this one goes on", async () => {
  const directory = temporaryDirectory();
  const writeSync: FileOps["writeSync"] = () => {
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  };
  const full = listOf(directory, { ...systemFiles, writeSync });
  full.add(7);
  await full.keep();
  expect(listOf(directory).isDamaged).toBe(true);
  // Where there is room again, it is made anew of what is found.
  const later = listOf(directory);
  later.add(7);
  await later.keep();
  expect([listOf(directory).isDamaged, listOf(directory).has(7)]).toEqual([false, true]);
});
