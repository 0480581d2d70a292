import { describe, expect, test } from "bun:test";
import { ntHashOf } from "#control/passwords/nt-hash.ts";
import type { AccessLevel } from "#model/identity.ts";
import { credentialsOf } from "#vfs/access/credentials.ts";
import type { ControlError } from "#control/errors.ts";
import { ControlError as Refusal } from "#control/errors.ts";
import { openKit, root } from "./kit.ts";
import { refusal } from "./sessions/world.ts";

const password = "correct horse";

describe("what is desired", () => {
  test("keeps the objects of what did not change", async () => {
    const { shares, users, runtime, control } = await openKit();
    await shares.create(root, { name: "/x" });
    await shares.create(root, { name: "/y" });
    await users.create(root, { name: "alice", password });
    const [x, y] = [runtime.plan("/x"), runtime.plan("/y")];
    await shares.grant(root, "/x", { type: "user", name: "alice", level: "read" }, null);
    expect([runtime.plan("/x") === x, runtime.plan("/x").policy === x.policy, runtime.plan("/y") === y]).toEqual([false, false, true]);
    expect(runtime.plan("/x").policy.identity).toBe(x.policy.identity);
    const now = control.desired();
    await shares.edit(root, "/x", { description: "said differently" }, null);
    expect(control.desired()).toBe(now);
  });

  test("is asked for again only when something of it changed", async () => {
    const { users, shares, runtime } = await openKit();
    await shares.create(root, { name: "/x" });
    await users.create(root, { name: "alice", password });
    const asked = runtime.asked.length;
    await users.edit(root, "alice", { email: "a@example.com" }, null);
    expect(runtime.asked.length).toBe(asked);
    await users.setPassword(root, "alice", "another password", false);
    expect(runtime.asked.length).toBe(asked + 1);
  });

  test("has the accounts of whoever can log in now", async () => {
    const { users, runtime } = await openKit();
    await users.create(root, { name: "Alice", password, uid: 5 });
    const account = () => runtime.desired.accounts.byName("aLICE");
    const first = account();
    expect(first).toMatchObject({ user: { name: "Alice", uid: 5, enabled: true }, mustChangePassword: false, sessionEpoch: 1 });
    expect(Buffer.from(first?.ntHash ?? []).toString("hex")).toBe(ntHashOf(password));
    expect(runtime.desired.accounts.byName("bob")).toBeNull();
    await users.setPassword(root, "Alice", "another password", true);
    expect(account()).toMatchObject({ mustChangePassword: true, sessionEpoch: 2 });
    expect(Buffer.from(account()?.ntHash ?? []).toString("hex")).toBe(ntHashOf("another password"));
    await users.edit(root, "Alice", { enabled: false }, null);
    expect(account()).toMatchObject({ user: { enabled: false }, sessionEpoch: 3 });
    const { accounts } = runtime.desired;
    await users.edit(root, "Alice", { displayName: "Alice A." }, null);
    expect(runtime.desired.accounts).toBe(accounts);
    await users.delete(root, "Alice", null);
    expect(account()).toBeNull();
  });

  test("has the identity of whoever is there now", async () => {
    const { shares, users, groups, runtime } = await openKit();
    await shares.create(root, { name: "/x" });
    await groups.create(root, { name: "staff", gid: 70 });
    await groups.create(root, { name: "lab", gid: 50 });
    await users.create(root, { name: "alice", password, uid: 5, gid: 6, groups: ["staff", "lab"] });
    const known = () => runtime.plan("/x").policy.identity.userByUid(5);
    expect(known()).toEqual({ name: "alice", uid: 5, gid: 6, groups: [50, 70], groupNames: ["lab", "staff"], enabled: true });
    await users.edit(root, "alice", { enabled: false }, null);
    expect(known()?.enabled).toBe(false);
    await groups.edit(root, "lab", { gid: 90 }, null);
    expect(known()?.groups).toEqual([70, 90]);
    await users.delete(root, "alice", null);
    expect([known(), runtime.plan("/x").policy.identity.userByName("alice")]).toEqual([null, null]);
  });
});

