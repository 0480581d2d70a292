import { expect, spyOn, test } from "bun:test";
import fs from "node:fs";
import { ReusedMemory } from "#base/reused-memory.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const pieceBytes = 64 * 1024;

test("what is given back is taken again, the last first, as long as asked for", () => {
  const memory = new ReusedMemory({ pieceBytes, keptMax: Number.POSITIVE_INFINITY });
  const first = memory.take(pieceBytes);
  const second = memory.take(1000);
  expect(second.byteLength).toBe(1000);
  expect(second.buffer).not.toBe(first.buffer);
  memory.give(first);
  memory.give(second);
  const again = memory.take(pieceBytes);
  expect(again.byteLength).toBe(pieceBytes);
  expect(again.buffer).toBe(second.buffer);
  expect(memory.take(5).buffer).toBe(first.buffer);
  expect(memory.made).toBe(2);
});

test("no more pieces are kept than may be, and none of another size", () => {
  const memory = new ReusedMemory({ pieceBytes, wantedBytesMin: 1000, keptMax: 1 });
  expect(memory.take(999).buffer.byteLength).toBe(999);
  expect(memory.take(pieceBytes + 1).byteLength).toBe(pieceBytes + 1);
  expect(memory.made).toBe(0);
  memory.give(new Uint8Array(999));
  memory.give(new Uint8Array(pieceBytes + 1));
  const both = [memory.take(1000), memory.take(1000)];
  for (const piece of both) memory.give(piece);
  expect(memory.take(1000).buffer).toBe(both[0]!.buffer);
  memory.take(1000);
  expect(memory.made).toBe(3);
});

test("pieces that nobody takes for a while are let go of", () => {
  const clock = new ManualClock();
  const memory = new ReusedMemory({ pieceBytes, keptMax: 2, idle: { clock, ms: 10_000 } });
  const use = () => {
    for (const piece of [memory.take(pieceBytes), memory.take(1000)]) memory.give(piece);
  };
  use();
  use();
  expect(memory.made).toBe(2);
  clock.pass(10_000);
  use();
  expect(memory.made).toBe(2);
  clock.pass(20_000);
  expect(clock.pending).toBe(0);
  use();
  expect(memory.made).toBe(4);
});

test("what comes back after the end is not kept, and nobody is woken for it", () => {
  const clock = new ManualClock();
  const memory = new ReusedMemory({ pieceBytes, keptMax: 3, idle: { clock, ms: 10_000 } });
  memory.give(memory.take(pieceBytes));
  const late = memory.take(pieceBytes);
  memory.close();
  memory.give(late);
  expect(clock.pending).toBe(0);
  memory.take(pieceBytes);
  expect(memory.made).toBe(2);
});

test("a fresh piece is touched ahead, and given once it was: not while it is being written", () => {
  const touches: { readonly piece: unknown; readonly done: () => void }[] = [];
  const read = spyOn(fs, "read").mockImplementation(((_fd: number, piece: unknown, _offset: number, _length: number, _at: null, done: () => void) => {
    touches.push({ piece, done });
  }) as unknown as typeof fs.read);
  try {
    const memory = new ReusedMemory({ pieceBytes, keptMax: 1, touchedAhead: true });
    const meanwhile = [memory.take(pieceBytes), memory.take(pieceBytes)];
    expect(touches.length).toBe(1);
    const [{ piece, done }] = touches as [(typeof touches)[0]];
    expect(meanwhile).not.toContain(piece);
    done();
    expect(memory.take(pieceBytes)).toBe(piece as Uint8Array);
    expect(memory.take(pieceBytes)).not.toBe(piece as Uint8Array);
    expect(touches.length).toBe(2);
  } finally {
    read.mockRestore();
  }
});
