import { describe, expect, test } from "bun:test";
import { users as usersTable } from "#control/database/tables.ts";
import { openKit, root } from "./kit.ts";
import { MemoryDatabase } from "./sessions/memory-database.ts";
import { refusal } from "./sessions/world.ts";

const alice = { name: "alice", password: "correct horse" };

describe("users", () => {
  test("are made with free numbers of their own", async () => {
    const { users, groups } = await openKit();
    await groups.create(root, { name: "staff" });
    expect(await users.create(root, { ...alice, groups: ["staff"] })).toMatchObject({ name: "alice", uid: 1000, gid: 1000, role: "user", enabled: true, groups: ["staff"], version: 1 });
    expect(await users.create(root, { ...alice, name: "bob" })).toMatchObject({ uid: 1001, gid: 1001 });
    expect(groups.get("staff")).toMatchObject({ gid: 2000, members: ["alice"] });
  });

  test("have no group's number as their own", async () => {
    const { users, groups } = await openKit();
    await groups.create(root, { name: "staff", gid: 1000 });
    expect((await users.create(root, alice)).gid).toBe(2000);
  });

  test("of a name or number that is taken are refused", async () => {
    const { users } = await openKit();
    await users.create(root, { ...alice, uid: 5 });
    expect(await refusal(users.create(root, alice))).toBe("already_exists");
    expect(await refusal(users.create(root, { ...alice, name: "bob", uid: 5 }))).toBe("already_exists");
    expect(users.list().map(({ name }) => name)).toEqual(["admin", "alice"]);
  });

  test("keep no password, and their NT hash wrapped", async () => {
    const database = new MemoryDatabase();
    const { users } = await openKit({ database });
    await users.create(root, alice);
    const row = database.rowsOf(usersTable).find(({ name }) => name === "alice");
    expect(JSON.stringify(row)).not.toContain(alice.password);
    expect(row?.ntHash).toMatch(/^v1\./);
    expect(JSON.stringify(users.get("alice"))).not.toContain("ash");
  });
});
