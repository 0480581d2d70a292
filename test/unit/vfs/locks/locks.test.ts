import { expect, test } from "bun:test";
import type { FileId } from "#model/ids.ts";
import { fileLocksMax, fileWaitsMax, LockOutcome, type LockRange, type LockRequest, LockTable, rangeOf } from "#vfs/locks/index.ts";

const id = 20 as FileId;
const max = 2n ** 64n - 1n;

function split(value: bigint): [number, number] {
  return [Number(value >> 32n), Number(value & 0xffffffffn)];
}
function range(offset: bigint | number, length: bigint | number): LockRange {
  const made = rangeOf(...split(BigInt(offset)), ...split(BigInt(length)));
  if (made === null) throw new Error(`no range: ${offset}+${length}`);
  return made;
}
const exclusive = (offset: bigint | number, length: bigint | number): LockRequest => ({ range: range(offset, length), exclusive: true });
const shared = (offset: bigint | number, length: bigint | number): LockRequest => ({ range: range(offset, length), exclusive: false });

test("a range keeps 64 bits, and none reaches past the last byte", () => {
  expect(rangeOf(...split(max), ...split(max))).toBeNull();
  expect(rangeOf(...split(max), ...split(2n))).toBeNull();
  expect(rangeOf(...split(1n), ...split(max))).not.toBeNull();
  expect(range(max, 1)).toMatchObject({ endHigh: 2 ** 32, endLow: 0 });
  expect(range(2n ** 63n - 1n, 1).overlaps(range(2n ** 63n, 1))).toBe(false);
  expect(range(2n ** 53n + 1n, 1).equals(range(2n ** 53n + 2n, 1))).toBe(false);
  expect(range(max, 1).overlaps(range(0, max))).toBe(false);
  expect(range(max, 1).overlaps(range(1, max))).toBe(true);
});

test("an empty range is in another only between its bytes", () => {
  const cases = [
    [10, 0, 10, 0, false],
    [10, 0, 9, 1, false],
    [10, 0, 10, 1, false],
    [10, 0, 9, 2, true],
    [10, 0, 10, 2, false],
    [10, 0, 9, 3, true],
    [0, 0, 0, 0, false],
  ] as const;
  for (const [a, al, b, bl, overlap] of cases) {
    expect(range(a, al).overlaps(range(b, bl))).toBe(overlap);
    expect(range(b, bl).overlaps(range(a, al))).toBe(overlap);
  }
});

test("an owner stacks shared locks on its exclusive one and takes them away by exact range, the exclusive one first", () => {
  const table = new LockTable();
  const [a, b] = [{}, {}];
  expect(table.lock(id, a, [exclusive(10, 10)])).toBe(LockOutcome.granted);
  expect(table.lock(id, a, [exclusive(10, 10)])).toBe(LockOutcome.conflict);
  expect(table.lock(id, a, [shared(10, 10)])).toBe(LockOutcome.granted);
  expect(table.lock(id, b, [shared(5, 10)])).toBe(LockOutcome.conflict);
  expect(table.unlock(id, a, [range(10, 9)])).toBe(0);
  expect(table.unlock(id, b, [range(10, 10)])).toBe(0);
  expect(table.unlock(id, a, [range(10, 10)])).toBe(1);
  expect(table.lock(id, b, [shared(5, 10)])).toBe(LockOutcome.granted);
  expect(table.unlock(id, a, [range(10, 10), range(10, 10)])).toBe(1);
  expect(table.held).toBe(1);
});

test("several locks are taken together or not at all", () => {
  const table = new LockTable();
  const [a, b] = [{}, {}];
  expect(table.lock(id, a, [exclusive(10, 10)])).toBe(LockOutcome.granted);
  expect(table.lock(id, b, [exclusive(0, 10), exclusive(15, 1)])).toBe(LockOutcome.conflict);
  expect(table.of(id, b)).toEqual([]);
  expect(table.lock(id, a, [exclusive(0, 10)])).toBe(LockOutcome.granted);
  expect(table.held).toBe(2);
});

test("reading and writing obey locks", () => {
  const table = new LockTable();
  const [a, b] = [{}, {}];
  expect(table.bars(id, null, 0, 100, true)).toBe(false);
  table.lock(id, a, [exclusive(10, 10), shared(30, 10)]);
  expect(table.bars(id, a, 0, 25, true)).toBe(false);
  expect(table.bars(id, b, 19, 1, false)).toBe(true);
  expect(table.bars(id, null, 0, 11, false)).toBe(true);
  expect(table.bars(id, null, 0, 10, true)).toBe(false);
  expect(table.bars(id, b, 15, 0, true)).toBe(false);
  // Nobody writes under a shared lock; everybody reads.
  expect(table.bars(id, a, 39, 2, true)).toBe(true);
  expect(table.bars(id, b, 30, 10, false)).toBe(false);
  expect(table.bars(21 as FileId, b, 10, 10, true)).toBe(false);
  table.release(id, a);
  expect(table.held).toBe(0);
  expect(table.bars(id, b, 0, 100, true)).toBe(false);
});

