import { describe, expect, test } from "bun:test";
import { type Credentials, Squash } from "#model/credentials.ts";
import { AccessLevel, accessLevels, higherAccess, type Identity, type KnownUser } from "#model/identity.ts";
import { credentialsOf } from "#vfs/access/credentials.ts";
import type { SharePolicyFields } from "#vfs/access/policy.ts";
import { policyOf } from "../../support/policy.ts";

const { none, read, readWrite, admin } = AccessLevel;
const root = { uid: 0, gid: 0, gids: [0, 4] };
const user = { uid: 1000, gid: 100, gids: [100, 4, 0] };
const inRootGroup = { uid: 1000, gid: 0, gids: [] };

const plain = { superuser: false, access: readWrite };
const nobody = { uid: 65534, gid: 65533, groups: [], ...plain, anonymous: true as const };
const everything = { uid: 0, gid: 0, groups: [], superuser: true, access: admin };
const table = [
  {
    squash: Squash.none,
    root: { uid: 0, gid: 0, groups: [4], superuser: true, access: readWrite },
    user: { uid: 1000, gid: 100, groups: [4, 0], ...plain },
    group: { uid: 1000, gid: 0, groups: [], ...plain },
  },
  {
    squash: Squash.rootToAdmin,
    root: { uid: 0, gid: 0, groups: [4], superuser: true, access: admin },
    user: { uid: 1000, gid: 100, groups: [4, 0], ...plain },
    group: { uid: 1000, gid: 0, groups: [], ...plain },
  },
  {
    squash: Squash.rootToGuest,
    root: nobody,
    user: { uid: 1000, gid: 100, groups: [4], ...plain },
    group: { uid: 1000, gid: 65533, groups: [], ...plain },
  },
  { squash: Squash.allToGuest, root: nobody, user: nobody, group: nobody },
  { squash: Squash.allToAdmin, root: everything, user: everything, group: everything },
];

test("the table covers every squash", () => {
  expect(table.map((row) => row.squash).sort()).toEqual(Object.values(Squash).sort());
});

describe("whom a claim makes, where everybody may read and write", () => {
  test.each(table)("squash $squash", (row) => {
    const policy = policyOf({ squash: row.squash, anonymousGid: 65533 });
    expect(credentialsOf(policy, root)).toEqual(row.root);
    expect(credentialsOf(policy, user)).toEqual(row.user);
    expect(credentialsOf(policy, inRootGroup)).toEqual(row.group);
    // AUTH_NONE claims nothing.
    expect(credentialsOf(policy, null)).toEqual(nobody);
  });
});

function known(uid: number, groups: readonly number[] = [], changes: Partial<KnownUser> = {}): KnownUser {
  return { name: `user${uid}`, uid, gid: uid, groups, groupNames: groups.map((gid) => `group${gid}`), enabled: true, ...changes };
}
function identityOf(...users: readonly KnownUser[]): Identity {
  const byUid = new Map(users.map((each) => [each.uid, each]));
  const byName = new Map(users.map((each) => [each.name, each]));
  return { userByUid: (uid) => byUid.get(uid) ?? null, userByName: (name) => byName.get(name) ?? null };
}
const levels = (entries: Readonly<Record<number, AccessLevel>>) => new Map(Object.entries(entries).map(([id, level]) => [Number(id), level]));

const users = identityOf(
  known(0),
  known(1000, [50, 60]),
  known(1001, [50]),
  known(1002, [60]),
  known(1003),
  known(1004, [50, 60, 70], { enabled: false }),
  known(1005, [], { gid: 50 }),
  known(65534),
);

/** The level of a uid, by default level, grants of users and grants of groups. */
const grants: readonly (readonly [string, number, AccessLevel, Record<number, AccessLevel>, Record<number, AccessLevel>, AccessLevel])[] = [
  ["nobody known has the default", 4711, read, { 4711: admin }, { 50: admin }, read],
  ["nobody known, default none", 4711, none, {}, {}, none],
  ["a known user without grants has the default", 1003, readWrite, {}, { 50: admin }, readWrite],
  ["a user's grant beats the default upwards", 1003, none, { 1003: readWrite }, {}, readWrite],
  ["a user's grant beats the default downwards", 1003, admin, { 1003: none }, {}, none],
  ["a user's grant beats his groups' upwards", 1000, none, { 1000: admin }, { 50: read, 60: none }, admin],
  ["a user's grant beats his groups' downwards", 1000, none, { 1000: none }, { 50: admin, 60: admin }, none],
  ["the best of the groups counts, first", 1000, none, {}, { 50: readWrite, 60: read }, readWrite],
  ["the best of the groups counts, last", 1000, none, {}, { 50: read, 60: admin }, admin],
  ["a group's grant beats the default upwards", 1001, none, {}, { 50: read, 60: admin }, read],
  ["a group's grant beats the default downwards", 1002, admin, {}, { 60: none }, none],
  ["a number for a group is no membership", 1005, none, {}, { 50: admin }, none],
  ["a locked out user has nothing", 1004, admin, { 1004: admin }, { 50: admin }, none],
  ["root without squash has what root was granted", 0, admin, { 0: read }, {}, read],
];

