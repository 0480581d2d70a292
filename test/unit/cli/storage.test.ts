import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { schemas } from "#api/contract/index.ts";
import { contract, FakeApi, Refusal, share } from "./fake-api.ts";
import { cli, type World } from "./support.ts";
import { temporary } from "../../support/temporary.ts";

/** Shares, stores, and who has mounted what. */

const api = new FakeApi();
const home = temporary("storage");
const environment = { XDG_CONFIG_HOME: home, DITTOFS_SERVER: api.url, DITTOFS_TOKEN: "t" };
const run = (args: readonly string[], world: World = {}) => cli(args, { ...world, environment });
beforeEach(() => api.clear());
afterAll(() => api.stop());

describe("share create and edit", () => {
  test("take sizes, modes, lists, booleans that stand alone, and words for nothing", async () => {
    api.on(contract.shares.create, (got) => share(got.body.name)).on(contract.shares.edit, (got) => share(`/${got.params.share}`));
    const args = ["--name", "/p", "--metadata", "m", "--blocks", "b", "--read-only", "--quota-bytes", "10GiB", "--quota-files", "none", "--root-mode", "0755", "--allowed-clients", "10.0.0.0/8, ::1", "--protocols", "nfs", "--netgroups", "lab", "--adopt", "--squash", "all_to_guest"];
    expect(await run(["share", "create", ...args])).toMatchObject({ status: 0, out: "created the share /p (default metadata, default blocks, serving)\n" });
    expect(api.last.body).toEqual({
      name: "/p",
      metadata: "m",
      blocks: "b",
      read_only: true,
      quota_bytes: 10 * 2 ** 30,
      quota_files: null,
      root_mode: 0o755,
      allowed_clients: ["10.0.0.0/8", "::1"],
      protocols: { nfs: true, smb: false },
      netgroups: ["lab"],
      adopt: true,
      squash: "all_to_guest",
    });
    expect((await run(["share", "edit", "/a/b", "--allowed-clients", "default", "--read-only", "false", "--protocols", "nfs,smb"])).status).toBe(0);
    expect([api.last.params, api.last.body]).toEqual([{ share: "a/b" }, { allowed_clients: null, read_only: false, protocols: { nfs: true, smb: true } }]);
    await run(["share", "edit", "export", "--allowed-clients", ""]);
    expect([api.last.params, api.last.body]).toEqual([{ share: "export" }, { allowed_clients: [] }]);
  });
  test.each([
    ["--quota-bytes", "lots", "a size such as 512MB or 10GiB, or none"],
    ["--quota-files", "1.5", "a whole number, or none"],
    ["--root-mode", "rwx", "a mode in octal such as 0755 or 1777"],
    ["--root-mode", "99", "a mode in octal such as 0755 or 1777"],
    ["--protocols", "ftp", "nfs, smb, both with a comma between, or none"],
    ["--read-only", "/export", "true, false"],
  ])("refuse %s %s", async (flag, value, allowed) => {
    expect(await run(["share", "create", "--name", "/p", flag, value])).toMatchObject({ status: 2, err: `error: ${flag}: ${JSON.stringify(value)} is not allowed here; allowed: ${allowed}\n` });
    expect(api.got).toEqual([]);
  });
  test("a share that is not served says why", async () => {
    api.on(contract.shares.create, share("/p", { state: "failed", error: "no room" }));
    expect((await run(["share", "create", "--name", "/p"])).out).toBe("created the share /p (default metadata, default blocks, failed: no room)\n");
  });
});

describe("share delete", () => {
  test("--force also means: although it is in use", async () => {
    api.on(contract.shares.delete, (got) => (got.query.force === true ? (undefined as never) : new Refusal("in_use", "two clients use it", { hint: "dittofs share delete --force" })));
    expect(await run(["share", "delete", "/p", "--yes"])).toMatchObject({ status: 6, err: "error: two clients use it\nhint: dittofs share delete --force\n" });
    expect(await run(["share", "remove", "/p", "--force"])).toMatchObject({ status: 0, out: "deleted the share /p; its data stays until dittofs share delete /p --purge (what a share has in memory, until the server stops)\n" });
    expect(api.last.query).toEqual({ force: true });
  });
  test("--purge asks another question", async () => {
    api.on(contract.shares.delete, undefined as never);
    const questions: string[] = [];
    const asked = (question: string) => void questions.push(question);
    expect((await run(["share", "delete", "/p", "--purge"], { answers: ["yes"], asked })).out).toBe("deleted the share /p and its data\n");
    expect(api.last.query).toEqual({ purge: true });
    await run(["share", "delete", "/p"], { answers: [null], asked });
    expect(questions).toEqual(["Delete the share /p AND ALL ITS DATA, for good? [y/N] ", "Delete the share /p? Its data stays. [y/N] "]);
    expect(api.got).toHaveLength(1);
  });
});

