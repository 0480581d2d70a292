import { describe, expect, test } from "bun:test";
import { audit as auditTable, notes, users as usersTable } from "#control/database/tables.ts";
import type { Transaction } from "#control/database/port.ts";
import { followIntervalMs } from "#control/index.ts";
import { adminPassword, openKit, root } from "./kit.ts";
import { MemoryDatabase } from "./sessions/memory-database.ts";
import { refusal } from "./sessions/world.ts";

const alice = { name: "alice", password: "correct horse" };
const settled = async () => {
  for (let i = 0; i < 60; i++) await Promise.resolve();
};

async function twoNodes() {
  const database = new MemoryDatabase("postgres");
  const one = await openKit({ database });
  const other = await openKit({ database, seed: 2 });
  return { database, one, other };
}

describe("a change", () => {
  test("is durable with its line of the audit log and the raised revision, or nothing of it is", async () => {
    const database = new MemoryDatabase();
    const { users, runtime, log } = await openKit({ database });
    const before = [database.rowsOf(auditTable).length, database.rowsOf(notes).find(({ key }) => key === "revision")?.value];
    database.beforeCommit = () => {
      throw new Error("disk full");
    };
    const asked = runtime.asked.length;
    expect(await refusal(users.create(root, alice))).toBe("unavailable");
    database.beforeCommit = () => {};
    expect([users.list().length, database.rowsOf(usersTable).length, runtime.asked.length]).toEqual([1, 1, asked]);
    expect([database.rowsOf(auditTable).length, database.rowsOf(notes).find(({ key }) => key === "revision")?.value]).toEqual(before);
    expect(log.lines.some((line) => line.includes("a change could not be stored"))).toBe(true);
    await users.create(root, alice);
    expect(database.rowsOf(notes).find(({ key }) => key === "revision")?.value).toBe(String(Number(before[1]) + 1));
  });

  test("whose commit was lost on its way back shows in memory and in effect", async () => {
    const database = new MemoryDatabase();
    const { shares, runtime } = await openKit({ database });
    database.afterCommit = () => {
      database.afterCommit = () => {};
      throw new Error("connection reset");
    };
    expect(await refusal(shares.create(root, { name: "/x" }))).toBe("unavailable");
    expect(shares.list().map(({ name }) => name)).toEqual(["/x"]);
    expect(runtime.plan("/x").name).toBe("/x");
  });

  test("waits its turn with a bounded number of others", async () => {
    const database = new MemoryDatabase();
    const { groups } = await openKit({ database });
    const work = Array.from({ length: 300 }, (_, i) => refusal(groups.create(root, { name: `g${i}` })));
    const outcomes = await Promise.all(work);
    expect([outcomes.filter((code) => code === null).length, outcomes.filter((code) => code === "busy").length]).toEqual([256, 44]);
    expect(groups.list().length).toBe(256);
  });

  test("is refused once the control plane is closed, and the one under way is waited for", async () => {
    const { users, control, groups } = await openKit();
    const made = groups.create(root, { name: "staff" });
    await control.close();
    expect(groups.get("staff").name).toBe("staff");
    await made;
    expect(await refusal(users.create(root, alice))).toBe("unavailable");
  });
});

describe("the audit log", () => {
  test("has who, what, from where, before and after, and never a secret", async () => {
    const database = new MemoryDatabase();
    const { users, groups, shares, stores, settings, audit, control, options, log } = await openKit({ database });
    const { name, address } = root;
    await users.create(root, alice);
    await groups.create(root, { name: "staff" });
    await users.edit(root, "alice", { email: "a@example.com", groups: ["staff"] }, null);
    await users.setPassword(root, "alice", "another password", false);
    await control.directory.setPassword(root, control.directory.byName("alice")?.id ?? "", await options.passwords.hash("third password"), false);
    await stores.create(root, "block", { name: "ram", type: "memory" });
    await shares.create(root, { name: "/x" });
    await settings.set(root, "logging.level", "debug", null);
    await users.delete(root, "alice", null);
    await control.auditLogin({ action: "login_failed", user: null, address: "10.0.0.9", sessionId: null });
    const { entries, total } = await audit.list({ newestFirst: false, offset: 0, limit: 100 });
    expect(entries.map(({ action }) => action)).toEqual(["server.first_start", "users.create", "groups.create", "users.edit", "users.set_password", "users.set_password", "block_stores.create", "shares.create", "settings.set", "users.delete", "sessions.login_failed"]);
    expect(total).toBe(entries.length);
    expect(entries[3]).toMatchObject({ actor: name, address, targetType: "user", target: "alice", before: { email: "", groups: [], version: 1 }, after: { email: "a@example.com", groups: ["staff"], version: 2 } });
    expect(entries[4]).toMatchObject({ before: { version: 2 }, after: { version: 3, password: "set" } });
    expect(entries[9]).toMatchObject({ before: { name: "alice" }, after: null });
    const written = JSON.stringify([entries, log.lines]);
    const rows = [control.directory.byName("admin")?.passwordHash ?? "", ...database.rowsOf(usersTable).map(({ ntHash }) => ntHash ?? "")];
    for (const secret of [alice.password, "another password", "third password", adminPassword, "$2b$", "v1.", ...rows]) expect(written).not.toContain(secret);
  });

  test("is asked by who, what and when, page by page", async () => {
    const { users, groups, audit, clock } = await openKit();
    await users.create(root, alice);
    clock.pass(1000);
    for (let i = 0; i < 5; i++) await groups.create({ name: "bob", address: "" }, { name: `g${i}` });
    const page = { newestFirst: true, offset: 1, limit: 2 };
    expect(await audit.list({ ...page, actor: "bob" })).toMatchObject({ total: 5, entries: [{ target: "g3" }, { target: "g2" }] });
    expect((await audit.list({ ...page, action: "users.create" })).total).toBe(1);
    expect((await audit.list({ ...page, targetType: "group", target: "g1" })).total).toBe(1);
    expect((await audit.list({ ...page, since: clock.ms })).total).toBe(5);
  });
});

