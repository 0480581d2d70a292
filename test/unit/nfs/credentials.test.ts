import { expect, test } from "bun:test";
import { Squash } from "#model/credentials.ts";
import { credentialsOf } from "#nfs/credentials.ts";

const nobody = { uid: 65534, gid: 65533, groups: [], superuser: false };
const rule = (squash: Squash) => ({ squash, anonymousUid: 65534, anonymousGid: 65533 });
const root = { uid: 0, gid: 0, gids: [0, 4] };
const user = { uid: 1000, gid: 100, gids: [100, 4, 0] };
const inRootGroup = { uid: 1000, gid: 0, gids: [] };

const user0 = { uid: 1000, gid: 100, groups: [4, 0], superuser: false };
const superuser = { uid: 0, gid: 0, groups: [4], superuser: true };
const table = [
  { squash: Squash.none, root: superuser, user: user0, group: { uid: 1000, gid: 0, groups: [], superuser: false } },
  { squash: Squash.rootToAdmin, root: superuser, user: user0, group: { uid: 1000, gid: 0, groups: [], superuser: false } },
  {
    squash: Squash.rootToGuest,
    root: nobody,
    user: { uid: 1000, gid: 100, groups: [4], superuser: false },
    group: { uid: 1000, gid: 65533, groups: [], superuser: false },
  },
  { squash: Squash.allToGuest, root: nobody, user: nobody, group: nobody },
  {
    squash: Squash.allToAdmin,
    root: { uid: 0, gid: 0, groups: [], superuser: true },
    user: { uid: 0, gid: 0, groups: [], superuser: true },
    group: { uid: 0, gid: 0, groups: [], superuser: true },
  },
];

test("the table covers every squash", () => {
  expect(table.map((row) => row.squash).sort()).toEqual(Object.values(Squash).sort());
});

for (const row of table) {
  test(`squash ${row.squash}`, () => {
    expect(credentialsOf(root, rule(row.squash))).toEqual(row.root);
    expect(credentialsOf(user, rule(row.squash))).toEqual(row.user);
    expect(credentialsOf(inRootGroup, rule(row.squash))).toEqual(row.group);
    // AUTH_NONE claims nothing.
    expect(credentialsOf(null, rule(row.squash))).toEqual(nobody);
  });
}
