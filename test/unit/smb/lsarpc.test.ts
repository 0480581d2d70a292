import { expect, test } from "bun:test";
import { groupSid, userSid, WellKnown } from "#model/acl.ts";
import type { Identity, KnownUser, NamesGroups } from "#model/identity.ts";
import { lsarpc } from "#smb/pipe/lsarpc.ts";
import { named, whoIs } from "#smb/pipe/names.ts";
import { NdrReader } from "#wire/dcerpc.ts";
import { namesArgs, sidsArgs } from "../../support/lsarpc.ts";

const alice: KnownUser = { name: "alice", uid: 1000, gid: 1000, groups: [50], groupNames: ["staff"], enabled: true };
const identity: Identity & NamesGroups = {
  userByUid: (uid) => (uid === 1000 ? alice : null),
  userByName: (name) => (name === "alice" ? alice : null),
  groupName: (gid) => (gid === 50 ? "staff" : null),
  gidOfGroup: (name) => (name === "staff" ? 50 : null),
};
const served = lsarpc({ server: "files", guid: new Uint8Array(16).fill(7), identity: () => identity });
const call = (operation: number, args: Uint8Array): Buffer => Buffer.from(served.operations.get(operation)!(new NdrReader(args))!);
const policy = call(44, new Uint8Array(0)).subarray(0, 20);
const noHandle = 0xc0000008;

const text = (answer: Buffer): string => answer.toString("utf16le") + answer.subarray(2).toString("utf16le");

test("SIDs have names, those of nobody are their own, and the answer says how many it knew", () => {
  const all = call(15, sidsArgs(policy, userSid(1000), groupSid(50), WellKnown.everyone));
  for (const name of ["alice", "Unix User", "staff", "Unix Group", "Everyone"]) expect(text(all)).toContain(name);
  expect([all.readUInt32LE(all.length - 8), all.readUInt32LE(all.length - 4)]).toEqual([3, 0]);
  const some = call(57, sidsArgs(policy, userSid(1000), "S-1-5-21-1-2-3-4"));
  expect(text(some)).toContain("S-1-5-21-1-2-3-4");
  expect([some.readUInt32LE(some.length - 8), some.readUInt32LE(some.length - 4)]).toEqual([1, 0x107]);
  const none = call(15, sidsArgs(policy, "S-1-5-21-1-2-3-4"));
  expect(none.readUInt32LE(none.length - 4)).toBe(0xc0000073);
});

test("names have SIDs, with their domain, without one, and within the server", () => {
  for (const name of ["alice", "ALICE", "Unix User\\alice", "FILES\\alice", "alice@files"]) expect(named(identity, "files", name)?.sid).toBe(userSid(1000));
  for (const name of ["staff", "Unix Group\\Staff"]) expect(named(identity, "files", name)?.sid).toBe(groupSid(50));
  expect(named(identity, "files", "NT AUTHORITY\\Authenticated Users")?.sid).toBe(WellKnown.authenticated);
  for (const name of ["nobody", "Elsewhere\\alice", "Unix Group\\alice", ""]) expect(named(identity, "files", name)).toBeNull();
  expect(whoIs(identity, userSid(7))?.name).toBe("7");
  const answer = call(68, namesArgs(policy, "alice", "nobody"));
  expect([answer.readUInt32LE(answer.length - 8), answer.readUInt32LE(answer.length - 4)]).toEqual([1, 0x107]);
});

test("a handle that was not given is none, and arguments that are cut or random are malformed or answered", () => {
  const args = sidsArgs(policy, userSid(1000));
  const other = args.slice();
  other[5] = 99;
  expect(call(15, other).readUInt32LE(0)).toBe(noHandle);
  let state = 3;
  for (const [operation, given] of [[15, args], [57, args], [14, namesArgs(policy, "alice")], [68, namesArgs(policy, "a", "b")], [7, args]] as const) {
    for (let length = 0; length < given.length; length++) served.operations.get(operation)!(new NdrReader(given.slice(0, length)));
    for (let round = 0; round < 3000; round++) {
      const changed = given.slice();
      for (let i = 0; i < 3; i++) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        changed[20 + ((state >>> 8) % (changed.length - 20))] = state >>> 24;
      }
      served.operations.get(operation)!(new NdrReader(changed));
    }
  }
});
