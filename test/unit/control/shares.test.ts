import { describe, expect, test } from "bun:test";
import { shares as sharesTable } from "#control/database/tables.ts";
import type { ControlError } from "#control/errors.ts";
import type { NewShare } from "#control/nouns.ts";
import { openKit, root } from "./kit.ts";
import { MemoryDatabase } from "./sessions/memory-database.ts";
import { refusal } from "./sessions/world.ts";

const keep = { force: false, purge: false };
const purge = { force: false, purge: true };

async function fieldsOf(work: Promise<unknown>): Promise<readonly string[]> {
  return work.then(
    () => [],
    (error: ControlError) => error.fields.map(({ field }) => field),
  );
}

describe("shares", () => {
  test("are closed to everybody at first, and served at once", async () => {
    const { shares, runtime } = await openKit();
    expect(await shares.create(root, { name: "/x" })).toMatchObject({ metadata: "default", blocks: "default", defaultPermission: "none", squash: "root_to_guest", anonymousUid: 65534, rootMode: 0o1777, enabled: true, readOnly: false, effectiveClients: ["127.0.0.0/8", "::1"] });
    expect(runtime.plan("/x")).toMatchObject({ metadata: { type: "sqlite", config: { path: "" } }, blocks: { type: "filesystem", config: { path: "" } }, metadataPath: "", blocksPath: "" });
  });

  test("say of every field at once what is wrong with it", async () => {
    const { shares } = await openKit();
    const wrong = { name: "/x", metadata: "defalt", blocks: "no", durability: "cloud", squash: "root", defaultPermission: "write", anonymousUid: -1, anonymousGid: 2 ** 32, allowedClients: ["10.0.0.0/33", "::1", "host"], netgroups: ["lab"], rootMode: 0o10000, quotaBytes: -1, quotaFiles: 0.5, description: "\u0000" };
    const fields = await fieldsOf(shares.create(root, wrong as unknown as NewShare));
    expect([...fields].sort()).toEqual(["allowed_clients.0", "allowed_clients.2", "anonymous_gid", "anonymous_uid", "blocks", "default_permission", "description", "durability", "metadata", "netgroups.0", "quota_bytes", "quota_files", "root_mode", "squash"]);
    expect(shares.list()).toEqual([]);
    await shares.create(root, { name: "/x" });
    expect(await fieldsOf(shares.edit(root, "/x", { squash: "root" as "none", allowedClients: ["a"] }, null))).toEqual(["squash", "allowed_clients.0"]);
  });

  test.each(["x", "/", "", "/a/../b", "/..", "/a//b", "/a/", "/./a", "/a\u0000b", "/a\nb", `/${"a".repeat(255)}`, "/\ud800"])("of the name %j are refused", async (name) => {
    const { shares } = await openKit();
    expect(await fieldsOf(shares.create(root, { name }))).toContain("name");
  });

  test("in memory are said to be volatile, and are refused the tier that outlives the machine, which is taken back before one moves there", async () => {
    const { shares, stores } = await openKit();
    await stores.create(root, "metadata", { name: "ram", type: "memory" });
    await stores.create(root, "block", { name: "ram", type: "memory" });
    const inMemory = { name: "/ram", metadata: "ram" };
    for (const stored of [inMemory, { ...inMemory, blocks: "ram" }]) {
      const refused = shares.create(root, { ...stored, durability: "remote" });
      expect(await fieldsOf(refused)).toEqual(["durability"]);
      await expect(refused).rejects.toThrow("outlives the machine, and metadata store ram keeps the share's metadata in memory");
    }
    expect(await shares.create(root, inMemory)).toMatchObject({ volatile: true, durability: "local" });
    expect(await fieldsOf(shares.edit(root, "/ram", { durability: "remote", squash: "x" as "none" }, null))).toEqual(["durability", "squash"]);
    expect(await shares.edit(root, "/ram", { durability: "writeback" }, null)).toMatchObject({ durability: "writeback" });
    expect(await shares.create(root, { name: "/x", durability: "remote" })).toMatchObject({ volatile: false });
    const to = { metadata: "ram", acceptVolatile: true };
    const moved = await shares.moved(root, "/x", to).catch((error: ControlError) => error);
    expect(moved).toMatchObject({ code: "conflict", hint: expect.stringContaining("dittofs share edit /x --durability local") });
    expect(() => shares.movePlan("/x", { ...to, acceptVolatile: false })).toThrow("is of durability remote");
    await shares.edit(root, "/x", { durability: "local" }, null);
    await shares.moved(root, "/x", to);
    expect(shares.get("/x")).toMatchObject({ volatile: true, metadata: "ram" });
    await shares.moved(root, "/x", { metadata: "default" });
    expect(await shares.edit(root, "/x", { durability: "remote" }, null)).toMatchObject({ volatile: false, durability: "remote" });
  });

  test("whose names differ only in case are the same share", async () => {
    const { shares } = await openKit();
    await shares.create(root, { name: "/Straße/É" });
    expect(await refusal(shares.create(root, { name: "/straße/é" }))).toBe("already_exists");
    expect(await refusal(shares.create(root, { name: "/straße/e\u0301" }))).toBe("already_exists");
    await shares.delete(root, "/Straße/É", keep, null);
    expect(await refusal(shares.create(root, { name: "/straße/é" }))).toBe("data_exists");
    expect(await refusal(shares.create(root, { name: "/straße/é", adopt: true }))).toBe("not_found");
  });

  test("can't be named so that a terminal obeys the name or shows another", async () => {
    const { shares } = await openKit();
    for (const character of ["\u0007", "\u001b", "\u007f", "\u0085", "\u009b", "\u2028", "\u202e", "\u2066"]) expect(await refusal(shares.create(root, { name: `/x${character}31mtxt` }))).toBe("invalid_value");
    await shares.create(root, { name: "/\u00a0\u05d0 naïve" });
  });

  test("change one field and keep the others", async () => {
    const { shares, runtime } = await openKit();
    await shares.create(root, { name: "/x", description: "d", allowedClients: ["10.0.0.0/8"] });
    const edited = await shares.edit(root, "/x", { readOnly: true, allowedClients: null }, 1);
    expect(edited).toMatchObject({ description: "d", readOnly: true, allowedClients: null, effectiveClients: ["127.0.0.0/8", "::1"], version: 2 });
    expect(runtime.plan("/x").policy.readOnly).toBe(true);
    expect(await refusal(shares.edit(root, "/x", { readOnly: false }, 1))).toBe("changed_meanwhile");
    await shares.edit(root, "/x", { enabled: false }, null);
    expect(runtime.plan("/x").policy.admits("nfs", "127.0.0.1")).toBe(false);
  });

  test("let in this machine alone with an empty list", async () => {
    const { shares } = await openKit({ clientsByDefault: () => ["127.0.0.0/8", "10.0.0.0/8"] });
    expect((await shares.create(root, { name: "/x" })).effectiveClients).toEqual(["127.0.0.0/8", "10.0.0.0/8"]);
    expect((await shares.create(root, { name: "/y", allowedClients: [] })).effectiveClients).toEqual(["127.0.0.0/8", "::1"]);
  });
});