describe("what is granted", () => {
  test.each(grants)("%s", (_, uid, defaultPermission, toUsers, toGroups, level) => {
    const policy = policyOf({ identity: users, defaultPermission, grants: { users: levels(toUsers), groups: levels(toGroups) } });
    // The groups of the call are the client's word: they get nobody a grant.
    const who = credentialsOf(policy, { uid, gid: 60, gids: [50, 60, 70] });
    expect({ access: who.access, superuser: who.superuser, uid: who.uid }).toEqual({ access: level, superuser: uid === 0, uid });
    // The policy that replaces it counts from then on, and nothing of it is shared.
    expect(credentialsOf(policy.with({ defaultPermission: read, grants: { users: new Map(), groups: new Map() } }), user).access).toBe(read);
    expect(credentialsOf(policy, { uid, gid: 60, gids: [] }).access).toBe(level);
  });

  test("a squashed caller has the default, unless there is a user with that uid", () => {
    const policy = policyOf({ squash: Squash.allToGuest, defaultPermission: read, grants: { users: levels({ 65534: readWrite, 1000: admin }), groups: new Map() } });
    expect(credentialsOf(policy, user).access).toBe(read);
    expect(credentialsOf(policy.with({ identity: users }), user).access).toBe(readWrite);
    expect(credentialsOf(policy.with({ identity: users }), null).access).toBe(readWrite);
    expect(credentialsOf(policy.with({ identity: users, squash: Squash.rootToGuest }), root).access).toBe(readWrite);
    expect(credentialsOf(policy.with({ identity: users, squash: Squash.rootToGuest }), user).access).toBe(admin);
    expect(credentialsOf(policy.with({ identity: identityOf(known(65534, [], { enabled: false })) }), user).access).toBe(none);
  });

  test("grants take nothing from those a squash makes admin", () => {
    const taken = { identity: users, defaultPermission: none, grants: { users: levels({ 0: none, 1000: none }), groups: new Map() } };
    const toAdmin = policyOf({ ...taken, squash: Squash.rootToAdmin });
    expect(credentialsOf(toAdmin, root)).toMatchObject({ superuser: true, access: admin });
    expect(credentialsOf(toAdmin, user)).toMatchObject({ superuser: false, access: none });
    for (const claim of [root, user]) expect(credentialsOf(policyOf({ ...taken, squash: Squash.allToAdmin }), claim)).toEqual(everything);
  });

  test("a level of admin makes no superuser", () => {
    expect(credentialsOf(policyOf({ defaultPermission: admin }), user)).toMatchObject({ superuser: false, access: admin });
  });

  test("in a disabled share nobody has anything, whatever the squash", () => {
    for (const squash of Object.values(Squash)) {
      const policy = policyOf({ enabled: false, squash, defaultPermission: admin, identity: users });
      for (const claim of [root, user, null]) expect(credentialsOf(policy, claim).access).toBe(none);
    }
  });

  test("of two levels the higher", () => {
    expect(accessLevels).toEqual([none, read, readWrite, admin]);
    for (const [i, a] of accessLevels.entries()) {
      for (const [j, b] of accessLevels.entries()) expect(higherAccess(a, b)).toBe(accessLevels[Math.max(i, j)] as AccessLevel);
    }
  });
});

describe("groups that the server manages", () => {
  const managed = identityOf(known(1000, [50, 60, 1000, 0], { gid: 100 }), known(1001, [50]), known(0, [9]));
  const credentials = (changes: Partial<SharePolicyFields>, uid: number, gid: number): Credentials =>
    credentialsOf(policyOf({ identity: managed, manageGroups: true, ...changes }), { uid, gid, gids: [7, 8] });

  test("take the place of the call's, whose primary group stays", () => {
    expect(credentials({}, 1000, 5)).toMatchObject({ gid: 5, groups: [100, 50, 60, 1000, 0] });
    expect(credentials({}, 1000, 50)).toMatchObject({ gid: 50, groups: [100, 60, 1000, 0] });
    expect(credentials({}, 1001, 1001)).toMatchObject({ gid: 1001, groups: [50] });
    expect(credentials({}, 0, 0)).toMatchObject({ uid: 0, groups: [9], superuser: true });
  });
  test("are the call's for whom the server does not know", () => {
    expect(credentials({}, 4711, 5)).toMatchObject({ gid: 5, groups: [7, 8] });
  });
  test("and for all where the share does not ask for it", () => {
    expect(credentials({ manageGroups: false }, 1000, 5)).toMatchObject({ gid: 5, groups: [7, 8] });
  });
  test("never hold the group that is squashed", () => {
    expect(credentials({ squash: Squash.rootToGuest }, 1000, 0)).toMatchObject({ gid: 65534, groups: [100, 50, 60, 1000] });
  });
  test("more than a call can hold", () => {
    const many = Array.from({ length: 200 }, (_, i) => 2000 + i);
    expect(credentials({ identity: identityOf(known(1000, many)) }, 1000, 1000).groups).toEqual(many);
  });
  test("a squashed caller has none", () => {
    expect(credentials({ squash: Squash.allToGuest, anonymousUid: 1000 }, 7, 7)).toMatchObject({ uid: 1000, groups: [] });
  });
});