test("a path of nothing, or of dots, is nobody's share", async () => {
  for (const name of ["/", "", "/..", "."]) expect(await run(["share", "show", name])).toMatchObject({ status: 2, err: `error: ${JSON.stringify(name)} can't be the share\n` });
});

test("a table is no wider than the terminal, and whole in a file", async () => {
  api.onList(contract.shares.list, [share("/export", { effective_clients: ["127.0.0.0/8", "::1", "192.168.1.0/24", "10.0.0.0/8"] }), share("/数据/学生")]);
  const narrow = (await run(["share", "list"], { columns: 90 })).out;
  expect(narrow).toBe(`NAME        STATE    METADATA  BLOCKS   DURABILITY  ACCESS      DEFAULT  OPEN TO
/export     serving  default   default  local       read-write  none     127.0.0.0/8, ::1…
/数据/学生  serving  default   default  local       read-write  none     127.0.0.0/8, ::1
`);
  for (const line of narrow.trimEnd().split("\n")) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(90);
  expect((await run(["share", "list"])).out).toContain("none     127.0.0.0/8, ::1, 192.168.1.0/24, 10.0.0.0/8\n");
});

test("a share in memory is said to be volatile where shares are listed, shown and made", async () => {
  const ram = share("/scratch", { metadata: "ram", volatile: true });
  api.onList(contract.shares.list, [ram, share("/export")]).on(contract.shares.show, ram).on(contract.shares.create, ram);
  const { out } = await run(["share", "list"]);
  expect(out).toMatch(/^\/scratch .* local, volatile .*\n\/export .* local  /m);
  expect((await run(["share", "show", "/scratch"])).out).toMatch(/^volatile +yes$/m);
  expect((await run(["share", "create", "--name", "/scratch", "--metadata", "ram"])).out).toContain("everything in it is gone when the server stops");
});

test("what a client chose speaks to no terminal and forges no line", async () => {
  api.onList(contract.clients.mounts, [{ client: "c", protocol: "nfs", share: "/e", path: "/a\u001b[2J\nroot\u202e", mounted_at: "now" }]);
  expect((await run(["share", "mounts"])).out).toContain("/a␛[2J␊root\ufffd");
});

test("mounts, of one share or of all", async () => {
  const mount = { client: "10.0.0.7", protocol: "nfs", share: "/export", path: "/export", mounted_at: "2026-01-02T03:04:05Z" } as const;
  api.onList(contract.clients.mounts, [mount, { ...mount, protocol: "smb", share: "/b" }]).onList(contract.shares.mounts, [mount]);
  expect((await run(["share", "mounts", "--protocol", "nfs"])).status).toBe(0);
  expect(api.last).toMatchObject({ route: contract.clients.mounts, query: { protocol: "nfs" } });
  expect((await run(["share", "list-mounts", "/export"])).out).toBe("CLIENT    PROTOCOL  SHARE    PATH     SINCE\n10.0.0.7  nfs       /export  /export  2026-01-02T03:04:05Z\n");
  expect(api.last).toMatchObject({ route: contract.shares.mounts, params: { share: "export" } });
  expect(JSON.parse((await run(["share", "mounts", "/export", "--protocol", "smb", "-o", "json"])).out)).toEqual([]);
});

describe("what a client chose", () => {
  test.each(["json", "yaml"] as const)("speaks to no terminal in %s either, and reads back as it was", async (format) => {
    const path = "/export/\u009b31m\u007f\u202e: x\u001b[0m";
    api.on(contract.clients.mounts, { items: [{ client: "10.0.0.7", protocol: "nfs", share: "/export", path, mounted_at: "" }], page: 1, page_size: 100, total: 1 });
    api.on(contract.shares.mounts, { items: [{ client: "10.0.0.7", protocol: "nfs", share: "/export", path, mounted_at: "" }], page: 1, page_size: 100, total: 1 });
    const { out } = await run(["share", "mounts", "/export", "-o", format]);
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
    expect((format === "json" ? JSON.parse(out) : parse(out))[0].path).toBe(path);
  });
});

