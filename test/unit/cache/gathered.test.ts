import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { FileTable } from "#cache/file-table.ts";
import { Gathered, type Job } from "#cache/gathered.ts";
import type { OpenPackRef } from "#cache/pack-table.ts";
import { PageCache, pageBytes } from "#cache/pages/index.ts";
import { FsError } from "#model/fs-error.ts";
import type { PackId } from "#model/ids.ts";
import { inodeOf } from "./content-kit.ts";

/** A file of one page with a cut of it gathered, and a pack that takes it or not. */
function gathered(append: (slices: readonly Uint8Array[]) => number | FsError) {
  const cache = new PageCache(16 * pageBytes);
  const table = new FileTable(cache, systemClock);
  const file = table.of(inodeOf(7));
  const write = (byte: number) => {
    table.writeToPages(file, 0, [new Uint8Array(pageBytes).fill(byte)], pageBytes);
    table.accept(file, file.sequence + 1, pageBytes, file.mtime, file.ctime);
  };
  write(1);
  const job: Job = { file, cut: file.takeCut(), extents: [] };
  const bundle = new Gathered();
  expect(bundle.add(job, 0)).toBe(1);
  const pack = { id: 9 as PackId, file: { appendAside: async (slices: readonly Uint8Array[]) => append(slices) } } as unknown as OpenPackRef;
  return { cache, table, file, write, job, bundle, pack };
}

test("a write between a flush's cut and its pack goes to a copy; the pack gets the bytes of the cut", async () => {
  let packed = new Uint8Array();
  const { cache, write, bundle, pack, job } = gathered((slices) => {
    packed = Uint8Array.from(slices[0] as Uint8Array);
    return 0;
  });
  write(2);
  expect(cache.pool.bytes).toBe(2 * pageBytes);
  expect(await bundle.appendTo(pack)).toBeNull();
  expect(packed.every((byte) => byte === 1)).toBe(true);
  expect(job.extents).toEqual([{ offset: 0, length: pageBytes, pack: 9 as PackId, packOffset: 0 }]);
  expect(cache.pool.bytes).toBe(pageBytes);
});

test("once a pack has the bytes, writes go to the page itself, however long the flush goes on", async () => {
  const { cache, table, file, write, bundle, pack, job } = gathered(() => 0);
  expect(await bundle.appendTo(pack)).toBeNull();
  write(2);
  expect(cache.pool.bytes).toBe(pageBytes);
  table.stored(file, job.cut);
  expect([cache.pool.bytes, table.dirtyBytes, file.isUnstored]).toEqual([pageBytes, pageBytes, true]);
});

test("a cut given back keeps its page, whether a pack had taken its bytes or not", async () => {
  for (const answer of [0, FsError.of("noSpace")]) {
    const { cache, table, file, bundle, pack, job } = gathered(() => answer);
    await bundle.appendTo(pack);
    table.restore(file, job.cut);
    expect([cache.pool.bytes, table.dirtyBytes]).toEqual([pageBytes, pageBytes]);
    const again = file.takeCut();
    expect(again.pieces.map(({ start, end }) => [start, end])).toEqual([[0, pageBytes]]);
    table.stored(file, again);
    table.drop(file);
    expect([cache.pool.bytes, table.dirtyBytes, table.dirtyMemory]).toEqual([0, 0, 0]);
  }
});

test("bytes that lie one behind the other in memory are one slice, others are not, and each file knows its place", async () => {
  const small = 4096;
  const cache = new PageCache(16 * pageBytes);
  const table = new FileTable(cache, systemClock);
  const bundle = new Gathered();
  const jobs = [11, 12, 13, 14].map((id) => {
    const file = table.of(inodeOf(id));
    const length = id === 13 ? small - 1 : small;
    table.writeToPages(file, 0, [new Uint8Array(length).fill(id)], length);
    table.accept(file, id, length, file.mtime, file.ctime);
    const job: Job = { file, cut: file.takeCut(), extents: [] };
    return job;
  });
  for (const job of jobs) bundle.add(job, 0);
  let taken: number[][] = [];
  const appendAside = async (slices: readonly Uint8Array[]): Promise<number> => {
    taken = slices.map((slice) => [slice.length, slice[0] as number, slice.at(-1) as number]);
    return 100;
  };
  expect(await bundle.appendTo({ id: 9 as PackId, file: { appendAside } } as unknown as OpenPackRef)).toBeNull();
  expect(taken).toEqual([
    [3 * small - 1, 11, 13],
    [small, 14, 14],
  ]);
  expect(jobs.map(({ extents }) => extents.map(({ length, packOffset }) => [length, packOffset]))).toEqual([[[small, 100]], [[small, 100 + small]], [[small - 1, 100 + 2 * small]], [[small, 99 + 3 * small]]]);
});
