import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { ControlError } from "#control/errors.ts";
import { bcryptCost, checkPassword, generatePassword, hashesWaitingMax, ntHashOf, openPasswords, passwordFault, verificationsWaitingMax } from "#control/passwords/index.ts";
import { CountingBcrypt } from "../sessions/world.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

async function code(work: Promise<unknown>): Promise<string | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof ControlError) return error.code;
    throw error;
  }
}

describe("the NT hash", () => {
  test("is that of published examples", () => {
    // MS-NLMP 4.2.2.1.2 (NTOWFv1 of "Password"), and widely published ones.
    expect(ntHashOf("Password")).toBe("a4f49c406510bdcab6824ee7c30fd852");
    expect(ntHashOf("")).toBe("31d6cfe0d16ae931b73c59d7e0c089c0");
    expect(ntHashOf("password")).toBe("8846f7eaee8fb117ad06bdd830b7586c");
    expect(ntHashOf("SecREt01")).toBe("cd06ca7c7e10c99b1d33b7485a2ed808");
  });

  test("rests on an MD4 that does what RFC 1320 A.5 says", () => {
    const md4 = (text: string) => createHash("md4").update(text).digest("hex");
    expect(md4("")).toBe("31d6cfe0d16ae931b73c59d7e0c089c0");
    expect(md4("a")).toBe("bde52cb31de33e46245e05fbdbd6fb24");
    expect(md4("abc")).toBe("a448017aaf21d8525fc10ae87aa6729d");
    expect(md4("message digest")).toBe("d9130a8164549fe818874806e1c7014b");
    expect(md4("abcdefghijklmnopqrstuvwxyz")).toBe("d79e1c308aa5bbcdeea8ed63df412da9");
  });

  test("takes letters outside the basic plane as the two halves of UTF-16", () => {
    expect(ntHashOf("😀")).toBe(createHash("md4").update(Uint8Array.of(0x3d, 0xd8, 0x00, 0xde)).digest("hex"));
  });
});

describe("what is allowed as a password", () => {
  test("at least 8 characters and at most 72 bytes, no U+0000, valid Unicode", () => {
    expect(passwordFault("1234567")).toContain("8 characters");
    expect(passwordFault("12345678")).toBe(null);
    expect(passwordFault("😀".repeat(7))).toContain("8 characters");
    expect(passwordFault("😀".repeat(18))).toBe(null);
    expect(passwordFault("😀".repeat(19))).toContain("72 bytes");
    expect(passwordFault("x".repeat(72))).toBe(null);
    expect(passwordFault("x".repeat(73))).toContain("72 bytes");
    expect(passwordFault("é".repeat(37))).toContain("72 bytes");
    expect(passwordFault("1234\x005678")).toContain("U+0000");
    expect(passwordFault("1234567\ud800")).toContain("Unicode");
    expect(() => checkPassword("short", "new_password")).toThrow(ControlError);
  });

  test("one that is generated is, and has 100 bits", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      const password = generatePassword(systemRandom);
      expect(password).toMatch(/^[a-km-np-z2-9]{5}(-[a-km-np-z2-9]{5}){3}$/);
      expect(passwordFault(password)).toBe(null);
      seen.add(password);
    }
    expect(seen.size).toBe(1000);
  });
});

describe("real bcrypt", () => {
  test("hashes and compares what was given, all 72 bytes of it", async () => {
    const passwords = openPasswords({ clock: systemClock });
    const long = `${"ä".repeat(35)}xy`;
    const { passwordHash, ntHash } = await passwords.hash(long);
    expect(passwordHash).toStartWith(`$2b$${bcryptCost}$`);
    expect(ntHash).toBe(ntHashOf(long));
    expect(await passwords.verify(long, passwordHash)).toBe(true);
    expect(await passwords.verify(`${"ä".repeat(35)}xz`, passwordHash)).toBe(false);
    expect(await passwords.verify(`${long}z`, passwordHash)).toBe(false);
    expect(await passwords.verify(long, null)).toBe(false);
    // Made by another implementation, with another prefix.
    expect(await passwords.verify("correct horse", `$2a$${(await passwords.hash("correct horse")).passwordHash.slice(4)}`)).toBe(true);
  });
});