test("whoever waits is granted its lock in order of arrival, told of a close, and may give up", () => {
  const table = new LockTable();
  const [a, b, c, d] = [{}, {}, {}, {}];
  const told: string[] = [];
  const wait = (name: string, owner: object, request: LockRequest) => {
    expect(table.lock(id, owner, [request])).toBe(LockOutcome.conflict);
    return table.wait(id, owner, request, (outcome) => told.push(`${name} ${outcome}`));
  };
  table.lock(id, a, [exclusive(0, 10), exclusive(20, 10)]);
  wait("b", b, exclusive(5, 1));
  wait("c", c, shared(5, 1));
  const given = wait("d", d, exclusive(20, 1));
  wait("c2", c, exclusive(25, 1));
  expect(told).toEqual([]);
  table.unlock(id, a, [range(0, 10)]);
  expect(told).toEqual(["b granted"]);
  given!.cancel();
  given!.cancel();
  expect(told).toEqual(["b granted", "d cancelled"]);
  table.release(id, c);
  expect(told).toEqual(["b granted", "d cancelled", "c closed", "c2 closed"]);
  table.release(id, a);
  expect(table.held).toBe(1);
  expect(table.lock(id, d, [exclusive(20, 10)])).toBe(LockOutcome.granted);
});

test("locks and waits of a file have a bound", () => {
  const table = new LockTable();
  const [a, b] = [{}, {}];
  table.lock(id, a, [exclusive(1, 1)]);
  for (let i = 0; i < fileWaitsMax; i++) expect(table.wait(id, b, exclusive(1, 1), () => {})).not.toBeNull();
  expect(table.wait(id, b, exclusive(1, 1), () => {})).toBeNull();
  for (let i = 1; i < fileLocksMax; i++) table.lock(id, a, [shared(100, 1)]);
  expect(table.lock(id, a, [shared(100, 1)])).toBe(LockOutcome.full);
  expect(table.held).toBe(fileLocksMax);
});

/** MS-FSA 2.1.4.10 word by word, on integers of any size. */
class Model {
  locks: { owner: object; start: bigint; length: bigint; exclusive: boolean }[] = [];
  waits: { owner: object; start: bigint; length: bigint; exclusive: boolean; name: number }[] = [];
  told: string[] = [];

  conflicts(owner: object | null, start: bigint, length: bigint, isExclusive: boolean, lockIntent: boolean): boolean {
    if (length === 0n && !lockIntent) return false;
    return this.locks.some((lock) => {
      if (start >= lock.start + lock.length || start + length <= lock.start) return false;
      if (lockIntent) return isExclusive || (lock.exclusive && lock.owner !== owner);
      return lock.exclusive ? lock.owner !== owner : isExclusive;
    });
  }
  unlock(owner: object, start: bigint, length: bigint): boolean {
    const mine = this.locks.filter((lock) => lock.owner === owner && lock.start === start && lock.length === length);
    const victim = mine.find((lock) => lock.exclusive) ?? mine[0];
    if (victim === undefined) return false;
    this.locks.splice(this.locks.indexOf(victim), 1);
    this.wake();
    return true;
  }
  release(owner: object): void {
    this.locks = this.locks.filter((lock) => lock.owner !== owner);
    for (const wait of this.waits.filter((one) => one.owner === owner)) this.told.push(`${wait.name} closed`);
    this.waits = this.waits.filter((wait) => wait.owner !== owner);
    this.wake();
  }
  wake(): void {
    for (const wait of [...this.waits]) {
      if (this.conflicts(wait.owner, wait.start, wait.length, wait.exclusive, true)) continue;
      this.locks.push(wait);
      this.told.push(`${wait.name} granted`);
      this.waits.splice(this.waits.indexOf(wait), 1);
    }
  }
}

function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("random histories come to the same as the specification's text", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomOf(seed);
    const table = new LockTable();
    const model = new Model();
    const owners = [{}, {}, {}];
    const told: string[] = [];
    const waits = new Map<number, { cancel(): void }>();
    // Few places, so that ranges meet; some beyond 2^53, and around 2^32 and 2^64.
    const bases = [0n, 2n ** 32n - 3n, 2n ** 53n - 3n, max - 6n];
    for (let step = 0; step < 400; step++) {
      const owner = owners[random(3)]!;
      const start = bases[random(4)]! + BigInt(random(7));
      const room = max + 1n - start;
      const length = room < 6n ? BigInt(random(Number(room) + 1)) : BigInt(random(6));
      const isExclusive = random(2) === 0;
      const action = random(10);
      if (action < 5) {
        const request = { range: range(start, length), exclusive: isExclusive };
        const barred = model.conflicts(owner, start, length, isExclusive, true);
        expect(table.lock(id, owner, [request])).toBe(barred ? LockOutcome.conflict : LockOutcome.granted);
        if (!barred) model.locks.push({ owner, start, length, exclusive: isExclusive });
        else if (action === 0 && model.waits.length < 8) {
          model.waits.push({ owner, start, length, exclusive: isExclusive, name: step });
          waits.set(step, table.wait(id, owner, request, (outcome) => told.push(`${step} ${outcome}`))!);
        }
      } else if (action < 8) {
        const own = model.locks.filter((lock) => lock.owner === owner);
        const victim = own[random(own.length)] ?? { start, length };
        expect(table.unlock(id, owner, [range(victim.start, victim.length)])).toBe(model.unlock(owner, victim.start, victim.length) ? 1 : 0);
      } else if (action === 8 && random(8) === 0) {
        table.release(id, owner);
        model.release(owner);
      } else if (model.waits.length > 0 && random(2) === 0) {
        const [gone] = model.waits.splice(random(model.waits.length), 1);
        model.told.push(`${gone!.name} cancelled`);
        waits.get(gone!.name)!.cancel();
      }
      expect(told).toEqual(model.told);
      expect(table.held).toBe(model.locks.length);
      const at = [0n, 2n ** 32n - 3n][random(2)]! + BigInt(random(8));
      const bytes = random(6);
      for (const by of [...owners, null]) {
        for (const write of [false, true]) {
          expect(table.bars(id, by, Number(at), bytes, write)).toBe(model.conflicts(by, at, BigInt(bytes), write, false));
        }
      }
    }
  }
});
