import { describe, expect, test } from "bun:test";
import { Ace, AceFlag, AceType, allRights, executeRights, groupSid, readRights, Right, SdControl, type SecurityDescriptor, userSid, WellKnown, writeRights } from "#model/acl.ts";
import type { Credentials } from "#model/credentials.ts";
import { inheritedDescriptor, mappedEntries } from "#vfs/access/inheritance.ts";
import { derivedDescriptor, judged, modeOf } from "#vfs/access/security.ts";

const owned = { uid: 1000, gid: 2000 };
const owner: Credentials = { uid: 1000, gid: 100, groups: [], superuser: false, access: "read-write" };
const member: Credentials = { uid: 1001, gid: 100, groups: [2000], superuser: false, access: "read-write" };
const stranger: Credentials = { uid: 1002, gid: 100, groups: [], superuser: false, access: "read-write" };
const guest: Credentials = { ...stranger, anonymous: true };
const allow = (mask: number, sid: string, flags = 0): Ace => new Ace(AceType.allowed, flags, mask, sid);
const deny = (mask: number, sid: string, flags = 0): Ace => new Ace(AceType.denied, flags, mask, sid);
const listing = (...dacl: Ace[]): SecurityDescriptor => ({ control: SdControl.daclPresent, owner: null, group: null, dacl, sacl: null });
const ownersOwn = Right.readControl | Right.writeDac;

describe("a descriptor's judgement (MS-DTYP 2.5.3.2)", () => {
  test("no list: everything; an empty one: what is the owner's anyhow", () => {
    expect(judged({ ...listing(), dacl: null }, owned, stranger)).toBe(allRights);
    expect(judged(listing(), owned, stranger)).toBe(0);
    expect(judged(listing(), owned, owner)).toBe(ownersOwn);
  });

  test("the first entry about a right decides it", () => {
    const user = userSid(1002);
    expect(judged(listing(allow(Right.readData | Right.writeData, user), deny(Right.writeData, user)), owned, stranger)).toBe(Right.readData | Right.writeData);
    expect(judged(listing(deny(Right.writeData, user), allow(Right.readData | Right.writeData, user)), owned, stranger)).toBe(Right.readData);
    expect(judged(listing(deny(Right.writeData, WellKnown.everyone), allow(allRights, user)), owned, stranger)).toBe(allRights & ~Right.writeData);
  });

  test("entries are for users, groups, everybody, whoever was authenticated; foreign ones for nobody", () => {
    const list = listing(
      allow(1, WellKnown.everyone),
      allow(2, WellKnown.authenticated),
      allow(4, groupSid(2000)),
      allow(8, userSid(1002)),
      allow(16, "S-1-5-21-1-2-3-1002"),
      allow(32, userSid(2000)),
      allow(64, WellKnown.administrators),
      allow(128, WellKnown.creatorOwner),
    );
    expect(judged(list, owned, stranger)).toBe(1 | 2 | 8);
    expect(judged(list, owned, member)).toBe(1 | 2 | 4);
    expect(judged(list, owned, guest)).toBe(1 | 8);
  });

  test("entries for heirs alone do nothing here", () => {
    expect(judged(listing(allow(allRights, WellKnown.everyone, AceFlag.inheritOnly | AceFlag.containerInherit)), owned, stranger)).toBe(0);
  });

  test("an entry for owner rights takes the place of what is the owner's anyhow", () => {
    const list = listing(allow(Right.readData, userSid(1000)), allow(Right.writeData, WellKnown.ownerRights));
    expect(judged(list, owned, owner)).toBe(Right.readData | Right.writeData);
    expect(judged(list, owned, stranger)).toBe(0);
    expect(judged(listing(deny(Right.readData, WellKnown.ownerRights), allow(readRights, userSid(1000))), owned, owner)).toBe(readRights & ~Right.readData);
  });

  test("conditions deny and never allow", () => {
    const list = listing(new Ace(AceType.deniedCallback, 0, 1, WellKnown.everyone), new Ace(AceType.allowedCallback, 0, 2, WellKnown.everyone), allow(5, WellKnown.everyone));
    expect(judged(list, owned, stranger)).toBe(4);
  });

  test("an owner no number stands for is whoever goes by that SID", () => {
    expect(judged({ ...listing(), owner: groupSid(2000) }, owned, member)).toBe(ownersOwn);
    expect(judged({ ...listing(), owner: groupSid(2000) }, owned, owner)).toBe(0);
  });

  test("what guests own any guest owns", () => {
    expect(judged(listing(), owned, { ...owner, anonymous: true })).toBe(ownersOwn);
  });
});

