import { describe, expect, test } from "bun:test";
import { Ace, AceType, SdControl, type SecurityDescriptor, uidOf, userSid, WellKnown } from "#model/acl.ts";
import { decodeSecurityDescriptor, descriptorBytesMax, encodeSecurityDescriptor } from "#model/security-descriptor.ts";

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"));

/** Owner S-1-5-21-1-2-3-500, no group, one entry: everybody may read. Written down by hand from MS-DTYP 2.4.6. */
const byHand = hex(`
  01 00 0480 14000000 00000000 00000000 30000000
  01 05 000000000005 15000000 01000000 02000000 03000000 f4010000
  02 00 1c00 0100 0000
  00 03 1400 a9001200 01 01 000000000001 00000000
`);

const full: SecurityDescriptor = {
  control: SdControl.daclPresent | SdControl.saclPresent | SdControl.daclProtected,
  owner: userSid(1000),
  group: "S-1-22-2-4294967295",
  dacl: [new Ace(AceType.denied, 0x1b, 0x1f01ff, WellKnown.authenticated), new Ace(AceType.allowedCallback, 0, 1, WellKnown.everyone, hex("61727478"))],
  sacl: [new Ace(AceType.audit, 0xc0, 0x10000, "S-1-5-21-4294967295-1-2-1104")],
};

describe("a self-relative security descriptor", () => {
  test("is read as MS-DTYP lays it out, and written so", () => {
    const decoded = decodeSecurityDescriptor(byHand)!;
    expect(decoded.owner).toBe("S-1-5-21-1-2-3-500");
    expect(decoded.group).toBeNull();
    expect(decoded.sacl).toBeNull();
    expect(decoded.dacl).toEqual([new Ace(AceType.allowed, 3, 0x1200a9, WellKnown.everyone)]);
    expect(decodeSecurityDescriptor(encodeSecurityDescriptor(decoded)!)).toEqual(decoded);
  });

  test("keeps entries it doesn't understand, conditions behind a SID, and both lists", () => {
    const decoded = decodeSecurityDescriptor(encodeSecurityDescriptor(full)!)!;
    expect(decoded).toEqual({ ...full, control: full.control | SdControl.selfRelative });
  });

  test("tells no list from one that is empty", () => {
    const none: SecurityDescriptor = { control: SdControl.daclPresent, owner: null, group: null, dacl: null, sacl: null };
    expect(decodeSecurityDescriptor(encodeSecurityDescriptor(none)!)!.dacl).toBeNull();
    expect(decodeSecurityDescriptor(encodeSecurityDescriptor({ ...none, dacl: [] })!)!.dacl).toEqual([]);
  });

  test("has authorities of 48 bits", () => {
    const owner = "S-1-0xffffffffffff-7";
    const one: SecurityDescriptor = { control: 0, owner, group: null, dacl: null, sacl: null };
    expect(decodeSecurityDescriptor(encodeSecurityDescriptor(one)!)!.owner).toBe(owner);
  });

  test("cut anywhere is refused, never read past its end", () => {
    const whole = encodeSecurityDescriptor(full)!;
    for (let length = 0; length < whole.length; length++) expect(decodeSecurityDescriptor(whole.slice(0, length))).toBeNull();
  });

  test("with lies in it is refused", () => {
    const lies: readonly (readonly [string, number, readonly number[]])[] = [
      ["another revision", 0, [2]],
      ["not self-relative", 3, [0]],
      ["an owner in the header", 4, [8]],
      ["an owner past the end", 4, [0xf8, 0xff, 0xff, 0xff]],
      ["a list in the header", 16, [4]],
      ["a list past the end", 16, [0xff, 0xff, 0xff, 0x7f]],
      ["16 sub-authorities", 0x15, [16]],
      ["a SID of another revision", 0x14, [2]],
      ["a list of another revision", 0x30, [3]],
      ["a list longer than the message", 0x32, [0xff, 0xff]],
      ["a list shorter than its header", 0x32, [4, 0]],
      ["more entries than have room", 0x34, [0xff, 0xff]],
      ["an entry longer than its list", 0x3a, [0x18, 0]],
      ["an entry shorter than a SID", 0x3a, [12, 0]],
      ["an entry with GUIDs", 0x38, [5]],
      ["an entry whose SID is longer than it", 0x41, [2]],
    ];
    for (const [what, at, bytes] of lies) {
      const changed = byHand.slice();
      changed.set(bytes, at);
      expect([what, decodeSecurityDescriptor(changed)]).toEqual([what, null]);
    }
  });

  test("longer than may be stored is neither read nor written", () => {
    expect(decodeSecurityDescriptor(new Uint8Array(descriptorBytesMax + 1))).toBeNull();
    const dacl = Array.from({ length: 4000 }, () => new Ace(0, 0, 1, WellKnown.everyone));
    expect(encodeSecurityDescriptor({ ...full, dacl })).toBeNull();
  });

  test("of random bytes is refused or read, in bounded time", () => {
    let state = 1;
    for (let round = 0; round < 20_000; round++) {
      const bytes = byHand.slice();
      for (let i = 0; i < 4; i++) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        bytes[(state >>> 8) % bytes.length] = state >>> 24;
      }
      const decoded = decodeSecurityDescriptor(bytes);
      if (decoded !== null) expect(encodeSecurityDescriptor(decoded)).not.toBeNull();
    }
  });
});

test("the SID of a user says his number, and another SID none", () => {
  expect(uidOf(userSid(0))).toBe(0);
  expect(uidOf("S-1-22-1-5-5")).toBeNull();
  expect(uidOf("S-1-22-2-5")).toBeNull();
  expect(uidOf("S-1-22-1-")).toBeNull();
});
