import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Keyring, openFramedBlocks, openMemoryBlocks } from "#blocks/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { masterKeys } from "../../../support/master-keys.ts";

const keyPrefix = "0123456789abcdef/";
const raced = `${keyPrefix}history/`;
const bytes = (text: string) => ({ from: "slices", slices: [Buffer.from(text)] }) as const;

function opened(blocks: BlockStore, how: { readonly encrypt?: boolean; readonly acceptPlain?: boolean; readonly keys?: boolean; readonly raced?: string }): BlockStore {
  const { encrypt = false, acceptPlain = false, keys = encrypt } = how;
  const keyring = keys ? new Keyring({ blocks, keyPrefix, masters: masterKeys("m"), mayBegin: true, random: systemRandom }) : null;
  return openFramedBlocks({ blocks, keyPrefix, compress: !encrypt, encrypt, keyring, acceptPlain, ...(how.raced === undefined ? {} : { raced: how.raced }), clock: systemClock, random: systemRandom });
}

async function keysOf(blocks: BlockStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of blocks.list(raced)) keys.push(key);
  return keys.sort();
}

test("a raced key is one, whoever puts it, and the second is refused", async () => {
  for (const encryptedFirst of [true, false]) {
    const under = openMemoryBlocks();
    const both = [opened(under, { encrypt: true, acceptPlain: true, raced }), opened(under, { keys: true, raced })];
    const [first, second] = (encryptedFirst ? both : both.reverse()) as [BlockStore, BlockStore];
    await first.put(`${raced}0/1`, bytes("first to come"));
    await expect(second.put(`${raced}0/1`, bytes("the other one"))).rejects.toThrow("already");
    for (const blocks of [first, second]) {
      expect(await blocks.size(`${raced}0/1`)).toBe(13);
      expect(Buffer.from(await blocks.get(`${raced}0/1`, 1, 3)).toString()).toBe("irs");
      expect(await keysOf(blocks)).toEqual([`${raced}0/1`]);
    }
    expect(await keysOf(under)).toEqual([`${raced}0/1`]);
    expect((await under.size(`${raced}0/1`)) === 13).toBe(!encryptedFirst);
    await second.delete([`${raced}0/1`]);
    expect(await keysOf(under)).toEqual([]);
  }
});

test("what is there and can't be read is never taken for nothing", async () => {
  const under = openMemoryBlocks();
  await opened(under, { encrypt: true, raced }).put(`${raced}0/1`, bytes("sealed bytes"));
  await opened(under, { raced }).put(`${raced}0/2`, bytes("plain bytes"));
  await expect(opened(under, { raced }).size(`${raced}0/1`)).rejects.toThrow("there is no master key for it here");
  await expect(opened(under, { encrypt: true, raced }).size(`${raced}0/2`)).rejects.toThrow("is not encrypted, though the block store is");
  expect(await keysOf(opened(under, { encrypt: true, raced }))).toEqual([`${raced}0/1`, `${raced}0/2`]);
  expect(await opened(under, { encrypt: true, raced }).size(`${raced}0/3`)).toBe(null);
});

test("an encrypted history from when its keys had a suffix is read, listed and deleted", async () => {
  const under = openMemoryBlocks();
  await opened(under, { encrypt: true }).put(`${raced}0/1`, bytes("before that"));
  expect(await keysOf(under)).toEqual([`${raced}0/1.framed`]);
  const blocks = opened(under, { encrypt: true, raced });
  expect(Buffer.from(await blocks.get(`${raced}0/1`, 0, 6)).toString()).toBe("before");
  expect(await keysOf(blocks)).toEqual([`${raced}0/1`]);
  await blocks.delete([`${raced}0/1`]);
  expect(await keysOf(under)).toEqual([]);
});
