import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Config, loadConfig } from "#config/index.ts";
import { notes } from "#control/database/tables.ts";
import { resetPasswordOffline } from "#control/index.ts";
import { rmSync, writeFileSync } from "node:fs";
import { openKit, root } from "./kit.ts";
import { MemoryDatabase } from "./sessions/memory-database.ts";
import { refusal } from "./sessions/world.ts";
import { temporary } from "../../support/temporary.ts";

/** The configuration of a file with these shares. */
function configOf(shares: string): Config {
  const directory = temporary("first-start");
  try {
    const configPath = join(directory, "config.yaml");
    writeFileSync(configPath, shares);
    const machine = { memoryBytes: 8 * 2 ** 30, dataHome: "/var/empty/data", configHome: "/var/empty/config" };
    const loaded = loadConfig({ machine, environment: {}, configPath, flags: new Map() });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    return loaded.config;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const given = (shares: string) => ({ fileShares: configOf(shares).shares, fileSharesGiven: true });

describe("the first start", () => {
  test("makes an admin whose password must be changed, unless it was given", async () => {
    const { control, users } = await openKit({ adminPassword: null });
    const { admin } = control.firstStart ?? {};
    expect(admin).toMatchObject({ name: "admin", generated: true });
    expect(admin?.password).toMatch(/^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
    expect(users.get("admin")).toMatchObject({ role: "admin", enabled: true, mustChangePassword: true });
    const { users: others, control: other, options } = await openKit({ adminPassword: "given by the operator" });
    expect(others.get("admin").mustChangePassword).toBe(false);
    expect(other.firstStart?.admin).toEqual({ name: "admin", password: "given by the operator", generated: false });
    expect(await options.passwords.verify("given by the operator", other.directory.byName("admin")?.passwordHash ?? null)).toBe(true);
  });

  test("takes no password that is none, and leaves the database as it was", async () => {
    const database = new MemoryDatabase();
    expect(await refusal(openKit({ database, adminPassword: "short" }))).toBe("invalid_value");
    expect(database.rowsOf(notes).map(({ key }) => key)).toEqual(["keyring"]);
  });

  test("hands out the password it made before it is stored, and says whose was set later", async () => {
    const database = new MemoryDatabase();
    const told: string[] = [];
    const options = { database, adminPassword: null, onPasswordSet: (user: string) => void told.push(user) };
    const lost = openKit({ ...options, keepAdminPassword: () => { throw new Error("no room for it"); } });
    expect(await lost.catch((error: Error) => error.message)).toBe("no room for it");
    expect(database.rowsOf(notes).map(({ key }) => key)).toEqual(["keyring"]);
    const kept: string[] = [];
    const { control, users } = await openKit({ ...options, keepAdminPassword: (password) => void kept.push(password) });
    expect([kept, told]).toEqual([[control.firstStart?.admin.password ?? "?"], []]);
    await users.setPassword(root, "admin", "another password", false);
    expect(told).toEqual(["admin"]);
  });

  test("leaves the numbers of ordinary users free", async () => {
    const { users } = await openKit();
    expect((await users.create(root, { name: "alice", password: "correct horse" })).uid).toBe(1000);
    expect(users.get("admin").uid).toBeGreaterThan(65536);
  });

  test("says no password to the log", async () => {
    const { control, log, database } = await openKit({ adminPassword: null });
    const { password = "?" } = control.firstStart?.admin ?? {};
    expect(JSON.stringify([log.lines, (database as MemoryDatabase).rowsOf(notes)])).not.toContain(password);
  });

  test("takes the file's shares over where they are, open as they were", async () => {
    const kit = await openKit(given("shares:\n  - name: /export\n  - name: /own\n    squash: none\n    read_only: true\n    allowed_clients: [10.0.0.0/8]\n    metadata: {path: /srv/m/own.db}\n    blocks: {path: /srv/blocks}\n  - name: /ram\n    metadata: {type: memory}\n    blocks: {type: memory, size: 1GiB}\n  - name: /ram2\n    metadata: {type: memory}\n    blocks: {type: memory, size: 2GiB}\n    durability: writeback\n"));
    expect(kit.control.firstStart?.imported).toEqual(["/export", "/own", "/ram", "/ram2"]);
    expect(kit.shares.list().map(({ name, metadata, blocks, defaultPermission }) => [name, metadata, blocks, defaultPermission])).toEqual([
      ["/export", "default", "default", "read-write"],
      ["/own", "own", "own", "read-write"],
      ["/ram", "memory", "memory", "read-write"],
      ["/ram2", "memory", "ram2", "read-write"],
    ]);
    expect(kit.shares.get("/export")).toMatchObject({ allowedClients: null, squash: "root_to_guest", readOnly: false });
    expect(kit.shares.get("/own")).toMatchObject({ allowedClients: ["10.0.0.0/8"], squash: "none", readOnly: true });
    expect(kit.runtime.plan("/own")).toMatchObject({ metadataPath: "/srv/m/own.db", blocksPath: "/srv/blocks", metadata: { config: { path: "/srv/m" } }, blocks: { config: { path: "/srv/blocks" } } });
    expect(kit.runtime.plan("/ram2")).toMatchObject({ durability: "writeback", blocks: { config: { size: 2 ** 31 } } });
    expect(kit.control.warnings).toEqual([]);
  });

  test("is the only one that does: then the database rules, and a file that differs is named", async () => {
    const database = new MemoryDatabase();
    const { shares } = await openKit({ database, ...given("shares: [{name: /a}, {name: /b}, {name: /c}, {name: /d}]") });
    await shares.edit(root, "/a", { description: "no matter to the file", defaultPermission: "none" }, null);
    await shares.edit(root, "/b", { readOnly: true }, null);
    await shares.delete(root, "/c", { force: false, purge: false }, null);
    const again = await openKit({ database, ...given("shares: [{name: /a}, {name: /b}, {name: /c}, {name: /d, blocks: {path: /srv/d}}, {name: /e}]") });
    expect([again.control.firstStart, again.shares.list().map(({ name }) => name)]).toEqual([null, ["/a", "/b", "/d"]]);
    expect(again.control.warnings).toEqual([expect.stringContaining("/b, /c, /d, /e.")]);
    const unsaid = await openKit({ database, fileShares: configOf("").shares, fileSharesGiven: false });
    expect(unsaid.control.warnings).toEqual([]);
  });
});

describe("a lost password", () => {
  test("is set for a user who was disabled, too, and enables him", async () => {
    const database = new MemoryDatabase();
    const { options, users, control } = await openKit({ database });
    await users.create(root, { name: "alice", password: "correct horse", role: "admin", enabled: false });
    await control.close();
    await resetPasswordOffline(database, options, "alice");
    expect((await openKit({ database })).users.get("alice")).toMatchObject({ enabled: true, mustChangePassword: true });
  });

  test("is set straight in the database, ends the sessions and must be changed", async () => {
    const database = new MemoryDatabase();
    const { options, control } = await openKit({ database });
    const epoch = control.directory.byName("admin")?.sessionEpoch ?? 0;
    await control.close();
    const password = await resetPasswordOffline(database, options, "admin");
    expect(password).toMatch(/^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
    const next = await openKit({ database });
    const admin = next.control.directory.byName("admin");
    expect(admin).toMatchObject({ mustChangePassword: true, sessionEpoch: epoch + 1 });
    expect(await options.passwords.verify(password, admin?.passwordHash ?? null)).toBe(true);
    expect((await next.audit.list({ newestFirst: true, offset: 0, limit: 1 })).entries[0]).toMatchObject({ actor: "offline", action: "users.set_password", target: "admin" });
    expect(await resetPasswordOffline(database, options, "admin", "given by hand")).toBe("given by hand");
    expect(await refusal(resetPasswordOffline(database, options, "amin"))).toBe("not_found");
    expect(await refusal(resetPasswordOffline(database, options, "admin", "short"))).toBe("invalid_value");
  });
});
