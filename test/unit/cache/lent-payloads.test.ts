import { afterAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { giveBack, lend } from "#base/lent-memory.ts";
import { systemRandom } from "#base/random.ts";
import { openFilesystemBlocks } from "#blocks/filesystem/index.ts";
import { openMemoryStore } from "#metadata/index.ts";
import type { FileId } from "#model/ids.ts";
import { Inode } from "#model/inode.ts";
import { until } from "../../support/wait.ts";
import { inodeOf, open, temporary } from "./content-kit.ts";

const mebibyte = 2 ** 20;
const id = 101 as FileId;
const directories: string[] = [];
afterAll(() => directories.forEach((directory) => rmSync(directory, { recursive: true, force: true })));

async function opened() {
  const directory = temporary();
  directories.push(directory);
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  await store.apply({ conditions: [], changes: [{ do: "insertInode", inode: inodeOf(id) }] });
  const { content } = await open(store, blocks, directory);
  return { content, write: (payload: Uint8Array[], length: number) => expect(content.write(inodeOf(id), 0, payload, length, systemClock.now())).toBeInstanceOf(Inode) };
}

/** Whether the next piece lent is of the memory of one of these. */
function isLentAgain(pieces: readonly Uint8Array[]): boolean {
  const next = lend(mebibyte);
  const again = pieces.some((piece) => piece.buffer === next.buffer);
  giveBack([next]);
  return again;
}

test("memory a payload was received in is lent again once the kernel has the bytes, and not before", async () => {
  const { content, write } = await opened();
  const payload = [lend(mebibyte), lend(mebibyte), lend(mebibyte)];
  for (const piece of payload) piece.fill(7);
  // So much at once is always left to the thread pool.
  write(payload, 3 * mebibyte);
  expect(isLentAgain(payload)).toBe(false);
  await until("the payload is given back", 5_000, () => isLentAgain(payload) || null);
  await content.close();
});

test("of a payload that went to the kernel at once it is lent again at once", async () => {
  const { content, write } = await opened();
  const payload = [lend(mebibyte)];
  write(payload, mebibyte);
  expect(isLentAgain(payload)).toBe(true);
  await content.close();
});