describe("mode and descriptor", () => {
  test("each mode's descriptor judges as the mode does, and gives that mode again where classes don't take away", () => {
    for (let mode = 0; mode < 0o1000; mode++) {
      for (const directory of [false, true]) {
        const descriptor = derivedDescriptor(mode, owned, directory);
        for (const [who, bits] of [[owner, mode >> 6], [member, (mode >> 3) & 7], [stranger, mode & 7]] as const) {
          const rights = judged(descriptor, owned, who);
          expect((rights & Right.readData) !== 0).toBe((bits & 4) !== 0);
          expect((rights & Right.writeData) !== 0).toBe(directory ? (bits & 3) === 3 : (bits & 2) !== 0);
          expect((rights & Right.execute) !== 0).toBe((bits & 1) !== 0 || (!directory && (bits & 4) !== 0));
        }
      }
    }
  });

  test("the group's bits show what anybody named gets", () => {
    expect(modeOf(listing(allow(allRights, userSid(1000))), owned)).toBe(0o700);
    expect(modeOf(listing(allow(readRights, userSid(7))), owned)).toBe(0o040);
    expect(modeOf(listing(allow(writeRights, groupSid(7))), owned)).toBe(0o020);
    expect(modeOf(listing(allow(allRights, WellKnown.everyone)), owned)).toBe(0o777);
    expect(modeOf(listing(deny(allRights, userSid(1000)), allow(readRights | executeRights, WellKnown.everyone)), owned)).toBe(0o055);
    expect(modeOf(listing(allow(allRights, "S-1-5-21-1-2-3-4")), owned)).toBe(0);
  });

  test("whatever changes something shows as a right to write", () => {
    for (const right of [Right.appendData, Right.deleteChild, Right.delete, Right.writeOwner]) {
      expect(modeOf(listing(allow(right | executeRights, WellKnown.everyone)), owned)).toBe(0o333);
    }
    // An owner may change the list whatever it says.
    expect(modeOf(listing(allow(Right.writeDac, WellKnown.everyone)), owned)).toBe(0o022);
    expect(modeOf(listing(), owned)).toBe(0);
    expect(modeOf(listing(allow(readRights, WellKnown.everyone)), owned)).toBe(0o444);
  });
});

describe("inheritance (MS-DTYP 2.5.3.4)", () => {
  const { objectInherit: oi, containerInherit: ci, noPropagate: np, inheritOnly: io, inherited: id } = AceFlag;
  const parent = (flags: number, sid: string = WellKnown.everyone, control = 0): SecurityDescriptor => ({ ...listing(allow(2, sid, flags)), control: SdControl.daclPresent | control });
  const flagsOf = (descriptor: SecurityDescriptor | null): readonly (readonly [number, string])[] => (descriptor?.dacl ?? []).map((ace) => [ace.flags, ace.sid] as const);

  // What an entry for everybody becomes on a file and on a directory.
  const table: readonly (readonly [number, readonly number[], readonly number[]])[] = [
    [0, [], []],
    [oi, [0], [oi | io]],
    [ci, [], [ci]],
    [oi | ci, [0], [oi | ci]],
    [np, [], []],
    [np | oi, [0], []],
    [np | ci, [], [0]],
    [np | oi | ci, [0], [0]],
    [io, [], []],
    [io | oi, [0], [oi | io]],
    [io | ci, [], [ci]],
    [io | oi | ci, [0], [oi | ci]],
    [io | np | oi, [0], []],
    [io | np | ci, [], [0]],
  ];
  test("by each combination of flags", () => {
    for (const [flags, onFile, onDirectory] of table) {
      expect([flags, ...flagsOf(inheritedDescriptor(parent(flags), owned, false))]).toEqual([flags, ...onFile.map((each) => [each, WellKnown.everyone] as const)]);
      expect([flags, ...flagsOf(inheritedDescriptor(parent(flags), owned, true))]).toEqual([flags, ...onDirectory.map((each) => [each, WellKnown.everyone] as const)]);
    }
  });

  test("creator owner and group become the object's, and stay for those in it", () => {
    expect(flagsOf(inheritedDescriptor(parent(oi | ci, WellKnown.creatorOwner), owned, false))).toEqual([[0, userSid(1000)]]);
    expect(flagsOf(inheritedDescriptor(parent(ci, WellKnown.creatorGroup), owned, true))).toEqual([
      [0, groupSid(2000)],
      [ci | io, WellKnown.creatorGroup],
    ]);
    expect(flagsOf(inheritedDescriptor(parent(oi, WellKnown.creatorOwner), owned, true))).toEqual([[oi | io, WellKnown.creatorOwner]]);
  });

  test("entries are marked as inherited where the directory's list is kept in step", () => {
    const child = inheritedDescriptor(parent(oi | ci, WellKnown.everyone, SdControl.daclAutoInherited | SdControl.daclProtected), owned, true)!;
    expect(child.control).toBe(SdControl.daclPresent | SdControl.daclAutoInherited);
    expect(flagsOf(child)).toEqual([[oi | ci | id, WellKnown.everyone]]);
  });

  test("generic rights become specific where they count, and stay for heirs", () => {
    const generic = listing(allow(Right.genericRead, WellKnown.everyone, oi | ci | io));
    expect(mappedEntries(generic.dacl!)[0]!.mask).toBe(Right.genericRead);
    expect(inheritedDescriptor(generic, owned, true)!.dacl!.map((ace) => [ace.mask, ace.flags])).toEqual([
      [readRights, 0],
      [Right.genericRead, oi | ci | io],
    ]);
    expect(mappedEntries([allow(Right.genericAll, WellKnown.everyone)])[0]!.mask).toBe(allRights);
  });
});