describe("deleting a share", () => {
  test("keeps its data, under its name, until it is taken over or purged", async () => {
    const { shares, runtime } = await openKit();
    await shares.create(root, { name: "/x" });
    await shares.delete(root, "/x", keep, 1);
    expect([shares.list(), shares.deleted().map(({ name }) => name), runtime.desired.shares, runtime.purged]).toEqual([[], ["/x"], [], []]);
    for (const work of [() => shares.get("/x"), () => shares.grants("/x")]) expect(work).toThrow(expect.objectContaining({ code: "not_found" }));
    expect(await refusal(shares.edit(root, "/x", {}, null))).toBe("not_found");
    expect(await refusal(shares.delete(root, "/x", keep, null))).toBe("not_found");
    const error = await shares.create(root, { name: "/x" }).catch((thrown: ControlError) => thrown);
    expect(error).toMatchObject({ code: "data_exists", hint: expect.stringContaining("adopt") });
  });

  test("that is in use is refused, but by force", async () => {
    const { shares, runtime } = await openKit();
    await shares.create(root, { name: "/x" });
    runtime.inUse.set("/x", "10.0.0.7");
    const error = await shares.delete(root, "/x", keep, null).catch((thrown: ControlError) => thrown);
    expect(error).toMatchObject({ code: "in_use", message: "Share /x is in use by 1 client: 10.0.0.7." });
    expect(shares.list().length).toBe(1);
    await shares.delete(root, "/x", { force: true, purge: false }, null);
    expect(shares.list()).toEqual([]);
  });

  test("that would lose what clients wrote is refused, but by force or with its data", async () => {
    const { shares, runtime } = await openKit();
    for (const how of [{ force: true, purge: false }, { force: false, purge: true }]) {
      await shares.create(root, { name: "/x" });
      runtime.losing = "/x";
      runtime.inUse.set("/x", "10.0.0.7");
      expect(await refusal(shares.delete(root, "/x", keep, null))).toBe("conflict");
      expect(shares.list().length).toBe(1);
      runtime.inUse.clear();
      await shares.delete(root, "/x", how, null);
      expect(shares.list()).toEqual([]);
      if (!how.purge) await shares.delete(root, "/x", { force: false, purge: true }, null);
    }
  });

  test("is not barred by the mounts of a client that has had no connection for an hour, and is by those of one that has one", async () => {
    const { shares, runtime, clock } = await openKit();
    await shares.create(root, { name: "/x" });
    runtime.inUse.set("/x", "10.0.0.7");
    clock.pass(3_599_999);
    expect(await refusal(shares.delete(root, "/x", keep, null))).toBe("in_use");
    clock.pass(1);
    runtime.connected.push("10.0.0.7");
    expect(await refusal(shares.delete(root, "/x", keep, null))).toBe("in_use");
    runtime.connected[0] = "10.0.0.8";
    await shares.delete(root, "/x", keep, null);
    expect(shares.list()).toEqual([]);
  });

  test("and taking its data over begins with the new settings and no grants, on the same stores", async () => {
    const { shares, stores, users, runtime } = await openKit();
    await users.create(root, { name: "alice", password: "correct horse" });
    await stores.create(root, "block", { name: "fast", type: "filesystem", config: { path: "/fast" } });
    await shares.create(root, { name: "/x", blocks: "fast", readOnly: true, defaultPermission: "admin", rootMode: 0o755 });
    await shares.grant(root, "/x", { type: "user", name: "alice", level: "admin" }, null);
    const { id } = runtime.plan("/x");
    await shares.delete(root, "/x", keep, null);
    expect(await fieldsOf(shares.create(root, { name: "/x", adopt: true, blocks: "default" }))).toEqual(["blocks"]);
    expect(await shares.create(root, { name: "/x", adopt: true, description: "again" })).toMatchObject({ blocks: "fast", readOnly: false, defaultPermission: "none", description: "again", rootMode: 0o755, deleted: false, version: 4 });
    expect([shares.grants("/x"), runtime.plan("/x").id]).toEqual([[], id]);
    expect(await refusal(shares.create(root, { name: "/x", adopt: true }))).toBe("already_exists");
    expect(await refusal(shares.create(root, { name: "/y", adopt: true }))).toBe("not_found");
  });

  test("for good closes it, removes its data, and last its row", async () => {
    const database = new MemoryDatabase();
    const { shares, runtime } = await openKit({ database });
    await shares.create(root, { name: "/x" });
    await shares.create(root, { name: "/y" });
    await shares.delete(root, "/x", purge, null);
    await shares.delete(root, "/y", keep, null);
    await shares.delete(root, "/y", purge, null);
    expect([runtime.purged, database.rowsOf(sharesTable), shares.deleted()]).toEqual([["/x", "/y"], [], []]);
    expect((await shares.create(root, { name: "/x" })).version).toBe(1);
    expect(await refusal(shares.delete(root, "/z", purge, null))).toBe("not_found");
  });

  test("for good leaves the row where the data could not be removed", async () => {
    const { shares, runtime } = await openKit();
    await shares.create(root, { name: "/x" });
    runtime.purging = Promise.reject(new Error("disk"));
    expect(shares.delete(root, "/x", purge, null)).rejects.toThrow("disk");
    await runtime.purging.catch(() => {});
    expect(shares.deleted().map(({ name }) => name)).toEqual(["/x"]);
  });

  test("for good bars everybody from taking the data over meanwhile", async () => {
    const { shares, runtime } = await openKit();
    await shares.create(root, { name: "/x" });
    await shares.delete(root, "/x", keep, null);
    const held = Promise.withResolvers<void>();
    runtime.purging = held.promise;
    const purged = shares.delete(root, "/x", purge, null);
    expect(await refusal(shares.create(root, { name: "/x", adopt: true }))).toBe("conflict");
    expect(await refusal(shares.delete(root, "/x", purge, null))).toBe("conflict");
    held.resolve();
    await purged;
    expect(shares.deleted()).toEqual([]);
  });
});

