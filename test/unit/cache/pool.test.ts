import { expect, test } from "bun:test";
import { BufferPool, pageBytes, type PageBuffer } from "#cache/pages/pool.ts";

const slabBytes = 4 * 1024 * 1024;

test("memory in pieces is used as it is instead of asking for more", () => {
  const pool = new BufferPool(8 * slabBytes);
  const kept: PageBuffer[] = [];
  // Each round keeps one page of sixteen, as a reader does who comes back to some of what he read.
  for (let round = 0; round < 400; round++) {
    const run = pool.allocatePages(16);
    for (let i = 0; i < 15; i++) (run[i] as PageBuffer).release();
    kept.push(run[15] as PageBuffer);
  }
  expect(pool.bytes).toBe(400 * pageBytes);
  expect(pool.slabCount).toBeLessThanOrEqual(10);
  for (const buffer of kept) buffer.release();
  expect(pool.bytes).toBe(0);
});

test("pages of one run lie side by side", () => {
  const pool = new BufferPool(8 * slabBytes);
  const run = pool.allocatePages(16);
  for (let i = 1; i < run.length; i++) expect((run[i - 1] as PageBuffer).isBefore(run[i] as PageBuffer)).toBe(true);
});

test("memory of what was freed serves buffers of every size", () => {
  const pool = new BufferPool(8 * slabBytes);
  const pages = pool.allocatePages(8 * (slabBytes / pageBytes));
  const memory = new Set(pages.map((page) => page.bytes.buffer));
  // Two slabs lie in a block.
  expect(memory.size).toBe(4);
  for (const page of pages) page.release();
  const small: PageBuffer[] = [];
  for (let i = 0; i < 7 * (slabBytes / 4096); i++) small.push(pool.allocate(4096));
  for (const buffer of small) expect(memory.has(buffer.bytes.buffer)).toBe(true);
});