describe("two nodes of one database", () => {
  test("see what the other changed within a second", async () => {
    const { one, other } = await twoNodes();
    await one.users.create(root, { ...alice, role: "admin" });
    await one.shares.create(root, { name: "/x" });
    expect(other.users.list().length).toBe(1);
    other.clock.pass(followIntervalMs);
    await settled();
    expect(other.runtime.plan("/x").policy.identity.userByName("alice")?.enabled).toBe(true);
    await one.users.edit(root, "alice", { enabled: false }, null);
    other.clock.pass(followIntervalMs);
    await settled();
    expect(other.control.directory.byName("alice")).toMatchObject({ enabled: false, sessionEpoch: 2 });
    expect(other.runtime.plan("/x").policy.identity.userByName("alice")?.enabled).toBe(false);
    const asked = other.runtime.asked.length;
    other.clock.pass(followIntervalMs);
    await settled();
    expect(other.runtime.asked.length).toBe(asked);
  });

  test("decide on what is there, not on what they last saw", async () => {
    const { one, other } = await twoNodes();
    await one.users.create(root, { ...alice, role: "admin" });
    expect(await refusal(other.users.create(root, alice))).toBe("already_exists");
    await one.users.edit(root, "alice", { email: "one" }, 1);
    expect(await refusal(other.users.edit(root, "alice", { email: "other" }, 1))).toBe("changed_meanwhile");
    // Each would leave the other's as the last admin.
    const both = await Promise.all([refusal(one.users.edit(root, "admin", { enabled: false }, null)), refusal(other.users.edit(root, "alice", { enabled: false }, null))]);
    expect(both.filter((code) => code === "conflict").length).toBe(1);
    expect((await other.users.create(root, { ...alice, name: "bob" })).uid).toBe(1001);
  });

  test("bring into effect what a refused change made them read", async () => {
    const { one, other } = await twoNodes();
    await one.shares.create(root, { name: "/x" });
    expect(await refusal(other.shares.create(root, { name: "/x" }))).toBe("already_exists");
    await settled();
    expect(other.runtime.plan("/x").name).toBe("/x");
  });

  test("give up politely where the others never stop", async () => {
    class Restless extends MemoryDatabase {
      restless = false;
      override transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
        return super.transaction(async (tx) => {
          const note = await tx.one(notes, { key: "revision" });
          if (this.restless && note !== null) await tx.update(notes, { key: "revision" }, { value: String(Number(note.value) + 1) });
          return work(tx);
        });
      }
    }
    const database = new Restless("postgres");
    const { groups } = await openKit({ database });
    database.restless = true;
    expect(await refusal(groups.create(root, { name: "staff" }))).toBe("busy");
    database.restless = false;
    expect((await groups.create(root, { name: "staff" })).name).toBe("staff");
  });

  test("go on with what they know while the database is silent, and say so once", async () => {
    const { database, other } = await twoNodes();
    database.beforeCommit = () => {
      throw new Error("connection refused");
    };
    for (let i = 0; i < 3; i++) {
      other.clock.pass(followIntervalMs);
      await settled();
    }
    expect(other.users.list().length).toBe(1);
    expect(other.log.lines.filter((line) => line.includes("does not answer")).length).toBe(1);
    database.beforeCommit = () => {};
    other.clock.pass(followIntervalMs);
    await settled();
    expect(other.log.lines.some((line) => line.includes("answers again"))).toBe(true);
  });

  test("that start together make one admin", async () => {
    const database = new MemoryDatabase("postgres");
    const kits = await Promise.all([openKit({ database, seed: 1 }), openKit({ database, seed: 2 })]);
    expect(kits.map(({ control }) => control.firstStart === null).sort()).toEqual([false, true]);
    expect(kits.map(({ control }) => control.directory.byName("admin")?.id)).toEqual(Array.from({ length: 2 }, () => database.rowsOf(usersTable)[0]?.id));
  });
});
