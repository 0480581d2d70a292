import { describe, expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Keyring, openFramedBlocks, openMemoryBlocks } from "#blocks/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { pattern } from "../../../contract/blocks.ts";
import { masterKeys } from "../../../support/master-keys.ts";

/** Whoever can write to the bucket changes what is there: a reader gets the right bytes or an error, never other bytes. */

const MiB = 2 ** 20;
const frame = 65536;
const headBytes = 2048;
const instance = "0123456789abcdef";
const key = (name: string) => `${instance}/00/${name}`;
const stored = (name: string) => `${key(name)}.framed`;

/** Half of the frames compress, half don't. */
function mixed(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let word = seed;
  for (let i = 0; i < length; i++) {
    if (Math.floor(i / frame) % 2 === 0) word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    bytes[i] = word >>> 24;
  }
  return bytes;
}

function open(under: BlockStore, compress: boolean, more: { readonly acceptPlain?: boolean; readonly keyring?: Keyring; readonly encrypt?: boolean } = {}) {
  const keyring = more.keyring ?? new Keyring({ blocks: under, keyPrefix: `${instance}/`, masters: masterKeys("m"), mayBegin: true, random: systemRandom });
  const blocks = openFramedBlocks({ blocks: under, keyPrefix: `${instance}/`, compress, encrypt: more.encrypt ?? true, keyring, acceptPlain: more.acceptPlain ?? false, clock: systemClock, random: systemRandom });
  return { blocks, keyring };
}

const putBytes = (store: BlockStore, name: string, bytes: Uint8Array) => store.put(name, { from: "slices", slices: [bytes] });

async function objectOf(store: BlockStore, name: string): Promise<Uint8Array> {
  return await store.get(name, 0, (await store.size(name)) ?? 0);
}

/** Puts other bytes in the place of an object, behind the store's back, as nobody who was opened before knows it. */
async function exchange(under: BlockStore, name: string, bytes: Uint8Array): Promise<void> {
  await under.delete([name]);
  await putBytes(under, name, bytes);
}

/** The store with one bit of its objects the other way round. */
function flipping(under: BlockStore, at: number): BlockStore {
  const get: BlockStore["get"] = async (name, offset, length, target) => {
    const bytes = await under.get(name, offset, length, target);
    if (at >= offset && at < offset + length) bytes[at - offset] = (bytes[at - offset] as number) ^ 4;
    return bytes;
  };
  return { put: under.put.bind(under), get, size: under.size.bind(under), delete: under.delete.bind(under), list: under.list.bind(under), space: under.space.bind(under), close: under.close.bind(under) };
}

async function refused(read: Promise<unknown>): Promise<string> {
  try {
    await read;
  } catch (error) {
    return (error as Error).message;
  }
  return "it was given";
}

for (const compress of [false, true]) {
  const how = compress ? "compressed and encrypted" : "encrypted";

  describe(`${how} objects that were changed in the store`, () => {
    test("any byte of a small one flipped: refused", async () => {
      const under = openMemoryBlocks();
      const { blocks, keyring } = open(under, compress);
      const bytes = compress ? new TextEncoder().encode("again and again ".repeat(40)) : pattern(300, 1);
      await putBytes(blocks, key("a"), bytes);
      const good = await objectOf(under, stored("a"));
      expect(good.byteLength).toBeLessThan(headBytes + 400);
      for (let at = 0; at < good.byteLength; at++) {
        const bad = good.slice();
        bad[at] = (bad[at] as number) ^ (1 << at % 8);
        await exchange(under, stored("a"), bad);
        expect([at, await refused(open(under, compress, { keyring }).blocks.get(key("a"), 0, bytes.byteLength))]).toEqual([at, expect.stringMatching(/damaged|newer than|not encrypted/)]);
      }
      await exchange(under, stored("a"), good);
      expect(await open(under, compress, { keyring }).blocks.get(key("a"), 0, bytes.byteLength)).toEqual(bytes);
    });

    test("a bit in each frame of 16 MiB flipped: that frame is refused and no other", async () => {
      const under = openMemoryBlocks();
      const { blocks, keyring } = open(under, compress);
      const bytes = mixed(16 * MiB, 2);
      await putBytes(blocks, key("a"), bytes);
      const good = await objectOf(under, stored("a"));
      const view = new DataView(good.buffer, good.byteOffset);
      for (let i = 0, at = headBytes; i < bytes.byteLength / frame; i++) {
        const length = (compress ? view.getUint32(112 + i * 4) & 0x7fff_ffff : frame) + 16;
        const { blocks: fresh } = open(flipping(under, at + ((i * 7919) % length)), compress, { keyring });
        at += length;
        expect(await refused(fresh.get(key("a"), i * frame + 100, 10))).toContain(`frame ${i} is damaged`);
        const other = (i + 1) % 256;
        expect(await fresh.get(key("a"), other * frame, 100)).toEqual(bytes.subarray(other * frame, other * frame + 100));
      }
    });

    test("cut anywhere, or its frames exchanged: refused", async () => {
      const under = openMemoryBlocks();
      const { blocks, keyring } = open(under, compress);
      const bytes = compress ? mixed(4 * frame, 3) : pattern(4 * frame, 3);
      await putBytes(blocks, key("a"), bytes);
      const good = await objectOf(under, stored("a"));
      for (const length of [0, 1, headBytes - 1, headBytes, headBytes + 16, good.byteLength - frame - 16, good.byteLength - 16, good.byteLength - 1]) {
        await exchange(under, stored("a"), good.subarray(0, length));
        expect([length, await refused(open(under, compress, { keyring }).blocks.get(key("a"), 0, bytes.byteLength))]).not.toEqual([length, "it was given"]);
      }
      if (compress) return;
      const swapped = good.slice();
      swapped.copyWithin(headBytes, headBytes + frame + 16, headBytes + 2 * (frame + 16));
      swapped.set(good.subarray(headBytes, headBytes + frame + 16), headBytes + frame + 16);
      await exchange(under, stored("a"), swapped);
      expect(await refused(open(under, compress, { keyring }).blocks.get(key("a"), 0, 10))).toContain("frame 0 is damaged");
      expect(await refused(open(under, compress, { keyring }).blocks.get(key("a"), frame, 10))).toContain("frame 1 is damaged");
    });

    test("under the key of another, with the head or a frame of another: refused", async () => {
      const under = openMemoryBlocks();
      const { blocks, keyring } = open(under, compress);
      for (const name of ["a", "b"]) await putBytes(blocks, key(name), pattern(2 * frame, name.charCodeAt(0)));
      const [a, b] = [await objectOf(under, stored("a")), await objectOf(under, stored("b"))];
      const read = () => refused(open(under, compress, { keyring }).blocks.get(key("a"), 0, 2 * frame));
      await exchange(under, stored("a"), b);
      expect(await read()).toContain("its data key does not open");
      await exchange(under, stored("a"), Buffer.concat([b.subarray(0, headBytes), a.subarray(headBytes)]));
      expect(await read()).toContain("damaged");
      await exchange(under, stored("a"), Buffer.concat([a.subarray(0, headBytes), b.subarray(headBytes)]));
      expect(await read()).toContain("damaged");
    });
  });
}

