import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { Rewriting } from "#cache/rewriting.ts";
import type { PackedFile, ShareHistory } from "#model/history.ts";
import type { FileId } from "#model/ids.ts";
import { addFile, Client, open, removeFile, storeWith, temporary } from "./content-kit.ts";

/** Whether what is written is worth to be stored soon, and that what is not is not. */

const kib = 1024;
const mib = kib * kib;
const blockBytes = 4 * kib;
/** Turns of the event loop that a flush that has begun takes by far less of. */
const turnsMax = 2_000;

function fresh(size = 0) {
  return { size, rewrittenBytes: 0, writtenBytes: 0, writtenFrom: 0 };
}

/** A new file of one block; what the share makes of it later. */
function small(rewriting: Rewriting): ReturnType<typeof fresh> {
  const file = fresh();
  rewriting.wrote(file, 0, blockBytes);
  file.size = blockBytes;
  return file;
}

function smallFiles(rewriting: Rewriting, bytes: number): readonly ReturnType<typeof fresh>[] {
  return Array.from({ length: bytes / blockBytes }, () => small(rewriting));
}

test("new files that stay are worth to be stored, at once and for as long as they come", () => {
  const rewriting = new Rewriting();
  expect(rewriting.isMost(0)).toBe(false);
  for (let written = 0; written < 400; written += 16) {
    smallFiles(rewriting, 16 * mib);
    expect(rewriting.isMost(0)).toBe(false);
    expect(rewriting.isMost(400 * mib)).toBe(false);
  }
});

test("files that are removed soon are not, while those that came after them are not yet known to stay", () => {
  const rewriting = new Rewriting();
  let dirty = 0;
  for (let round = 0; round < 8; round++) {
    const files = smallFiles(rewriting, 40 * mib);
    dirty = 40 * mib;
    if (round > 0) expect(rewriting.isMost(dirty)).toBe(true);
    for (const file of files) rewriting.dropped(file);
    expect(rewriting.isMost(0)).toBe(true);
  }
  // From here on they stay: for a while nobody knows, then they are stored as before.
  smallFiles(rewriting, 192 * mib);
  expect(rewriting.isMost(192 * mib)).toBe(false);
});

test("files that are removed late, or are few among many, change nothing", () => {
  const late = new Rewriting();
  const files = smallFiles(late, 40 * mib);
  smallFiles(late, 64 * mib);
  for (const file of files) late.dropped(file);
  expect(late.isMost(0)).toBe(false);
  const few = new Rewriting();
  for (let round = 0; round < 10; round++) {
    const some = smallFiles(few, 16 * mib);
    for (const file of some.slice(0, some.length / 8)) few.dropped(file);
    expect(few.isMost(16 * mib)).toBe(false);
  }
});

test("what was written over, and then removed, counts once", () => {
  const rewriting = new Rewriting();
  const database = fresh(mib);
  for (let i = 0; i < (16 * mib) / blockBytes; i++) rewriting.wrote(database, (i * blockBytes) % mib, blockBytes);
  expect(rewriting.isMost(0)).toBe(true);
  rewriting.dropped(database);
  smallFiles(rewriting, 20 * mib);
  expect(rewriting.isMost(0)).toBe(false);
});

/** Tells of each flush, and that bytes may be left to it. */
class Leaving {
  readonly unshippedBytes = 0;
  readonly leavesToPacks = true;
  readonly lost = null;
  readonly markedSequence = 0;
  flushes = 0;
  publishedTo = (): number => 0;
  wrote(): void {}
  published(): null {
    return null;
  }
  packed(_files: ReadonlyMap<FileId, PackedFile>): boolean {
    this.flushes++;
    return false;
  }
}

/** A share with a history is written so many MiB that stay, after some in files that were removed at once. Whether that is flushed by itself; who expects it waits for it. */
async function flushesEarly(removedMiB: number, liveMiB: number, expected: boolean): Promise<boolean> {
  const store = await storeWith([]);
  const limits = { dirtyBytesMax: 256 * mib, unstoredBytesMax: 512 * mib, flushAgeMs: 3_600_000, flushBytes: 128 * mib };
  const history = new Leaving();
  const { content } = await open(store, openMemoryBlocks(), temporary(), { history: history as unknown as ShareHistory & { markedSequence: number; publishedTo(): number }, limits, cacheBytes: 512 * mib, segmentBytes: 32 * mib });
  const client = new Client(store, content);
  const part = new Uint8Array(64 * kib).fill(9);
  let last = 100;
  const write = async () => {
    const id = ++last as FileId;
    await addFile(store, id);
    for (let at = 0; at < mib; at += part.length) await client.write(id, at, part, 0);
    return id;
  };
  for (let i = 0; i < removedMiB; i++) await removeFile(store, content, await write());
  const before = history.flushes;
  for (let i = 0; i < liveMiB; i++) await write();
  // The thread pool fills its packs.
  for (let turn = 0; (expected || turn < turnsMax) && history.flushes === before; turn++) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
  const early = history.flushes > before;
  await content.drain();
  expect(history.flushes).toBeGreaterThan(before);
  await content.close();
  return early;
}

test("under a history dirty bytes are stored early, and not where the files of most of them are removed", async () => {
  expect(await flushesEarly(0, 40, true)).toBe(true);
  expect(await flushesEarly(40, 30, false)).toBe(false);
});