describe("grants as vfs applies them", () => {
  test("a user's beats the best of the groups', which beats the share's default", async () => {
    const { shares, users, groups, runtime } = await openKit();
    await shares.create(root, { name: "/x", defaultPermission: "read" });
    for (const name of ["staff", "lab"]) await groups.create(root, { name });
    await users.create(root, { name: "alice", password, uid: 5, groups: ["staff", "lab"] });
    const access = (uid = 5): AccessLevel => credentialsOf(runtime.plan("/x").policy, { uid, gid: 5, gids: [] }).access;
    const grant = (type: "user" | "group", name: string, level: AccessLevel) => shares.grant(root, "/x", { type, name, level }, null);
    expect([access(), access(99)]).toEqual(["read", "read"]);
    await grant("group", "staff", "none");
    expect(access()).toBe("none");
    await grant("group", "lab", "read-write");
    expect(access()).toBe("read-write");
    await grant("user", "alice", "read");
    expect(access()).toBe("read");
    await users.edit(root, "alice", { uid: 6 }, null);
    expect([access(5), access(6)]).toEqual(["read", "read"]);
    await grant("user", "alice", "admin");
    expect([access(5), access(6)]).toEqual(["read", "admin"]);
    await users.edit(root, "alice", { enabled: false }, null);
    expect(access(6)).toBe("none");
    await users.edit(root, "alice", { enabled: true }, null);
    await shares.revoke(root, "/x", { type: "user", name: "alice" }, null);
    await groups.removeMember(root, "lab", "alice", null);
    expect(access(6)).toBe("none");
    await groups.delete(root, "staff", null);
    expect(access(6)).toBe("read");
    await shares.edit(root, "/x", { defaultPermission: "none" }, null);
    expect([access(6), access(99)]).toEqual(["none", "none"]);
  });

  test("groups come from the control plane where the share says so", async () => {
    const { shares, users, groups, runtime } = await openKit();
    await shares.create(root, { name: "/x", manageGroups: true });
    const names = Array.from({ length: 20 }, (_, i) => `g${i}`);
    for (const [i, name] of names.entries()) await groups.create(root, { name, gid: 100 + i });
    await users.create(root, { name: "alice", password, uid: 5, gid: 5, groups: names });
    const gids = () => [...credentialsOf(runtime.plan("/x").policy, { uid: 5, gid: 5, gids: [7] }).groups].sort((a, b) => a - b);
    expect(gids()).toEqual(names.map((_, i) => 100 + i));
    await shares.edit(root, "/x", { manageGroups: false }, null);
    expect(gids()).toEqual([7]);
  });
});

