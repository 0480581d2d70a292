import { describe, expect, test } from "bun:test";
import { XdrFailure, XdrReader, XdrWriter } from "#wire/index.ts";
import { Words } from "../nfs/words.ts";

function reader(bytes: Uint8Array, tail: readonly Uint8Array[] = []): XdrReader {
  const r = new XdrReader();
  r.attach(bytes, 0, bytes.length, tail, tail.reduce((sum, slice) => sum + slice.length, 0));
  return r;
}

describe("reading", () => {
  test("integers", () => {
    const r = reader(new Words(0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xffffffff).bytes());
    expect([r.u32(), r.u32(), r.u32(), r.u32(), r.u32(), r.i32()]).toEqual([0, 1, 0x7fffffff, 0x80000000, 0xffffffff, -1]);
    expect(r.failure).toBe(XdrFailure.none);
    expect(r.u32()).toBe(0);
    expect(r.failure).toBe(XdrFailure.garbage);
  });

  test("64 bits: exact below 2^53, no smaller than it from there on", () => {
    const values = [0n, 1n, 0xffffffffn, 0x100000000n, (1n << 53n) - 1n, 1n << 53n, (1n << 53n) + 1n, 1n << 63n, (1n << 64n) - 1n];
    const r = reader(new Words(...values).bytes());
    for (const value of values) {
      const read = r.u64();
      if (value < 1n << 53n) expect(BigInt(read)).toBe(value);
      else expect(read).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
    }
  });

  test("booleans are 0 or 1", () => {
    const r = reader(new Words(1, 0, 2).bytes());
    expect([r.bool(), r.bool(), r.failure]).toEqual([true, false, XdrFailure.none]);
    r.bool();
    expect(r.failure).toBe(XdrFailure.garbage);
  });

  test("opaque data stops at its maximum and at the end", () => {
    const bytes = new Words("abcde", 7).bytes();
    const r = reader(bytes);
    expect([r.opaque(5), r.opaqueAt, r.opaqueLength, r.u32()]).toEqual([true, 4, 5, 7]);
    expect(reader(bytes).opaque(4)).toBe(false);
    // The padding belongs to it.
    for (let length = 0; length < 12; length++) expect(reader(bytes.slice(0, length)).opaque(5)).toBe(false);
    expect(reader(new Words(0xffffffff).bytes()).opaque(0xffffffff)).toBe(false);
  });

  test("the first failure stays", () => {
    const r = reader(new Words("x".repeat(10), "ok").bytes());
    r.name(5);
    expect([r.failure, r.name(5), r.u32(), r.u64(), r.bool()]).toEqual([XdrFailure.tooLong, "", 0, 0, false]);
    r.opaque(100);
    expect(r.failure).toBe(XdrFailure.tooLong);
    r.attach(new Words(5).bytes(), 0, 4);
    expect([r.u32(), r.failure]).toEqual([5, XdrFailure.none]);
  });

  test("names and strings", () => {
    const name = (bytes: string | Uint8Array) => {
      const r = reader(new Words(bytes).bytes());
      return [r.name(255), r.failure];
    };
    for (const good of ["a", "", "ü€😀", "\ufeffbom", "x".repeat(255), "\u007f"]) expect(name(good)).toEqual([good, XdrFailure.none]);
    expect(name("a/b")).toEqual(["", XdrFailure.badName]);
    expect(name("a\0")).toEqual(["", XdrFailure.badName]);
    expect(name(Uint8Array.of(0x61, 0x80))).toEqual(["", XdrFailure.badName]);
    expect(name("x".repeat(256))).toEqual(["", XdrFailure.tooLong]);
    const path = reader(new Words("/a/ü").bytes());
    expect(path.string(10)).toBe("/a/ü");
    // A length that lies beyond the record is no long name but a cut record.
    expect([reader(new Words(300).bytes()).name(255), reader(new Words(300).bytes()).failure]).toEqual(["", XdrFailure.none]);
    const cut = reader(new Words(300).bytes());
    cut.name(255);
    expect(cut.failure).toBe(XdrFailure.garbage);
  });

  test("copies keep nothing of the chunk they came in, a Buffer, alive", () => {
    const verifier = reader(Buffer.from(new Words(7n).bytes())).fixedCopy(8);
    expect([verifier.buffer.byteLength, verifier[7]]).toEqual([8, 7]);
  });

  test("a payload comes in the slices it was received in, uncopied, wherever it is cut", () => {
    const data = Uint8Array.from({ length: 21 }, (_, i) => i + 1);
    const whole = new Words(99, data).bytes();
    for (let a = 8; a <= whole.length; a++) {
      for (let b = a; b <= whole.length; b++) {
        const tail = [whole.slice(a, b), whole.slice(b)].filter((slice) => slice.length > 0);
        const r = reader(whole.slice(0, a), tail);
        expect(r.u32()).toBe(99);
        const slices = r.opaqueSlices(21);
        expect([...Buffer.concat(slices)]).toEqual([...data]);
        expect([r.opaqueLength, r.failure]).toEqual([21, XdrFailure.none]);
        for (const slice of slices) expect(slice.length).toBeGreaterThan(0);
        if (tail.length > 0 && a < 8 + 21) expect(slices.at(-1)!.buffer).toBe(tail.findLast((t) => slices.some((s) => s.buffer === t.buffer))!.buffer);
      }
    }
  });

  test("a payload above its maximum, or cut, is garbage", () => {
    const whole = new Words(new Uint8Array(20)).bytes();
    for (const [bytes, tail, max] of [
      [whole, [], 19],
      [whole.slice(0, 23), [], 20],
      [whole.slice(0, 10), [whole.slice(10, 23)], 20],
      [new Words(0xffffffff).bytes(), [], 0xffffffff],
    ] as const) {
      const r = reader(bytes, tail);
      expect([r.opaqueSlices(max), r.opaqueLength, r.failure]).toEqual([[], 0, XdrFailure.garbage]);
    }
    expect(reader(new Words("").bytes()).opaqueSlices(10)).toEqual([]);
  });
});

