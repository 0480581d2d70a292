import { describe, expect, test } from "bun:test";
import { Faults } from "#control/checks.ts";
import type { ControlError } from "#control/errors.ts";
import { readConfig, type StoreFields } from "#control/storage/store-types.ts";
import { storeCheckIntervalMs, storeCheckTimeoutMs } from "#control/storage/index.ts";
import { openKit, root } from "./kit.ts";
import { refusal } from "./sessions/world.ts";

async function refused(work: Promise<unknown>): Promise<ControlError> {
  return work.then(
    () => {
      throw new Error("was not refused");
    },
    (error: ControlError) => error,
  );
}

describe("stores", () => {
  test("are there by default, each share in its own directory", async () => {
    const { stores } = await openKit();
    expect(stores.get("metadata", "default")).toMatchObject({ type: "sqlite", config: { path: "" }, usedBy: [] });
    expect(stores.get("block", "default")).toMatchObject({ type: "filesystem", config: { path: "" } });
  });

  test("take a directory under the data directory unless they are given one, and half of memory", async () => {
    const { stores, runtime, shares } = await openKit();
    expect((await stores.create(root, "metadata", { name: "fast", type: "sqlite" })).config).toEqual({ path: "/data/stores/fast" });
    expect((await stores.create(root, "block", { name: "nvme", type: "filesystem", config: { path: "/mnt/nvme//x/" } })).config).toEqual({ path: "/mnt/nvme/x" });
    expect((await stores.create(root, "block", { name: "ram", type: "memory", config: { size: "64MiB" } })).config).toEqual({ size: 64 * 2 ** 20 });
    expect((await stores.create(root, "block", { name: "ram2", type: "memory" })).config).toEqual({ size: 4 * 2 ** 30 });
    await shares.create(root, { name: "/x", metadata: "fast", blocks: "nvme" });
    expect(runtime.plan("/x")).toMatchObject({ metadata: { name: "fast", config: { path: "/data/stores/fast" } }, blocks: { name: "nvme", config: { path: "/mnt/nvme/x" } } });
    expect(stores.get("metadata", "fast").usedBy).toEqual(["/x"]);
  });

  test("keep their settings where a share in memory is served that can't be closed for others, and take them where one that lasts can't be opened", async () => {
    const { stores, runtime, shares } = await openKit();
    await stores.create(root, "metadata", { name: "ram", type: "memory" });
    await shares.create(root, { name: "/lasts" });
    await shares.create(root, { name: "/ram", metadata: "ram" });
    const serving = runtime.share("/ram");
    runtime.share = () => serving;
    runtime.failing.set("share /ram", "its block store has not taken 5 bytes");
    const error = await refused(stores.edit(root, "block", "default", { limit_requests: 7 }, null));
    expect(error).toMatchObject({ code: "store_unreachable", message: "Share /ram: its block store has not taken 5 bytes", hint: "Nothing was changed." });
    expect([stores.get("block", "default").config["limit_requests"], runtime.plan("/ram")?.blocks.config["limit_requests"]]).toEqual([undefined, undefined]);
    runtime.failing.clear();
    runtime.failing.set("share /lasts", "away");
    expect((await stores.edit(root, "block", "default", { limit_requests: 7 }, null)).config).toMatchObject({ limit_requests: 7 });
  });

  test("of an unknown type or with unknown keys are refused by name", async () => {
    const { stores, runtime } = await openKit();
    const create = (type: string, config = {}) => refused(stores.create(root, "block", { name: "a", type, config }));
    expect((await create("filesytem")).fields).toEqual([{ field: "type", message: "must be one of filesystem, s3, memory; did you mean filesystem?" }]);
    expect((await create("filesystem", { pth: "/x" })).fields).toEqual([{ field: "config.pth", message: "is unknown; did you mean path? (allowed here: path, history, history_lag_ms, compression, encryption, encryption_key_file, encryption_key_env, encryption_accept_plain, limit_requests, limit_upload, limit_download)" }]);
    expect((await create("filesystem", { path: "x" })).fields).toEqual([{ field: "config.path", message: "must be an absolute path: it begins with /" }]);
    expect((await create("filesystem", { path: "/a\u0000b" })).code).toBe("invalid_value");
    for (const size of [0, "1KiB", 1.5, true, "big"]) expect((await create("memory", { size })).fields[0]?.field).toBe("config.size");
    expect((await create("filesystem", { __proto__x: 1, constructor: "x" })).fields.length).toBe(2);
    expect(runtime.tried.filter(({ name }) => name === "a")).toEqual([]);
  });

  test("in a directory that another has are refused", async () => {
    const { stores } = await openKit();
    await stores.create(root, "metadata", { name: "a", type: "sqlite", config: { path: "/srv/a" } });
    expect((await refused(stores.create(root, "block", { name: "b", type: "filesystem", config: { path: "/srv/./a/" } }))).fields).toEqual([{ field: "config.path", message: "is the directory of metadata store a" }]);
    expect(await refusal(stores.create(root, "block", { name: "c", type: "filesystem", config: { path: "/data/stores/d" } }))).toBe(null);
    expect(await refusal(stores.create(root, "block", { name: "d", type: "filesystem" }))).toBe("invalid_value");
  });

  test("within another's directory, or around it, or among what the server keeps, are refused", async () => {
    const { stores } = await openKit();
    await stores.create(root, "block", { name: "a", type: "filesystem", config: { path: "/srv/a" } });
    const fault = async (path: string) => (await refused(stores.create(root, "block", { name: "b", type: "filesystem", config: { path } }))).fields[0]?.message;
    expect(await fault("/srv/a/projects")).toBe("lies in /srv/a, the directory of block store a; give each store a directory of its own");
    expect(await fault("/srv")).toBe("has /srv/a in it, the directory of block store a; give each store a directory of its own");
    expect(await fault("/")).toContain("has /srv/a in it");
    for (const path of ["/data", "/data/shares", "/data/shares/export/blocks"]) expect(await fault(path)).toBe("lies in the server's data directory /data; name one outside of it, or below /data/stores");
    expect(await refusal(stores.create(root, "block", { name: "b", type: "filesystem", config: { path: "/srv/ab" } }))).toBe(null);
    expect(await refusal(stores.edit(root, "block", "b", { path: "/srv/ab/../a/b" }, null))).toBe("invalid_value");
  });

  test("are tried before they are taken", async () => {
    const { stores, runtime } = await openKit();
    runtime.unreachable.set("far", "connection refused");
    const error = await refused(stores.create(root, "block", { name: "far", type: "filesystem", config: { path: "/srv/far" } }));
    expect([error.code, error.message]).toEqual(["store_unreachable", "The block store far does not work: connection refused"]);
    expect(runtime.tried.filter(({ name }) => name !== "default")).toEqual([{ kind: "block", name: "far", type: "filesystem", config: { path: "/srv/far" }, secrets: {} }]);
    expect(stores.list("block").length).toBe(1);
  });

  test("make their bucket when they are added, and no more once something may lie in it", async () => {
    const { stores, shares, runtime } = await openKit();
    const asked = () => runtime.tried.splice(0).filter(({ name }) => name === "cloud").map(({ config }) => config["create_bucket"] ?? false);
    await stores.create(root, "block", { name: "cloud", type: "s3", config: { bucket: "b-1", create_bucket: true } });
    expect(asked()).toEqual([true]);
    await stores.edit(root, "block", "cloud", { bucket: "b-2" }, null);
    expect(asked()).toEqual([true]);
    await stores.check("block", "cloud");
    expect(asked()).toEqual([false]);
    await shares.create(root, { name: "/x", blocks: "cloud" });
    await stores.edit(root, "block", "cloud", { endpoint: "http://elsewhere" }, null);
    expect(asked()).toEqual([false]);
  });

  test("with data are not moved or removed, not even that of deleted shares", async () => {
    const { stores, shares } = await openKit();
    await stores.create(root, "block", { name: "a", type: "filesystem", config: { path: "/srv/a" } });
    await shares.create(root, { name: "/x", blocks: "a" });
    await shares.delete(root, "/x", { force: false, purge: false }, null);
    expect(await refusal(stores.edit(root, "block", "a", { path: "/srv/b" }, null))).toBe("in_use");
    expect(await refusal(stores.edit(root, "block", "a", { path: null }, null))).toBe("in_use");
    expect(await refusal(stores.edit(root, "block", "a", { path: "/srv/a" }, null))).toBe(null);
    expect(await refusal(stores.delete(root, "block", "a", null))).toBe("in_use");
    await shares.delete(root, "/x", { force: false, purge: true }, null);
    expect((await stores.edit(root, "block", "a", { path: null }, 1)).config).toEqual({ path: "/data/stores/a" });
    expect(await refusal(stores.edit(root, "block", "a", {}, 1))).toBe("changed_meanwhile");
    await stores.delete(root, "block", "a", 2);
    expect(await refusal(stores.delete(root, "block", "a", null))).toBe("not_found");
  });

  test("keep secrets apart from what is shown, and complaints don't repeat them", () => {
    const text = { kind: "text", help: "", required: true, movesData: false } as const;
    const fields: StoreFields = { bucket: { ...text, secret: false }, secret_key: { ...text, secret: true } };
    const faults = new Faults();
    const was = { config: { bucket: "a" }, secrets: { secret_key: "old" } };
    expect(readConfig(fields, { secret_key: "new" }, was, faults)).toEqual({ config: { bucket: "a" }, secrets: { secret_key: "new" } });
    expect(readConfig(fields, {}, was, faults)).toEqual(was);
    expect(faults.list).toEqual([]);
    readConfig(fields, { secret_key: "half \ud800", bucket: null }, was, faults);
    expect(faults.list).toEqual([{ field: "config.secret_key", message: "must be well-formed text without U+0000" }, { field: "config.bucket", message: "is missing" }]);
  });
});

describe("the health of stores", () => {
  test("is known without asking, and asked for in the background", async () => {
    const { stores, runtime, clock } = await openKit();
    for (let i = 0; i < 20; i++) await Promise.resolve();
    expect(stores.known("block", "default").healthy).toBe(true);
    runtime.unreachable.set("default", "gone");
    expect(stores.known("block", "default").healthy).toBe(true);
    clock.pass(storeCheckIntervalMs);
    for (let i = 0; i < 40; i++) await Promise.resolve();
    expect(stores.known("block", "default")).toMatchObject({ healthy: false, error: "gone" });
    runtime.unreachable.clear();
    expect((await stores.check("block", "default")).healthy).toBe(true);
    expect(stores.known("block", "default").healthy).toBe(true);
  });

  test("is bad where no answer comes in time", async () => {
    const { stores, runtime, clock } = await openKit();
    for (let i = 0; i < 20; i++) await Promise.resolve();
    runtime.tryStore = () => new Promise(() => {});
    const checked = stores.check("block", "default");
    await Promise.resolve();
    clock.pass(storeCheckTimeoutMs);
    expect(await checked).toMatchObject({ healthy: false, error: `no answer within ${storeCheckTimeoutMs} ms` });
  });
});