async function opened() {
  const clock = new ManualClock();
  const bcrypt = new CountingBcrypt();
  const passwords = openPasswords({ clock, bcrypt });
  return { clock, bcrypt, passwords };
}

describe("every comparison", () => {
  test("costs one bcrypt of the same cost, whatever it is of", async () => {
    const { bcrypt, passwords } = await opened();
    const { passwordHash } = await passwords.hash("correct horse");
    const cases: [string, string | null][] = [
      ["correct horse", passwordHash],
      ["wrong horse", passwordHash],
      ["correct horse", null],
      ["", passwordHash],
      ["", null],
      ["x".repeat(73), passwordHash],
      ["x".repeat(100_000), null],
      ["nul\0", passwordHash],
      ["\ud800", passwordHash],
      ["correct horse", ""],
      ["correct horse", "no hash"],
      ["correct horse", passwordHash.replace("$10$", "$31$")],
    ];
    for (const [password, hash] of cases) {
      const before = bcrypt.verified.length;
      expect(await passwords.verify(password, hash)).toBe(password === "correct horse" && hash === passwordHash);
      expect(bcrypt.verified.length).toBe(before + 1);
      expect(bcrypt.verified.at(-1)?.hash).toMatch(/^\$2b\$10\$.{53}$/);
      expect(bcrypt.verified.at(-1)?.password.length).toBeLessThan(73);
      expect(bcrypt.verified.at(-1)?.password).not.toBe("");
    }
  });

  test("with nobody's password is wrong, whatever comes of the work", async () => {
    const { bcrypt, passwords } = await opened();
    bcrypt.verify = async () => true;
    expect(await passwords.verify("correct horse", null)).toBe(false);
    expect(await passwords.verify("x".repeat(73), await bcrypt.hash("x"))).toBe(false);
  });

  test("a password shorter than new ones may be is compared all the same", async () => {
    const { bcrypt, passwords } = await opened();
    expect(await passwords.verify("old", await bcrypt.hash("old"))).toBe(true);
  });
});

describe("the queue", () => {
  test("runs one at a time, in order, and goes on after a failure", async () => {
    const { bcrypt, passwords } = await opened();
    const order: string[] = [];
    let running = 0;
    bcrypt.verify = async (password) => {
      expect(++running).toBe(1);
      await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
      running--;
      order.push(password);
      if (password === "password 2") throw new Error("out of memory");
      return true;
    };
    const hash = await bcrypt.hash("x");
    const results = await Promise.allSettled(Array.from({ length: 5 }, (_, i) => passwords.verify(`password ${i}`, hash)));
    expect(order).toEqual([0, 1, 2, 3, 4].map((i) => `password ${i}`));
    expect(results.map((one) => one.status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled", "fulfilled"]);
  });

  test("is bounded: what is beyond is refused at once with a time to wait, and setting passwords has places of its own", async () => {
    const { clock, bcrypt, passwords } = await opened();
    const held = Promise.withResolvers<void>();
    bcrypt.verify = async () => {
      clock.ms += 800;
      return false;
    };
    for (let i = 0; i < 100; i++) await passwords.verify("whatever", null);
    bcrypt.verify = () => held.promise.then(() => false);
    bcrypt.hold = held.promise;
    const waiting = Array.from({ length: 1 + verificationsWaitingMax }, () => passwords.verify("whatever", null));
    const refused = await passwords.verify("whatever", null).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "busy", retryAfterSec: 52 });
    const settings = Array.from({ length: hashesWaitingMax - verificationsWaitingMax }, () => passwords.hash("long enough"));
    expect(await code(passwords.hash("long enough"))).toBe("busy");
    expect(await code(passwords.hash("short"))).toBe("invalid_value");
    held.resolve();
    expect((await Promise.all(waiting)).length).toBe(65);
    expect((await Promise.all(settings)).length).toBe(16);
    expect(await passwords.verify("whatever", null)).toBe(false);
  });
});