describe("what is not encrypted", () => {
  test("is refused by a store that encrypts, whether plain or framed, unless it is told that there is such", async () => {
    const under = openMemoryBlocks();
    const { keyring } = open(under, true);
    await putBytes(open(under, true, { keyring, encrypt: false }).blocks, key("framed"), pattern(100_000, 4));
    await putBytes(under, key("plain"), pattern(100_000, 5));
    const strict = open(under, true, { keyring }).blocks;
    expect(await refused(strict.get(key("framed"), 0, 10))).toContain("--encryption-accept-plain");
    expect(await refused(strict.get(key("framed"), 0, 10))).toContain("--encryption-accept-plain");
    expect(await refused(strict.size(key("framed")))).toContain("--encryption-accept-plain");
    expect(await refused(strict.get(key("plain"), 0, 10))).toContain("has no object");
    expect(await strict.size(key("plain"))).toBeNull();
    const lenient = open(under, true, { keyring, acceptPlain: true }).blocks;
    expect(await lenient.get(key("framed"), 7, 90_000)).toEqual(pattern(100_000, 4).subarray(7, 90_007));
    expect(await lenient.get(key("plain"), 7, 90_000)).toEqual(pattern(100_000, 5).subarray(7, 90_007));
    const keys: string[] = [];
    for await (const { key: one } of lenient.list("")) keys.push(one);
    expect(keys.sort()).toEqual([key("framed"), key("plain")]);
  });

  test("can't be made to look framed by what is in it", async () => {
    const under = openMemoryBlocks();
    const { blocks } = open(under, true, { encrypt: false });
    await putBytes(blocks, key("a"), pattern(1000, 6));
    const forged = await objectOf(under, stored("a"));
    const off = open(under, false, { encrypt: false }).blocks;
    await putBytes(off, key("b"), forged);
    expect(await off.get(key("b"), 0, forged.byteLength)).toEqual(forged);
  });

  test("is damaged where a compressed frame says that it is longer than it should be: no memory is given for it", async () => {
    const under = openMemoryBlocks();
    const { blocks } = open(under, true, { encrypt: false });
    await putBytes(blocks, key("a"), new Uint8Array(frame));
    const object = (await objectOf(under, stored("a"))).slice();
    const bomb = Bun.zstdCompressSync(new Uint8Array(64 * MiB), { level: 19 });
    const grown = Buffer.concat([object.subarray(0, headBytes), bomb]);
    grown.writeUInt32BE((bomb.byteLength | 0x8000_0000) >>> 0, 112);
    grown.writeUInt32BE(Bun.hash.crc32(grown.subarray(0, headBytes - 4)), headBytes - 4);
    await exchange(under, stored("a"), grown);
    expect(await refused(open(under, true, { encrypt: false }).blocks.get(key("a"), 0, frame))).toContain("says that it has another length");
  });
});
