/**
 * GHASH (NIST SP 800-38D §6.4) as a WebAssembly module, assembled here because JavaScript has no 64-bit products. Nothing it does or reads from
 * memory depends on key or data: a table of products would be faster, and its traces in the CPU's caches tell the key.
 *
 * Products without carries are made of ordinary ones: each factor is cut into four with three empty bits behind each of its bits, which
 * sums of up to fifteen do not fill. What is above bit 63 is found by the same product of both factors reversed.
 */

/** Result of a call: 16 bytes here. */
export const resultAt = 0;
export const blockBytes = 16;
/** Of one power of a key: six factors (`factorsOf`), each in four parts of 8 bytes. */
const factorBytes = 32;
export const powerBytes: number = 6 * factorBytes;

/**
 * `hash(powerAt, from, to, skipped)`: of the blocks between, the one at `skipped` (0: none) being zeros. For n blocks the factors of the n-th power
 * of the key lie at `powerAt`, those of lower ones in front of it, in descending order.
 */
export type Hash = (powerAt: number, from: number, to: number, skipped: number) => void;

/** Of a word every fourth bit, from the first, second, third or fourth on. */
const parts = 4;

const i32 = 0x7f;
const i64 = 0x7e;
const v128 = 0x7b;
const op = { block: 0x02, loop: 0x03, end: 0x0b, branch: 0x0c, branchIf: 0x0d, get: 0x20, set: 0x21, load64: 0x29, const32: 0x41, const64: 0x42, eq32: 0x46, geU32: 0x4f, add32: 0x6a, sub32: 0x6b, mul: 0x7e, and: 0x83, or: 0x84, xor: 0x85, shl: 0x86, shr: 0x88, vector: 0xfd } as const;
/** Behind `vector`: of 16 bytes or two words at once. */
const vector = { load: 0x00, store: 0x0b, const: 0x0c, shuffle: 0x0d, swizzle: 0x0e, splat64: 0x12, lane64: 0x1d, replace64: 0x1e, and: 0x4e, or: 0x50, xor: 0x51, shr8: 0x6d } as const;
const noResult = 0x40;

// Parameters and locals, in their order.
const [powerAt, at, to, skipped, a0, a1, r0, r1, z0, z1, z2, h0, h1, h2, x0, x1, x2, x3, both] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18] as const;
const x = [x0, x1, x2, x3] as const;
const parameters = 4;
const words = 14;
const vectors = 1;

/** Integers as WebAssembly has them (LEB128): seven bits a byte, the lowest first. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const rest = value >> 7;
  return value >= -0x40 && value < 0x40 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(rest)];
}

/** The word whose bits `part` has, as a signed constant: its last bit goes on behind it. */
function partMask(part: number): number[] {
  const bytes: number[] = [];
  for (let bit = 0; bit < 70; bit += 7) {
    let seven = 0;
    for (let i = 0; i < 7; i++) if (Math.min(bit + i, 63) % parts === part) seven |= 1 << i;
    bytes.push(bit + 7 < 70 ? seven | 0x80 : seven);
  }
  return [op.const64, ...bytes];
}

const get = (local: number): number[] => [op.get, local];
const set = (local: number): number[] => [op.set, local];
const shifted = (local: number, by: number, bits: number): number[] => [...get(local), op.const64, ...signed(bits), by];
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
  for (let i = 0; i < parts; i++) code.push(...get(x3), ...partMask(i), op.and, ...set(x[i]!));
  // The last part takes the place of the whole.
  for (let part = 0; part < parts; part++) {
    for (let i = 0; i < parts; i++) {
      code.push(...get(x[i]!), ...load(powerAt, factor * factorBytes + ((part - i) & 3) * 8), op.mul);
      if (i > 0) code.push(op.xor);
    }
    code.push(...partMask(part), op.and);
    if (part > 0) code.push(op.or);
  }
  return code;
}

/** Adds the three products of Karatsuba's way, those of low and high halves and of their sums. */
function products(first: number, second: number, factor: number, low: number, high: number, middle: number): number[] {
  return [
    ...[...get(low), ...get(first), ...product(factor), op.xor, ...set(low)],
    ...[...get(high), ...get(second), ...product(factor + 1), op.xor, ...set(high)],
    ...[...get(middle), ...get(first), ...get(second), op.xor, ...product(factor + 2), op.xor, ...set(middle)],
  ];
}

/** Folds what is at x^64 above: `from` into the word 128 bits below it, which is `into`, and the one in front of that. */
function folded(from: number, into: number, front: number): number[] {
  return [
    ...[...get(into), ...get(from), op.xor, ...shifted(from, op.shr, 1), op.xor, ...shifted(from, op.shr, 2), op.xor, ...shifted(from, op.shr, 7), op.xor, ...set(into)],
    ...[...get(front), ...shifted(from, op.shl, 63), op.xor, ...shifted(from, op.shl, 62), op.xor, ...shifted(from, op.shl, 57), op.xor, ...set(front)],
  ];
}

