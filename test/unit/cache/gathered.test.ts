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
  const job: Job = { file, cut: table.cut(file), extents: [] };
  const bundle = new Gathered();
  expect(bundle.add(job, 0)).toBe(1);
  const pack = { id: 9 as PackId, file: { append } } as unknown as OpenPackRef;
  return { cache, table, file, write, job, bundle, pack };
}

test("a write between a flush's cut and its pack goes to a copy; the pack gets the bytes of the cut", () => {
  let packed = new Uint8Array();
  const { cache, write, bundle, pack, job } = gathered((slices) => {
    packed = Uint8Array.from(slices[0] as Uint8Array);
    return 0;
  });
  write(2);
  expect(cache.pool.bytes).toBe(2 * pageBytes);
  expect(bundle.appendTo(pack)).toBeNull();
  expect(packed.every((byte) => byte === 1)).toBe(true);
  expect(job.extents).toEqual([{ offset: 0, length: pageBytes, pack: 9 as PackId, packOffset: 0 }]);
  expect(cache.pool.bytes).toBe(pageBytes);
});

test("once a pack has the bytes, writes go to the page itself, however long the flush goes on", () => {
  const { cache, table, file, write, bundle, pack, job } = gathered(() => 0);
  expect(bundle.appendTo(pack)).toBeNull();
  write(2);
  expect(cache.pool.bytes).toBe(pageBytes);
  table.stored(file, job.cut);
  expect([cache.pool.bytes, table.dirtyBytes, file.isUnstored]).toEqual([pageBytes, pageBytes, true]);
});

test("a cut given back keeps its page, whether a pack had taken its bytes or not", () => {
  for (const answer of [0, FsError.of("noSpace")]) {
    const { cache, table, file, bundle, pack, job } = gathered(() => answer);
    bundle.appendTo(pack);
    table.restore(file, job.cut);
    expect([cache.pool.bytes, table.dirtyBytes]).toEqual([pageBytes, pageBytes]);
    const again = table.cut(file);
    expect(again.pieces.map(({ start, end }) => [start, end])).toEqual([[0, pageBytes]]);
    table.stored(file, again);
    table.drop(file);
    expect([cache.pool.bytes, table.dirtyBytes, table.dirtyMemory]).toEqual([0, 0, 0]);
  }
});
