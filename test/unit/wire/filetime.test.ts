import { expect, test } from "bun:test";
import { Time } from "../../../src/base/time.ts";
import { decodeFileTime, encodeFileTime } from "../../../src/wire/filetime.ts";
import { LeWriter } from "../../../src/wire/le.ts";

function encoded(time: Time): bigint {
  const target = { bytes: new Uint8Array(8), length: 0 };
  const w = new LeWriter();
  w.attach(target);
  encodeFileTime(w, time);
  w.commit();
  return new DataView(target.bytes.buffer).getBigUint64(0, true);
}

test("times go to 100 ns since 1601 and back, beyond 2^53 and before 1970 too", () => {
  for (const sec of [-11_644_473_600, -1, 0, 1, 1_700_000_000, 4_294_967_296, 253_402_300_799]) {
    for (const nsec of [0, 100, 999_999_900]) {
      const ticks = (BigInt(sec) + 11_644_473_600n) * 10_000_000n + BigInt(nsec / 100);
      expect(encoded(new Time(sec, nsec))).toBe(ticks);
      if (ticks === 0n) continue;
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, ticks, true);
      expect(decodeFileTime(bytes, 0)).toEqual(new Time(sec, nsec));
    }
  }
});

test("0, -1 and -2 ask for no time", () => {
  for (const value of [0n, -1n, -2n]) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, value, true);
    expect(decodeFileTime(bytes, 0)).toBeNull();
  }
});