describe("writing", () => {
  const written = (write: (w: XdrWriter) => void): Uint8Array => {
    const target = { bytes: new Uint8Array(3), length: 0 };
    const w = new XdrWriter();
    w.attach(target);
    write(w);
    expect(target.length).toBe(0);
    w.commit();
    return target.bytes.slice(0, target.length);
  };

  test("integers", () => {
    const values = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 2 ** 32, 2 ** 32 + 0x80000000, 2 ** 53 - 1];
    const bytes = written((w) => {
      w.reserve(8 * values.length + 4 * 5);
      for (const value of values) w.u64(value);
      for (const value of [0, 0x7fffffff, 0x80000000, 0xffffffff, -1]) w.u32(value);
    });
    const expected = new Words(...values.map(BigInt)).then(new Words(0, 0x7fffffff, 0x80000000, 0xffffffff, 0xffffffff));
    expect(bytes).toEqual(expected.bytes());
  });

  test("opaque data and strings, short and long, with clean padding", () => {
    for (const length of [0, 1, 2, 3, 4, 15, 16, 17, 100, 5000]) {
      const data = Uint8Array.from({ length }, (_, i) => i + 1);
      expect(written((w) => w.opaque(data))).toEqual(new Words(data).bytes());
      expect(written((w) => w.opaque(new Uint8Array([9, ...data, 9]), 1, length + 1))).toEqual(new Words(data).bytes());
    }
    for (const text of ["", "a", "abcde", "ü", "a€😀", "x".repeat(24), "x".repeat(25), "ü".repeat(30), "x".repeat(2000)]) {
      expect(written((w) => w.string(text))).toEqual(new Words(text).bytes());
    }
    const target = { bytes: new Uint8Array(100).fill(0xff), length: 0 };
    const w = new XdrWriter();
    w.attach(target);
    w.string("a");
    w.fixedOpaque(Uint8Array.of(1));
    w.commit();
    expect([...target.bytes.slice(0, target.length)]).toEqual([0, 0, 0, 1, 0x61, 0, 0, 0, 1, 0, 0, 0]);
  });

  test("what is there already stays, and what is not committed was never written", () => {
    const target = { bytes: new Uint8Array(4), length: 4 };
    target.bytes.set([1, 2, 3, 4]);
    const w = new XdrWriter();
    w.attach(target);
    w.reserve(100);
    w.u32(5);
    expect([target.length, target.bytes.length]).toEqual([4, 4]);
    w.attach(target);
    w.reserve(4);
    w.u32(6);
    w.commit();
    expect([...target.bytes.slice(0, target.length)]).toEqual([1, 2, 3, 4, 0, 0, 0, 6]);
  });

  test("writing past what was reserved is found out", () => {
    const w = new XdrWriter();
    w.attach({ bytes: new Uint8Array(4), length: 0 });
    w.u32(1);
    w.u32(2);
    expect(() => w.commit()).toThrow(RangeError);
    expect(() => w.reserve(1000)).toThrow(RangeError);
  });
});
