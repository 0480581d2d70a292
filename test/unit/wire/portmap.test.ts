import { expect, test } from "bun:test";
import { parseUniversalAddress, universalAddress } from "#wire/portmap.ts";

test("universal addresses", () => {
  expect(universalAddress("10.0.0.1", 2049)).toBe("10.0.0.1.8.1");
  expect(universalAddress("::1", 111)).toBe("::1.0.111");
  expect(parseUniversalAddress("10.0.0.1.8.1")).toEqual({ address: "10.0.0.1", port: 2049 });
  expect(parseUniversalAddress("fe80::1.255.255")).toEqual({ address: "fe80::1", port: 65535 });
  for (const none of ["", "8.1", "10.0.0.1.256.1", "10.0.0.1.8.", "x"]) expect(parseUniversalAddress(none)).toBeNull();
});
