import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { type FileOps, systemFiles } from "#cache/log/file-ops.ts";
import { LateWrites } from "#cache/packs/late-writes.ts";

type Begun = { readonly position: number; readonly done: (error: Error | null, wrote: number) => void };

/** Writes that end when the test says so. */
function held() {
  const begun: Begun[] = [];
  const files: FileOps = { ...systemFiles, writev: (_fd, _slices, position, done) => void begun.push({ position, done }) };
  const failures: Error[] = [];
  return { begun, failures, late: new LateWrites(files, systemClock, (error) => failures.push(error)) };
}

function settled(promise: Promise<void>): () => boolean {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  return () => done;
}

const turn = (): Promise<void> => new Promise((resolve) => systemClock.atTurnEnd(resolve));

test("bytes are read from the slices until the kernel has them, around what it has", () => {
  const { late, begun } = held();
  late.begin(0, [new Uint8Array([1, 2]), new Uint8Array([3])], 3, 10, () => {});
  late.begin(0, [new Uint8Array([4, 5])], 2, 13, () => {});
  const target = new Uint8Array(8);
  const gaps: [number, number][] = [];
  late.read(8, target, (offset, part) => gaps.push([offset, part.length]));
  expect([...target]).toEqual([0, 0, 1, 2, 3, 4, 5, 0]);
  expect(gaps).toEqual([
    [8, 2],
    [15, 1],
  ]);
  begun[0]?.done(null, 3);
  gaps.length = 0;
  late.read(11, target.subarray(0, 3), (offset, part) => gaps.push([offset, part.length]));
  expect(gaps).toEqual([[11, 2]]);
});

test("who waits is told when all before is written, whatever the order, and not held up by later writes", async () => {
  const { late, begun } = held();
  late.begin(0, [new Uint8Array(3)], 3, 0, () => {});
  late.begin(0, [new Uint8Array(3)], 3, 3, () => {});
  const first = settled(late.reached(6));
  late.begin(0, [new Uint8Array(3)], 3, 6, () => {});
  begun[1]?.done(null, 3);
  await turn();
  expect(first()).toBe(false);
  begun[0]?.done(null, 3);
  await turn();
  expect(first()).toBe(true);
  expect(late.isEmpty).toBe(false);
});

test("a short write goes on where it stopped", () => {
  const { late, begun } = held();
  let done = 0;
  late.begin(0, [new Uint8Array(4), new Uint8Array(4)], 8, 100, () => done++);
  begun[0]?.done(null, 5);
  expect([begun[1]?.position, done]).toEqual([105, 0]);
  begun[1]?.done(null, 3);
  expect(done).toBe(1);
});

test("a full disk is tried again; any other failure is fatal and never taken for written", async () => {
  const { late, begun, failures } = held();
  late.begin(0, [new Uint8Array(4)], 4, 0, () => {});
  begun[0]?.done(Object.assign(new Error("full"), { code: "ENOSPC" }), 0);
  const again = await new Promise<Begun>((resolve) => {
    const look = (): void => (begun.length > 1 ? resolve(begun[1] as Begun) : systemClock.atTurnEnd(look));
    look();
  });
  expect(failures).toEqual([]);
  const waiting = settled(late.reached(4));
  again.done(Object.assign(new Error("broken"), { code: "EIO" }), 0);
  await turn();
  expect([failures.length, waiting()]).toEqual([1, false]);
});
