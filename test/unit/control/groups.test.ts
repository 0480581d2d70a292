import { describe, expect, test } from "bun:test";
import { openKit, root } from "./kit.ts";
import { refusal } from "./sessions/world.ts";

const alice = { name: "alice", password: "correct horse" };

describe("groups", () => {
  test("take members in and let them go, and both sides say so by their versions", async () => {
    const { users, groups } = await openKit();
    await users.create(root, alice);
    await groups.create(root, { name: "staff", description: "All" });
    await groups.addMember(root, "staff", "alice");
    expect(groups.get("staff")).toMatchObject({ members: ["alice"], version: 2, description: "All" });
    expect(users.get("alice")).toMatchObject({ groups: ["staff"], version: 2 });
    expect(await refusal(groups.addMember(root, "staff", "alice"))).toBe("already_exists");
    expect(await refusal(groups.addMember(root, "staff", "bob"))).toBe("not_found");
    expect(await refusal(groups.removeMember(root, "staff", "alice", 1))).toBe("changed_meanwhile");
    await groups.removeMember(root, "staff", "alice", 2);
    expect(await refusal(groups.removeMember(root, "staff", "alice", null))).toBe("not_found");
    expect([groups.get("staff").members, users.get("alice").groups]).toEqual([[], []]);
  });

  test("of a user are replaced as a whole", async () => {
    const { users, groups } = await openKit();
    for (const name of ["a", "b", "c"]) await groups.create(root, { name });
    await users.create(root, { ...alice, groups: ["b", "a", "a"] });
    await users.edit(root, "alice", { groups: ["b", "c"] }, 1);
    expect(users.get("alice")).toMatchObject({ groups: ["b", "c"], version: 2 });
    expect(["a", "b", "c"].map((name) => groups.get(name).members)).toEqual([[], ["alice"], ["alice"]]);
    expect(["a", "b", "c"].map((name) => groups.get(name).version)).toEqual([3, 2, 2]);
  });

  test("go with their grants", async () => {
    const { users, groups, shares } = await openKit();
    await groups.create(root, { name: "staff" });
    await users.create(root, { ...alice, groups: ["staff"] });
    await shares.create(root, { name: "/x" });
    await shares.grant(root, "/x", { type: "group", name: "staff", level: "read" }, null);
    await groups.delete(root, "staff", null);
    expect(shares.grants("/x")).toEqual([]);
    expect(users.get("alice")).toMatchObject({ groups: [], version: 2 });
  });

  test("of a name or number that is taken, or of no good name, are refused", async () => {
    const { groups } = await openKit();
    await groups.create(root, { name: "staff", gid: 7 });
    await groups.create(root, { name: "lab", gid: 8 });
    expect(await refusal(groups.create(root, { name: "staff" }))).toBe("already_exists");
    expect(await refusal(groups.create(root, { name: "other", gid: 7 }))).toBe("already_exists");
    expect(await refusal(groups.edit(root, "lab", { gid: 7 }, null))).toBe("already_exists");
    expect(await refusal(groups.edit(root, "lab", { gid: 8, description: "x" }, 1))).toBe(null);
    expect(await refusal(groups.create(root, { name: "a b" }))).toBe("invalid_value");
    expect(await refusal(groups.create(root, { name: "c", gid: 1.5 }))).toBe("invalid_value");
  });
});