describe("what can't come into effect", () => {
  test("is taken back, and the audit log has both", async () => {
    const { shares, runtime, audit } = await openKit();
    runtime.failing.set("share /x", "its disk is gone");
    const error = await shares.create(root, { name: "/x" }).catch((thrown: ControlError) => thrown);
    expect(error).toMatchObject({ code: "store_unreachable", message: "Share /x: its disk is gone", hint: "Nothing was changed." });
    expect([shares.list(), shares.deleted(), runtime.desired.shares]).toEqual([[], [], []]);
    const { entries } = await audit.list({ target: "/x", newestFirst: false, offset: 0, limit: 10 });
    expect(entries.map(({ action, before, after }) => [action, before !== null, after])).toMatchObject([
      ["shares.create", false, { name: "/x" }],
      ["shares.create.undone", true, { reason: "its disk is gone" }],
    ]);
    runtime.failing.clear();
    await shares.create(root, { name: "/x" });
  });

  test("leaves a share that is taken over deleted, its grants as they were", async () => {
    const { shares, users, runtime } = await openKit();
    await users.create(root, { name: "alice", password });
    await shares.create(root, { name: "/x", description: "old" });
    const grant = { type: "user", name: "alice", level: "read" } as const;
    await shares.grant(root, "/x", grant, null);
    await shares.delete(root, "/x", { force: false, purge: false }, null);
    runtime.failing.set("share /x", "gone");
    expect(await refusal(shares.create(root, { name: "/x", adopt: true, description: "new" }))).toBe("store_unreachable");
    expect(shares.deleted()).toMatchObject([{ name: "/x", description: "old", deleted: true, version: 5 }]);
    const state = await openKit({ database: (await openKit()).database });
    expect(state.shares.list()).toEqual([]);
  });

  test("takes back one share's change and no other's", async () => {
    const { shares, runtime, log } = await openKit();
    await shares.create(root, { name: "/bad" });
    runtime.failing.set("share /bad", "its disk is gone");
    expect((await shares.create(root, { name: "/good" })).name).toBe("/good");
    await shares.edit(root, "/good", { readOnly: true }, null);
    expect(log.lines.filter((line) => line.includes("its disk is gone")).length).toBe(1);
    expect(shares.list().map(({ name }) => name)).toEqual(["/bad", "/good"]);
  });

  test("is tried again with the next change, whatever that is", async () => {
    const { shares, users, runtime } = await openKit();
    await shares.create(root, { name: "/x" });
    runtime.failing.set("share /x", "gone");
    await shares.edit(root, "/x", { readOnly: true }, null).catch(() => {});
    runtime.failing.set("share /x", "still gone");
    await shares.create(root, { name: "/y" });
    const asked = runtime.asked.length;
    await users.edit(root, "admin", { email: "a@example.com" }, null);
    expect(runtime.asked.length).toBe(asked + 1);
    runtime.failing.clear();
    for (const email of ["b", "c", "d"]) await users.edit(root, "admin", { email }, null);
    expect(runtime.asked.length).toBe(asked + 2);
  });

  test("keeps nobody from closing a share that fails, but from opening it", async () => {
    const { shares, runtime } = await openKit();
    await shares.create(root, { name: "/x" });
    runtime.failing.set("share /x", "gone");
    await shares.edit(root, "/x", { enabled: false }, null);
    expect(shares.get("/x").enabled).toBe(false);
    expect(await refusal(shares.edit(root, "/x", { enabled: true }, null))).toBe("store_unreachable");
    expect(shares.get("/x").enabled).toBe(false);
    runtime.failing.clear();
    await shares.edit(root, "/x", { enabled: true }, null);
    runtime.failing.set("share /x", "gone again");
    expect(await refusal(shares.edit(root, "/x", { enabled: true }, null))).toBe("store_unreachable");
    await shares.delete(root, "/x", { force: false, purge: false }, null);
  });

  test("stays where somebody changed it again meanwhile, and both are told", async () => {
    const { shares, runtime } = await openKit();
    const held = Promise.withResolvers<void>();
    runtime.hold = held.promise;
    runtime.failing.set("share /x", "gone");
    const created = shares.create(root, { name: "/x" });
    while (shares.list().length === 0) await Promise.resolve();
    const edited = shares.edit(root, "/x", { description: "mine" }, null);
    while (shares.get("/x").version === 1) await Promise.resolve();
    held.resolve();
    const outcome = (await created.catch((thrown: ControlError) => thrown)) as ControlError;
    expect([outcome.code, outcome.hint]).toEqual(["store_unreachable", "The change could not be taken back; look at it and decide anew."]);
    await edited;
    expect(shares.get("/x").description).toBe("mine");
  });

  test("because the server stops says so, and is stored", async () => {
    const { shares, runtime } = await openKit();
    runtime.reconcile = () => Promise.reject(new Refusal("unavailable", "the server is stopping"));
    expect(await refusal(shares.create(root, { name: "/x" }))).toBe("unavailable");
    expect(shares.list().length).toBe(1);
  });
});
