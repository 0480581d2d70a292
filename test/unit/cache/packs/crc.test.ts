import { expect, test } from "bun:test";
import { joinCrc } from "#cache/packs/crc.ts";
import { frameBytes, FrameTable, payloadCrc } from "#cache/packs/frames.ts";

const bytes = new Uint8Array(5 * frameBytes + 777);
for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 2654435761) >>> 23;

test("a checksum put together is that of the whole, wherever it is cut", () => {
  const whole = Bun.hash.crc32(bytes);
  for (const cut of [0, 1, 7, 4096, frameBytes, 3 * frameBytes + 5, bytes.length - 1, bytes.length]) {
    const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)];
    expect(joinCrc(Bun.hash.crc32(first), Bun.hash.crc32(second), second.length)).toBe(whole);
  }
});

test("payloads give the frames they give piece by piece, and each its own checksum", () => {
  const [together, apart] = [new FrameTable(), new FrameTable()];
  for (const [from, to] of [[0, 10], [10, frameBytes], [frameBytes, 2 * frameBytes], [2 * frameBytes, 4 * frameBytes + 3], [4 * frameBytes + 3, bytes.length]] as const) {
    const middle = from + Math.floor((to - from) / 3);
    const payload = [bytes.subarray(from, middle), bytes.subarray(middle, to)];
    expect(together.addPayload(payload)).toBe(payloadCrc(payload));
    apart.add(bytes.subarray(from, to));
  }
  expect(together.addPayload([])).toBe(0);
  expect(together.finish()).toEqual(apart.finish());
});
