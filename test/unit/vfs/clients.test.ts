import { expect, test } from "bun:test";
import { AllowedClients, parseAddress } from "#vfs/access/clients.ts";

const allows = (cidrs: readonly string[], address: string): boolean => new AllowedClients(cidrs).allows(address);

test("nothing configured: this machine alone", () => {
  for (const address of ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"]) expect(allows([], address)).toBe(true);
  for (const address of ["128.0.0.1", "10.0.0.1", "::2", "fe80::1", "::ffff:10.0.0.1", "", "localhost"]) {
    expect(allows([], address)).toBe(false);
  }
});

test("IPv4 networks, also for clients that come as IPv4-mapped", () => {
  expect(allows(["10.1.0.0/16"], "10.1.255.255")).toBe(true);
  expect(allows(["10.1.0.0/16"], "::ffff:10.1.2.3")).toBe(true);
  expect(allows(["10.1.0.0/16"], "::ffff:a01:203")).toBe(true);
  expect(allows(["10.1.0.0/16"], "10.2.0.0")).toBe(false);
  expect(allows(["10.1.0.0/16"], "127.0.0.1")).toBe(false);
  expect(allows(["10.1.2.3"], "10.1.2.3")).toBe(true);
  expect(allows(["10.1.2.3"], "10.1.2.2")).toBe(false);
  expect(allows(["10.1.2.4/30"], "10.1.2.7")).toBe(true);
  expect(allows(["10.1.2.4/30"], "10.1.2.8")).toBe(false);
  expect(allows(["0.0.0.0/0"], "1.2.3.4")).toBe(true);
  expect(allows(["0.0.0.0/0"], "2001:db8::1")).toBe(false);
});

test("IPv6 networks", () => {
  expect(allows(["2001:db8::/32"], "2001:db8:1::5")).toBe(true);
  expect(allows(["2001:db8::/32"], "2001:db9::")).toBe(false);
  expect(allows(["fe80::/10"], "febf::1%eth0")).toBe(true);
  expect(allows(["fe80::/10"], "fec0::1")).toBe(false);
  expect(allows(["::/0"], "1.2.3.4")).toBe(true);
  for (const network of ["::/1", "::/8", "::/64", "::/80"]) expect([allows([network], "1.2.3.4"), allows([network], "::ffff:1.2.3.4"), allows([network], "::1")]).toEqual([false, false, true]);
  expect(allows(["::ffff:0:0/96"], "1.2.3.4")).toBe(true);
  expect(allows(["2001:db8::1", "10.0.0.0/8"], "10.9.9.9")).toBe(true);
});

test("what is no address or network is refused, by name", () => {
  const wrong = ["10.0.0", "10.0.0.256", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/", "::g/64", ":::", "1::2::3", "::/129", "host", "", "01.2.3.4444"];
  for (const text of wrong) expect(() => new AllowedClients([text])).toThrow(`"${text}"`);
  for (const text of ["1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1.2.3.4::", "::1.2.3.4.5", "12345::"]) expect(parseAddress(text)).toBeNull();
});

test("all ways to write an IPv6 address", () => {
  const bytes = (text: string): string => Buffer.from(parseAddress(text) ?? []).toString("hex");
  expect(bytes("::")).toBe("0".repeat(32));
  expect(bytes("1:2:3:4:5:6:7:8")).toBe("00010002000300040005000600070008");
  expect(bytes("1::8")).toBe("00010000000000000000000000000008");
  expect(bytes("1:2:3:4:5:6:7::")).toBe("00010002000300040005000600070000");
  expect(bytes("::ffff:1.2.3.4")).toBe("00000000000000000000ffff01020304");
  expect(bytes("64:ff9b::1.2.3.4")).toBe("0064ff9b000000000000000001020304");
  expect(bytes("FE80::A")).toBe("fe80000000000000000000000000000a");
});
