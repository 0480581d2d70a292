import { describe, expect, test } from "bun:test";
import { grants as grantsTable, memberships, users as usersTable } from "#control/database/tables.ts";
import { ControlError } from "#control/errors.ts";
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
    expect((await groups.create(root, { name: "lab" })).gid).toBe(2001);
  });

  test("are given no number of somebody who is gone, whose files may still be there", async () => {
    const { users, groups, database } = await openKit();
    await users.create(root, alice);
    await groups.create(root, { name: "staff" });
    await users.create(root, { ...alice, name: "chosen", uid: 4_000_000_000 });
    for (const name of ["alice", "chosen"]) await users.delete(root, name, null);
    await groups.delete(root, "staff", null);
    expect(await users.create(root, { ...alice, name: "bob" })).toMatchObject({ uid: 1001, gid: 1001 });
    expect((await groups.create(root, { name: "lab" })).gid).toBe(2001);
    await users.edit(root, "bob", { uid: 7 }, null);
    const again = await openKit({ database, seed: 2 });
    expect(await again.users.create(root, { ...alice, name: "carol" })).toMatchObject({ uid: 1002, gid: 1002 });
    expect((await again.users.create(root, { ...alice, name: "asked", uid: 1000 })).uid).toBe(1000);
    await again.users.create(root, { ...alice, name: "last", uid: 59_999 });
    await again.users.delete(root, "last", null);
    expect((await again.users.create(root, { ...alice, name: "dave" })).uid).toBe(1001);
  });

  test("of a name or number that is taken are refused", async () => {
    const { users } = await openKit();
    await users.create(root, { ...alice, uid: 5 });
    expect(await refusal(users.create(root, alice))).toBe("already_exists");
    expect(await refusal(users.create(root, { ...alice, name: "Alice" }))).toBe("already_exists");
    expect(await refusal(users.create(root, { ...alice, name: "bob", uid: 5 }))).toBe("already_exists");
    expect(await refusal(users.edit(root, "admin", { uid: 5 }, null))).toBe("already_exists");
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

  test("with wrong fields are refused before their password is hashed, each field by name", async () => {
    const { users, bcrypt } = await openKit();
    const hashed = bcrypt.hashed;
    const wrong = { uid: -1, gid: 2 ** 32 - 1, email: "a\u0000b", displayName: "\ud800", role: "root" as "admin", groups: ["staf"] };
    const error = await users.create(root, { ...alice, ...wrong }).catch((thrown: ControlError) => thrown);
    expect(error).toBeInstanceOf(ControlError);
    expect((error as ControlError).fields.map(({ field }) => field)).toEqual(["uid", "gid", "email", "display_name", "role", "groups.0"]);
    for (const name of ["", ".a", "-a", "a b", "a/b", "ä", "me", "a".repeat(65)]) expect(await refusal(users.create(root, { ...alice, name }))).toBe("invalid_value");
    for (const password of ["short", "a".repeat(73), "with\u0000zero byte"]) expect(await refusal(users.create(root, { ...alice, password }))).toBe("invalid_value");
    expect(bcrypt.hashed).toBe(hashed);
  });

  test("that are not there are named with the nearest that is", async () => {
    const { users } = await openKit();
    expect(() => users.get("amin")).toThrow(expect.objectContaining({ code: "not_found", message: "There is no user amin.", hint: "Did you mean admin?" }));
  });

  test("keep one admin who is enabled", async () => {
    const { users } = await openKit();
    expect(await refusal(users.delete(root, "admin", null))).toBe("conflict");
    expect(await refusal(users.edit(root, "admin", { enabled: false }, null))).toBe("conflict");
    expect(await refusal(users.edit(root, "admin", { role: "operator" }, null))).toBe("conflict");
    await users.create(root, { ...alice, role: "admin", enabled: false });
    expect(await refusal(users.delete(root, "admin", null))).toBe("conflict");
    await users.edit(root, "alice", { enabled: true }, null);
    await users.delete(root, "admin", null);
    expect(await refusal(users.edit(root, "alice", { enabled: false, role: "user" }, null))).toBe("conflict");
  });

  test("lose their sessions by being disabled, by another role, by another password, and by nothing else", async () => {
    const { users, control } = await openKit();
    await users.create(root, alice);
    const epoch = () => control.directory.byName("alice")?.sessionEpoch;
    await users.edit(root, "alice", { email: "a@example.com", uid: 7, displayName: "A", mustChangePassword: true }, null);
    expect(epoch()).toBe(1);
    await users.edit(root, "alice", { enabled: false }, null);
    expect(epoch()).toBe(2);
    await users.edit(root, "alice", { enabled: true }, null);
    expect(epoch()).toBe(2);
    await users.edit(root, "alice", { role: "operator" }, null);
    expect(epoch()).toBe(3);
    await users.edit(root, "alice", { role: "operator" }, null);
    expect(epoch()).toBe(3);
    await users.setPassword(root, "alice", "another password", true);
    expect(epoch()).toBe(4);
    expect(control.directory.byName("alice")).toMatchObject({ mustChangePassword: true, role: "operator", enabled: true });
  });

  test("change only as the version says that was seen", async () => {
    const { users } = await openKit();
    await users.create(root, alice);
    expect((await users.edit(root, "alice", { email: "a@example.com" }, 1)).version).toBe(2);
    expect(await refusal(users.edit(root, "alice", { email: "b@example.com" }, 1))).toBe("changed_meanwhile");
    expect(await refusal(users.delete(root, "alice", 1))).toBe("changed_meanwhile");
    const both = await Promise.all([refusal(users.edit(root, "alice", { uid: 7 }, 2)), refusal(users.edit(root, "alice", { uid: 8 }, 2))]);
    expect(both).toEqual([null, "changed_meanwhile"]);
    expect(users.get("alice")).toMatchObject({ uid: 7, email: "a@example.com", version: 3 });
  });

  test("that become as they are keep their version, and nobody is told", async () => {
    const { users, audit } = await openKit();
    const before = (await audit.list({ newestFirst: true, offset: 0, limit: 1 })).total;
    expect((await users.edit(root, "admin", { enabled: true, groups: [] }, 1)).version).toBe(1);
    expect((await audit.list({ newestFirst: true, offset: 0, limit: 1 })).total).toBe(before);
  });

  test("go with their grants and memberships, and shares and groups say so by their versions", async () => {
    const database = new MemoryDatabase();
    const { users, groups, shares } = await openKit({ database });
    await groups.create(root, { name: "staff" });
    await users.create(root, { ...alice, groups: ["staff"] });
    await shares.create(root, { name: "/x" });
    await shares.grant(root, "/x", { type: "user", name: "alice", level: "read" }, null);
    const versions = [groups.get("staff").version, shares.get("/x").version];
    await users.delete(root, "alice", null);
    expect(shares.grants("/x")).toEqual([]);
    expect(groups.get("staff").members).toEqual([]);
    expect([groups.get("staff").version, shares.get("/x").version]).toEqual(versions.map((version) => version + 1));
    expect([database.rowsOf(memberships).length, database.rowsOf(grantsTable).length]).toEqual([0, 0]);
    // Another one of that name and number begins with nothing.
    await users.create(root, alice);
    expect([users.get("alice").groups, shares.grants("/x")]).toEqual([[], []]);
  });

  test("set a password that is hashed already through the directory of log-ins", async () => {
    const { control, users, options } = await openKit();
    const admin = control.directory.byName("admin");
    await control.directory.setPassword(root, admin?.id ?? "", await options.passwords.hash("changed by myself"), false);
    const now = control.directory.byId(admin?.id ?? "");
    expect(await options.passwords.verify("changed by myself", now?.passwordHash ?? null)).toBe(true);
    expect(now?.sessionEpoch).toBe((admin?.sessionEpoch ?? 0) + 1);
    expect(control.directory.view(admin?.id ?? "")).toBe(users.get("admin"));
    expect([control.directory.byName("nobody"), control.directory.byId("x"), control.directory.view("x")]).toEqual([null, null, null]);
  });
});
