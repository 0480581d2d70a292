/**
 * GHASH (NIST SP 800-38D §6.4) as a WebAssembly module, assembled here because JavaScript has no 64-bit products. Nothing it does or reads from
 * memory depends on key or data: a table of products would be faster, and its traces in the CPU's caches tell the key.
 *
 * Products without carries are made of ordinary ones: each factor is cut into four with three empty bits behind each of its bits, which
 * sums of up to fifteen do not fill. What is above bit 63 is found by the same product of both factors reversed.
 */

/** Result of a call: 16 bytes here. */
export const resultAt = 0;
/** For each factor (`factorsOf`) its four parts, 8 bytes each. */
export const factorBytes = 32;
export const keyBytes: number = 6 * factorBytes;
export const blockBytes = 16;

/** `hash(keyAt, from, to)`: of the blocks between, with the key whose factors lie at `keyAt`. */
export type Hash = (keyAt: number, from: number, to: number) => void;

const parts = [0x1111111111111111n, 0x2222222222222222n, 0x4444444444444444n, 0x8888888888888888n] as const;

const i32 = 0x7f;
const i64 = 0x7e;
const v128 = 0x7b;
const op = { block: 0x02, loop: 0x03, end: 0x0b, branch: 0x0c, branchIf: 0x0d, get: 0x20, set: 0x21, load64: 0x29, const32: 0x41, const64: 0x42, geU32: 0x4f, add32: 0x6a, mul: 0x7e, and: 0x83, or: 0x84, xor: 0x85, shl: 0x86, shr: 0x88, vector: 0xfd } as const;
/** Behind `vector`: of 16 bytes or two words at once. */
const vector = { load: 0x00, store: 0x0b, const: 0x0c, shuffle: 0x0d, swizzle: 0x0e, splat64: 0x12, lane64: 0x1d, replace64: 0x1e, and: 0x4e, or: 0x50, xor: 0x51, shr8: 0x6d } as const;
const noResult = 0x40;

// Parameters and locals, in their order.
const [keyAt, at, to, a0, a1, r0, r1, z0, z1, z2, h0, h1, h2, x0, x1, x2, x3, sum, both] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18] as const;
const x = [x0, x1, x2, x3] as const;
const parameters = 3;
const words = 14;
const vectors = 2;

/** An integer as WebAssembly writes it (LEB128); signed ones by BigInt. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: bigint): number[] {
  const low = Number(value & 0x7fn);
  const rest = value >> 7n;
  return (rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40) ? [low] : [low | 0x80, ...signed(rest)];
}

const get = (local: number): number[] => [op.get, local];
const set = (local: number): number[] => [op.set, local];
const constant = (value: bigint): number[] => [op.const64, ...signed(BigInt.asIntN(64, value))];
const shifted = (local: number, by: number, bits: bigint): number[] => [...get(local), ...constant(bits), by];
const load = (local: number, offset: number): number[] => [...get(local), op.load64, 0, ...unsigned(offset)];
const bytes = (of: (i: number) => number): number[] => Array.from({ length: blockBytes }, (_, i) => of(i));
const table = (of: (i: number) => number): number[] => [op.vector, vector.const, ...bytes(of)];
/** The bytes of both words of `both` the other way around. */
const bytesReversed: readonly number[] = [...get(both), ...get(both), op.vector, vector.shuffle, ...bytes((i) => i ^ 7), ...set(both)];
const halfReversed = (half: number): number => ((half & 1) << 3) | ((half & 2) << 1) | ((half & 4) >> 1) | (half >> 3);
/** The bits of each byte of `both` the other way around: of its halves by tables that are looked up in a register. */
const bitsReversed: readonly number[] = [
  ...[...table((i) => halfReversed(i) << 4), ...get(both), ...table(() => 0x0f), op.vector, vector.and, op.vector, vector.swizzle],
  ...[...table(halfReversed), ...get(both), op.const32, 4, op.vector, vector.shr8, op.vector, vector.swizzle, op.vector, vector.or, ...set(both)],
];
/** The words of `both`. */
const parted = (first: number, second: number): number[] => [...lane(0), ...set(first), ...lane(1), ...set(second)];
const lane = (index: number): number[] => [...get(both), op.vector, vector.lane64, index];
/** Two words as `both`. */
const joined = (first: number, second: number): number[] => [...get(first), op.vector, vector.splat64, ...get(second), op.vector, vector.replace64, 1, ...set(both)];

/** The low half of the product of what is on the stack and a factor of the key; on the stack. */
function product(factor: number): number[] {
  const code = [...set(x3)];
  for (let i = 0; i < parts.length; i++) code.push(...get(x3), ...constant(parts[i]!), op.and, ...set(x[i]!));
  // The last part takes the place of the whole.
  for (let part = 0; part < parts.length; part++) {
    for (let i = 0; i < parts.length; i++) {
      code.push(...get(x[i]!), ...load(keyAt, factor * factorBytes + ((part - i) & 3) * 8), op.mul);
      if (i > 0) code.push(op.xor);
    }
    code.push(...constant(parts[part]!), op.and);
    if (part > 0) code.push(op.or);
  }
  return code;
}

