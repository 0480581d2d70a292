import { describe, expect, test } from "bun:test";
import { ControlError } from "#control/errors.ts";
import { networkOf } from "#control/sessions/network.ts";
import * as t from "#control/sessions/throttle.ts";
import { address, alicePassword, makeWorld, refusal } from "./world.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

/** Tries once; gives the seconds to wait, 0 where it was let through. */
function attempt(throttle: t.Throttle, account: string, from: string): number {
  try {
    throttle.begin(account, from);
    return 0;
  } catch (error) {
    if (error instanceof ControlError && error.code === "too_many_attempts") return error.retryAfterSec ?? Number.NaN;
    throw error;
  }
}

function letThrough(throttle: t.Throttle, tries: number, account: (i: number) => string, from: (i: number) => string): number {
  let passed = 0;
  for (let i = 0; i < tries; i++) if (attempt(throttle, account(i), from(i)) === 0) passed++;
  return passed;
}

const strangers = (i: number) => `198.51.${i >> 8}.${i & 255}`;

describe("one account from one address", () => {
  test("has some attempts, then waits twice as long each time, and no longer than a quarter of an hour", () => {
    const clock = new ManualClock();
    const throttle = new t.Throttle(clock);
    for (let i = 0; i < t.pairFreeAttempts; i++) expect(attempt(throttle, "alice", address)).toBe(0);
    const waits: number[] = [];
    for (let i = 0; i < 14; i++) {
      const wait = attempt(throttle, "alice", address);
      waits.push(wait);
      clock.pass(wait * 1000 - 1);
      expect(attempt(throttle, "alice", address)).toBe(1);
      clock.pass(1);
      expect(attempt(throttle, "alice", address)).toBe(0);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
  });

  test.each(["127.0.0.1", "127.8.9.10", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"])("waits no longer than half a minute from this machine itself (%s)", (from) => {
    const clock = new ManualClock();
    const throttle = new t.Throttle(clock);
    letThrough(throttle, t.pairFreeAttempts, () => "admin", () => from);
    let longest = 0;
    for (let i = 0; i < 14; i++) {
      const wait = attempt(throttle, "admin", from);
      longest = Math.max(longest, wait);
      clock.pass(wait * 1000);
      expect(attempt(throttle, "admin", from)).toBe(0);
    }
    expect(longest).toBe(30);
  });

  test("is free again after a success", () => {
    const throttle = new t.Throttle(new ManualClock());
    for (let i = 1; i < t.pairFreeAttempts; i++) attempt(throttle, "alice", address);
    throttle.begin("alice", address).succeeded();
    expect(letThrough(throttle, 100, () => "alice", () => address)).toBe(t.pairFreeAttempts);
  });

  test("is free again after an hour without attempts", () => {
    const clock = new ManualClock();
    const throttle = new t.Throttle(clock);
    letThrough(throttle, 100, () => "alice", () => address);
    clock.pass(t.pairForgetMs + 1);
    expect(letThrough(throttle, 100, () => "alice", () => address)).toBe(t.pairFreeAttempts);
  });

  test("what is refused does not make the wait longer", () => {
    const clock = new ManualClock();
    const throttle = new t.Throttle(clock);
    letThrough(throttle, 1000, () => "alice", () => address);
    clock.pass(t.pairWaitMsFirst);
    expect(attempt(throttle, "alice", address)).toBe(0);
  });

  test("an attempt that never came to pass does not count, at the edge either", () => {
    const throttle = new t.Throttle(new ManualClock());
    for (let i = 0; i < 500; i++) throttle.begin("alice", address).withdraw();
    for (let i = 1; i < t.pairFreeAttempts; i++) attempt(throttle, "bob", address);
    throttle.begin("bob", address).withdraw();
    expect(attempt(throttle, "bob", address)).toBe(0);
    expect(attempt(throttle, "bob", address)).toBe(1);
  });
});

describe("one address", () => {
  test("can't try password after password on account after account", () => {
    const clock = new ManualClock();
    const throttle = new t.Throttle(clock);
    expect(letThrough(throttle, 1000, (i) => `user-${i}`, () => address)).toBe(t.addressBurst);
    clock.pass(600_000);
    expect(letThrough(throttle, 1000, (i) => `other-${i}`, () => address)).toBe(t.addressBurst);
    clock.pass(t.addressRefillMs);
    expect(letThrough(throttle, 1000, (i) => `more-${i}`, () => address)).toBe(1);
  });

  test("gains nothing by logging in to an account of its own in between", () => {
    const throttle = new t.Throttle(new ManualClock());
    let guesses = 0;
    for (let i = 0; i < 500; i++) {
      if (attempt(throttle, `user-${i}`, address) === 0) guesses++;
      try {
        throttle.begin("mallory", address).succeeded();
      } catch {
        // Its own log-ins are refused as well by then.
      }
    }
    expect(guesses).toBe(t.addressBurst);
  });

  test("that many share does not keep out who was logged in from it before, and gives nobody more guesses at them", () => {
    const clock = new ManualClock();
    const throttle = new t.Throttle(clock);
    throttle.begin("admin", address).succeeded();
    for (let i = 0; i < 20; i++) {
      letThrough(throttle, 100, (n) => `nobody-${i}-${n}`, () => address);
      throttle.begin("admin", address).succeeded();
      clock.pass(t.addressRefillMs);
    }
    expect(letThrough(throttle, 100, () => "admin", () => address)).toBe(t.pairFreeAttempts);
  });

  test("is a whole /64 of IPv6", () => {
    const throttle = new t.Throttle(new ManualClock());
    expect(letThrough(throttle, 200, () => "alice", (i) => `2001:db8:1:2::${i.toString(16)}`)).toBe(t.pairFreeAttempts);
    expect(attempt(throttle, "alice", "2001:db8:1:3::1")).toBe(0);
  });
});

describe("an attacker with many addresses", () => {
  test("is slowed to one attempt in two seconds on one account", () => {
    const clock = new ManualClock();
    const throttle = new t.Throttle(clock);
    expect(letThrough(throttle, 1000, () => "admin", strangers)).toBe(t.accountBurst);
    let passed = 0;
    for (let sec = 0; sec < 100; sec++) {
      clock.pass(1000);
      passed += letThrough(throttle, 10, () => "admin", (i) => strangers(2000 + sec * 10 + i));
    }
    expect(passed).toBe(50);
  });

  test("keeps the owner waiting at an unknown address for two seconds at most, and not at all where they were before", () => {
    const clock = new ManualClock();
    const throttle = new t.Throttle(clock);
    throttle.begin("admin", address).succeeded();
    letThrough(throttle, 10_000, () => "admin", strangers);
    expect(attempt(throttle, "admin", address)).toBe(0);
    const wait = attempt(throttle, "admin", "203.0.113.1");
    expect(wait).toBe(2);
    clock.pass(wait * 1000);
    expect(attempt(throttle, "admin", "203.0.113.1")).toBe(0);
  });

  test("has to begin anew once the owner was there", () => {
    const throttle = new t.Throttle(new ManualClock());
    letThrough(throttle, t.accountBurst - 1, () => "admin", strangers);
    throttle.begin("admin", "203.0.113.1").succeeded();
    expect(letThrough(throttle, 1000, () => "admin", (i) => strangers(2000 + i))).toBe(t.accountBurst);
  });

  test("does not stop anybody else's log-ins", () => {
    const throttle = new t.Throttle(new ManualClock());
    letThrough(throttle, 10_000, () => "admin", strangers);
    expect(attempt(throttle, "alice", "203.0.113.1")).toBe(0);
  });

  test("can't fill the memory", () => {
    const throttle = new t.Throttle(new ManualClock(), 100);
    letThrough(throttle, 5000, (i) => `user-${i}`, strangers);
    const held = throttle as unknown as Record<"pairs" | "addresses" | "accounts" | "trusted", { size: number }>;
    for (let i = 0; i < 5000; i++) throttle.begin(`good-${i}`, strangers(i)).succeeded();
    for (const part of ["pairs", "addresses", "accounts", "trusted"] as const) expect(held[part].size).toBeLessThanOrEqual(100);
  });
});

describe("addresses", () => {
  test("are counted by what one host can have of them", () => {
    const same: [string, string][] = [
      ["192.0.2.7", "192.0.2.7"],
      ["::ffff:192.0.2.7", "192.0.2.7"],
      ["0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
      ["2001:DB8:1:2::1", "2001:db8:1:2::/64"],
      ["2001:0db8:0001:0002::9", "2001:db8:1:2::/64"],
      ["2001:db8::1", "2001:db8:0:0::/64"],
      ["::1", "0:0:0:0::/64"],
      ["fe80::1%eth0", "fe80:0:0:0::/64"],
      ["64:ff9b::192.0.2.7", "64:ff9b:0:0::/64"],
    ];
    for (const [given, counted] of same) expect(networkOf(given)).toBe(counted);
  });

  test("that are none are counted as something bounded", () => {
    for (const nonsense of ["", "unknown", "x".repeat(10_000), ":".repeat(10_000), `${"a".repeat(9000)}:${"b".repeat(9000)}`]) expect(networkOf(nonsense).length).toBeLessThanOrEqual(64);
  });
});

describe("log-ins that are slowed", () => {
  test("cost no bcrypt, for names nobody has too, and say how long to wait", async () => {
    for (const name of ["alice", "nobody"]) {
      const { logins, bcrypt, clock } = await makeWorld();
      const answers: (string | null)[] = [];
      for (let i = 0; i < 30; i++) answers.push(await refusal(logins.login(name, `guess ${i}`, address)));
      expect(answers).toEqual([...Array<string>(t.pairFreeAttempts).fill("wrong_credentials"), ...Array<string>(30 - t.pairFreeAttempts).fill("too_many_attempts")]);
      expect(bcrypt.verified.length).toBe(t.pairFreeAttempts);
      expect(await refusal(logins.login("alice", alicePassword, "203.0.113.1"))).toBe(null);
      clock.pass(1000);
      if (name === "alice") expect(await refusal(logins.login("alice", alicePassword, address))).toBe(null);
    }
  });

  test("get no further many at once than one after another", async () => {
    const { logins, bcrypt } = await makeWorld();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => refusal(logins.login("alice", `guess ${i}`, address))));
    expect(answers.filter((answer) => answer === "wrong_credentials").length).toBe(t.pairFreeAttempts);
    expect(bcrypt.verified.length).toBe(t.pairFreeAttempts);
  });

  test("right ones in a row are never slowed", async () => {
    const { login } = await makeWorld();
    for (let i = 0; i < 100; i++) await login();
  });

  test("being refused as busy does not count", async () => {
    const { logins, bcrypt } = await makeWorld();
    const held = Promise.withResolvers<void>();
    bcrypt.hold = held.promise;
    const others = Array.from({ length: 65 }, (_, i) => refusal(logins.login(`user-${i}`, "guess", strangers(i))));
    for (let i = 0; i < 40; i++) expect(await refusal(logins.login("alice", alicePassword, address))).toBe("busy");
    held.resolve();
    await Promise.all(others);
    expect(await refusal(logins.login("alice", alicePassword, address))).toBe(null);
  });
});
