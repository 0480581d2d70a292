import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Keyring, openFramedBlocks, openMemoryBlocks } from "#blocks/index.ts";
import { objectBytesMax } from "#blocks/framed/index.ts";
import { masterKeys } from "../../../support/master-keys.ts";

const MiB = 2 ** 20;
const instance = "0123456789abcdef";

/** While its store is away a share gathers all that is done in one segment of its history: it must get there once the store is back. */
test("a segment of an encrypted history may be larger than any other object", async () => {
  const under = openMemoryBlocks();
  const keyring = new Keyring({ blocks: under, keyPrefix: `${instance}/`, masters: masterKeys("m"), mayBegin: true, random: systemRandom });
  const history = `${instance}/history/`;
  const blocks = openFramedBlocks({ blocks: under, keyPrefix: `${instance}/`, compress: false, encrypt: true, keyring, acceptPlain: false, raced: history, clock: systemClock, random: systemRandom });
  const mebibyte = new Uint8Array(MiB).map((_, i) => i);
  const slices = Array.from({ length: objectBytesMax / MiB + 1 }, () => mebibyte);
  await expect(blocks.put(`${instance}/00/1`, { from: "slices", slices })).rejects.toThrow("bytes, more than the");
  await blocks.put(`${history}0/1`, { from: "slices", slices });
  expect(await blocks.size(`${history}0/1`)).toBe(objectBytesMax + MiB);
  expect(Buffer.compare(await blocks.get(`${history}0/1`, objectBytesMax, MiB), mebibyte)).toBe(0);
}, 60_000);