describe("grants", () => {
  test("come, change and go, and the share says so by its version", async () => {
    const { shares, users, groups } = await openKit();
    await users.create(root, { name: "alice", password: "correct horse" });
    await groups.create(root, { name: "staff" });
    await shares.create(root, { name: "/x" });
    const grant = { type: "user", name: "alice", level: "read" } as const;
    expect(await shares.grant(root, "/x", grant, 1)).toEqual(grant);
    await shares.grant(root, "/x", grant, 2);
    await shares.grant(root, "/x", { type: "group", name: "staff", level: "read-write" }, 2);
    await shares.grant(root, "/x", { ...grant, level: "none" }, null);
    expect(shares.get("/x").version).toBe(4);
    expect(shares.grants("/x")).toEqual([{ ...grant, level: "none" }, { type: "group", name: "staff", level: "read-write" }]);
    expect(await refusal(shares.revoke(root, "/x", grant, 1))).toBe("changed_meanwhile");
    await shares.revoke(root, "/x", grant, 4);
    expect(await refusal(shares.revoke(root, "/x", grant, null))).toBe("not_found");
    expect(await refusal(shares.grant(root, "/x", { ...grant, name: "bob" }, null))).toBe("not_found");
    expect(await refusal(shares.grant(root, "/y", grant, null))).toBe("not_found");
    expect(await fieldsOf(shares.grant(root, "/x", { ...grant, level: "write" as "read" }, null))).toEqual(["level"]);
  });
});

describe("files of a share that the control plane doesn't know", () => {
  test("are taken over only when that is asked for", async () => {
    const { shares, runtime } = await openKit();
    runtime.left.set("/x", "/data/shares/x/metadata.db");
    const error = await shares.create(root, { name: "/x" }).catch((thrown: ControlError) => thrown);
    expect(error).toMatchObject({ code: "data_exists", message: "Files of an earlier share /x are still there: /data/shares/x/metadata.db.", hint: expect.stringContaining("adopt") });
    expect(runtime.share("/x")).toBeNull();
    expect(await refusal(shares.create(root, { name: "/y", adopt: true }))).toBe("not_found");
    expect(await shares.create(root, { name: "/x", adopt: true })).toMatchObject({ name: "/x", defaultPermission: "none" });
    expect(runtime.plan("/x")).toMatchObject({ metadata: { name: "default" } });
  });
});