/** `word` moves one bit to the left, with the highest one of `below`. */
const carried = (word: number, below: number): number[] => [...shifted(word, op.shl, 1), ...shifted(below, op.shr, 63), op.or, ...set(word)];

/** Adds the block at `at` times the power it has: its words as numbers, and reversed as a whole, that is, from as it lies in memory, byte by byte. */
function step(): number[] {
  const loaded = [...get(at), op.vector, vector.load, 0, 0, ...set(both)];
  return [
    ...[...loaded, ...bytesReversed, ...parted(a1, a0)],
    ...[...loaded, ...bitsReversed, ...parted(r1, r0)],
    ...products(a0, a1, 0, z0, z1, z2),
    ...products(r0, r1, 3, h0, h1, h2),
  ];
}

/** What was added up, modulo GCM's polynomial; in `both`, as it lies in memory. */
function reduced(): number[] {
  return [
    // What the products of sums have too much.
    ...[z0, z1].flatMap((each) => [...get(z2), ...get(each), op.xor, ...set(z2)]),
    ...[h0, h1].flatMap((each) => [...get(h2), ...get(each), op.xor, ...set(h2)]),
    ...[...joined(h0, h1), ...bytesReversed, ...bitsReversed, ...parted(h0, h1)],
    ...[...joined(h2, h2), ...bytesReversed, ...bitsReversed, ...lane(0), ...set(h2)],
    ...[h0, h1, h2].flatMap((high) => [...shifted(high, op.shr, 1), ...set(high)]),
    // Four words from the lowest: z0, z2, z1, h1.
    ...[...get(z2), ...get(h0), op.xor, ...set(z2), ...get(z1), ...get(h2), op.xor, ...set(z1)],
    // The order of bits is the reverse of that of powers (§6.3): the product of two reversed ones is one bit short.
    ...[...carried(h1, z1), ...carried(z1, z2), ...carried(z2, z0), ...shifted(z0, op.shl, 1), ...set(z0)],
    ...folded(z0, z1, z2),
    ...folded(z2, h1, z1),
    ...[...joined(h1, z1), ...bytesReversed],
  ];
}

function hashBody(): number[] {
  const next = [...get(at), op.const32, blockBytes, op.add32, ...set(at), ...get(powerAt), op.const32, ...signed(powerBytes), op.sub32, ...set(powerAt)];
  return [
    ...[op.block, noResult, op.loop, noResult],
    ...[...get(at), ...get(to), op.geU32, op.branchIf, 1],
    ...[op.block, noResult, ...get(at), ...get(skipped), op.eq32, op.branchIf, 0, ...step(), op.end],
    ...[...next, op.branch, 0],
    ...[op.end, op.end],
    ...reduced(),
    ...[op.const32, resultAt, ...get(both), op.vector, vector.store, 0, 0],
    op.end,
  ];
}

const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];
const named = (name: string, kind: number): number[] => [name.length, ...Buffer.from(name), kind, 0];

const memoryPages = 4;

/** The function and the memory it works in, 256 KiB. */
export function makeHash(): { readonly hash: Hash; readonly memory: ArrayBuffer } {
  const body = [2, words, i64, vectors, v128, ...hashBody()];
  const module = [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, parameters, ...new Array<number>(parameters).fill(i32), 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, memoryPages, memoryPages]),
    ...section(7, [2, ...named("hash", 0), ...named("memory", 2)]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ];
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(module)));
  return { hash: exports.hash as Hash, memory: (exports.memory as WebAssembly.Memory).buffer as ArrayBuffer };
}

/** What `hash` needs of a power of a key, `powerBytes` long: both halves, their sum, and the same reversed, each in its four parts. */
export function factorsOf(power: Uint8Array): Uint8Array {
  const view = new DataView(power.buffer, power.byteOffset, blockBytes);
  const out = new DataView(new ArrayBuffer(powerBytes));
  const put = (factor: number, high: number, low: number): void => {
    for (let p = 0; p < parts; p++) {
      const mask = 0x11111111 << p;
      out.setInt32(factor * factorBytes + p * 8, low & mask, true);
      out.setInt32(factor * factorBytes + p * 8 + 4, high & mask, true);
    }
  };
  const [a, b, c, d] = [view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)] as const;
  put(0, c, d);
  put(1, a, b);
  put(2, a ^ c, b ^ d);
  put(3, reversed(d), reversed(c));
  put(4, reversed(b), reversed(a));
  put(5, reversed(b ^ d), reversed(a ^ c));
  return new Uint8Array(out.buffer);
}

function reversed(word: number): number {
  let out = 0;
  for (let i = 0; i < 32; i++) out = (out << 1) | ((word >>> i) & 1);
  return out;
}
