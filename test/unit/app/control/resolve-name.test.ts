import { expect, test } from "bun:test";
import { addressesIn } from "#app/control/resolve-name.ts";

test("a hosts file: each line that has the name, and no line that has only a name of the same address", () => {
  const hosts = "# 10.0.0.9 a\n10.0.0.1 a shared\n10.0.0.2\tb  shared # not a\n\nfd00::1 A.\n fd00::2 a.example a\n10.0.0.3\n";
  expect(addressesIn(hosts, "a")).toEqual(["10.0.0.1", "fd00::2"]);
  expect(addressesIn(hosts, "B")).toEqual(["10.0.0.2"]);
  expect(addressesIn(hosts, "shared")).toEqual(["10.0.0.1", "10.0.0.2"]);
  expect(addressesIn(hosts, "10.0.0.3")).toEqual([]);
  expect(addressesIn("", "a")).toEqual([]);
});