/** The three products of Karatsuba's way, the middle one as what it adds: to `low`, `high` and `middle`. */
function products(first: number, second: number, factor: number, low: number, high: number, middle: number): number[] {
  return [
    ...[...get(first), ...product(factor), ...set(low)],
    ...[...get(second), ...product(factor + 1), ...set(high)],
    ...[...get(first), ...get(second), op.xor, ...product(factor + 2), ...get(low), op.xor, ...get(high), op.xor, ...set(middle)],
  ];
}

/** Folds what is at x^64 above: `from` into the word 128 bits below it, which is `into`, and the one in front of that. */
function folded(from: number, into: number, front: number): number[] {
  return [
    ...[...get(into), ...get(from), op.xor, ...shifted(from, op.shr, 1n), op.xor, ...shifted(from, op.shr, 2n), op.xor, ...shifted(from, op.shr, 7n), op.xor, ...set(into)],
    ...[...get(front), ...shifted(from, op.shl, 63n), op.xor, ...shifted(from, op.shl, 62n), op.xor, ...shifted(from, op.shl, 57n), op.xor, ...set(front)],
  ];
}

/** `word` moves one bit to the left, with the highest one of `below`. */
const carried = (word: number, below: number): number[] => [...shifted(word, op.shl, 1n), ...shifted(below, op.shr, 63n), op.or, ...set(word)];

/** `sum`, as it would lie in memory, becomes (sum ⊕ block at `at`) · H. */
function step(): number[] {
  return [
    ...[...get(sum), ...get(at), op.vector, vector.load, 0, 0, op.vector, vector.xor, ...set(both)],
    ...[...get(both), ...set(sum), ...bytesReversed, ...parted(a1, a0)],
    // Reversed as a whole, that is, from as it lies in memory, byte by byte.
    ...[...get(sum), ...set(both), ...bitsReversed, ...parted(r1, r0)],
    ...products(a0, a1, 0, z0, z1, z2),
    ...products(r0, r1, 3, h0, h1, h2),
    ...[...joined(h0, h1), ...bytesReversed, ...bitsReversed, ...parted(h0, h1)],
    ...[...joined(h2, h2), ...bytesReversed, ...bitsReversed, ...lane(0), ...set(h2)],
    ...[h0, h1, h2].flatMap((high) => [...shifted(high, op.shr, 1n), ...set(high)]),
    // Four words from the lowest: z0, z2, z1, h1.
    ...[...get(z2), ...get(h0), op.xor, ...set(z2), ...get(z1), ...get(h2), op.xor, ...set(z1)],
    // The order of bits is the reverse of that of powers (§6.3): the product of two reversed ones is one bit short.
    ...[...carried(h1, z1), ...carried(z1, z2), ...carried(z2, z0), ...shifted(z0, op.shl, 1n), ...set(z0)],
    ...folded(z0, z1, z2),
    ...folded(z2, h1, z1),
    ...[...joined(h1, z1), ...bytesReversed, ...get(both), ...set(sum)],
  ];
}

function hashBody(): number[] {
  return [
    ...[op.block, noResult, op.loop, noResult],
    ...[...get(at), ...get(to), op.geU32, op.branchIf, 1],
    ...step(),
    ...[...get(at), op.const32, blockBytes, op.add32, ...set(at), op.branch, 0],
    ...[op.end, op.end],
    ...[op.const32, resultAt, ...get(sum), op.vector, vector.store, 0, 0],
    op.end,
  ];
}

const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];
const named = (name: string, kind: number): number[] => [name.length, ...Buffer.from(name), kind, 0];

/** The function and the memory it works in, one page of 64 KiB. */
export function makeHash(): { readonly hash: Hash; readonly memory: ArrayBuffer } {
  const body = [2, words, i64, vectors, v128, ...hashBody()];
  const module = [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, parameters, i32, i32, i32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, 1, 1]),
    ...section(7, [2, ...named("hash", 0), ...named("memory", 2)]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ];
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(module)));
  return { hash: exports.hash as Hash, memory: (exports.memory as WebAssembly.Memory).buffer as ArrayBuffer };
}

/** What `hash` needs of a key, `keyBytes` long: both halves of H, their sum, and the same reversed, each in its four parts. */
export function factorsOf(h: Uint8Array): Uint8Array {
  const view = new DataView(h.buffer, h.byteOffset, blockBytes);
  const high = view.getBigUint64(0);
  const low = view.getBigUint64(8);
  const factors = [low, high, low ^ high, reversed(low), reversed(high), reversed(low) ^ reversed(high)];
  const bytes = new Uint8Array(keyBytes);
  const out = new DataView(bytes.buffer);
  factors.forEach((factor, f) => parts.forEach((part, p) => out.setBigUint64(f * factorBytes + p * 8, factor & part, true)));
  return bytes;
}

function reversed(word: bigint): bigint {
  let out = 0n;
  for (let i = 0n; i < 64n; i++) out = (out << 1n) | ((word >> i) & 1n);
  return out;
}