describe("share mount-info", () => {
  const info = { share: "/export", nfs: { linux: "mount -l", macos: "mount -m", windows: "mount -w" }, smb: null };
  test("prints each system's line, or one alone", async () => {
    api.on(contract.shares.mountInfo, info);
    expect((await run(["share", "mount-info", "/export"])).out).toBe("/export over NFS\n  Linux    mount -l\n  macOS    mount -m\n  Windows  mount -w\n");
    expect(api.last).toMatchObject({ params: { share: "export" }, query: { host: "127.0.0.1" } });
    expect((await run(["share", "mount-info", "/export", "--os", "macos", "--host", "files.example.com"])).out).toBe("mount -m\n");
    expect(api.last.query).toEqual({ host: "files.example.com" });
    expect(JSON.parse((await run(["share", "mount-info", "/export", "-o", "json"])).out)).toEqual(info);
  });
  test("of a protocol that doesn't serve it says so", async () => {
    api.on(contract.shares.mountInfo, info);
    expect(await run(["share", "mount-info", "/export", "--protocol", "smb"])).toMatchObject({ status: 6, out: "", err: expect.stringContaining("error: /export is not served over smb\n") });
  });
});

const store: schemas.Store = { name: "slow", type: "filesystem", config: { path: "/d" }, secrets: ["secret_key"], used_by: ["/export"], created_at: "", updated_at: "" };

describe("stores", () => {
  test("add takes flags, JSON, a file or standard input", async () => {
    api.on(contract.stores.create, store);
    expect(await run(["store", "block", "add", "--name", "slow", "--type", "filesystem", "--path", "/d"])).toMatchObject({ status: 0, out: "added the block store slow (filesystem)\n" });
    expect(api.last).toMatchObject({ params: { kind: "block" }, body: { name: "slow", type: "filesystem", config: { path: "/d" } } });
    await run(["store", "metadata", "add", "--name", "m", "--type", "sqlite", "--db-path", "/m.db", "--config", '{"a": 1, "b": true}']);
    expect(api.last).toMatchObject({ params: { kind: "metadata" }, body: { config: { path: "/m.db", a: 1, b: true } } });
    await run(["store", "metadata", "create", "--name", "m", "--type", "sqlite"]);
    expect(api.last.body).toEqual({ name: "m", type: "sqlite" });
    const file = join(home, "config.json");
    writeFileSync(file, '{"key": "from-file"}');
    await run(["store", "block", "add", "--name", "b", "--type", "memory", "--size", "1GiB", "--config", `@${file}`]);
    expect(api.last.body).toEqual({ name: "b", type: "memory", config: { key: "from-file", size: 2 ** 30 } });
    await run(["store", "block", "add", "--name", "b", "--type", "s3", "--config", "-"], { input: '{"secret_key": "x"}' });
    expect(api.last.body).toEqual({ name: "b", type: "s3", config: { secret_key: "x" } });
  });
  test("a configuration that can't be read is not repeated: it may hold a secret", async () => {
    for (const given of ["{secret", "[1]", '{"a": {"secret": 1}}', "3", "null"]) {
      const done = await run(["store", "block", "edit", "slow", "--config", given]);
      expect([done.status, done.err.includes("secret")]).toEqual([2, false]);
    }
    expect((await run(["store", "block", "edit", "slow"])).err).toContain("nothing to change; give at least one of --path, --size, --bucket, ");
  });
  test("list, edit, remove", async () => {
    api.onList(contract.stores.list, [store]).on(contract.stores.edit, store).on(contract.stores.delete, undefined as never);
    expect((await run(["store", "block", "list"])).out).toBe("NAME  TYPE        CONFIGURATION  USED BY\nslow  filesystem  path=/d        /export\n");
    await run(["store", "block", "edit", "slow", "--config", '{"path": null}']);
    expect(api.last.body).toEqual({ config: { path: null } });
    expect((await run(["store", "block", "remove", "slow"], { answers: ["y"] })).out).toBe("deleted the block store slow\n");
  });
  test("health tries one or all; exit status 1 where one is not healthy", async () => {
    api.onList(contract.stores.list, [store, { ...store, name: "gone" }]).on(contract.stores.health, (got) => ({ name: got.params.name, healthy: got.params.name === "slow", error: got.params.name === "slow" ? null : "no such directory", latency_ms: 1.2345, checked_at: "now" }));
    expect(await run(["store", "block", "health"])).toMatchObject({ status: 1, out: "NAME  HEALTHY  LATENCY  CHECKED  ERROR\nslow  yes      1.23 ms  now      -\ngone  no       1.23 ms  now      no such directory\n" });
    expect((await run(["store", "block", "health", "slow"])).status).toBe(0);
    expect((await run(["store", "block", "health", "--name", "gone"])).status).toBe(1);
  });
});
