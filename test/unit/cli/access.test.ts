import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { admin, contract, FakeApi, Refusal, user } from "./fake-api.ts";
import { cli, type World } from "./support.ts";
import { temporary } from "../../support/temporary.ts";

/** Users, groups, grants: arguments and flags to calls, replies to tables and objects. */

const api = new FakeApi();
const environment = { XDG_CONFIG_HOME: temporary("access"), DITTOFS_SERVER: api.url, DITTOFS_TOKEN: "t" };
const run = (args: readonly string[], world: World = {}) => cli(args, { ...world, environment });
beforeEach(() => api.clear());
afterAll(() => api.stop());

describe("user create", () => {
  test("sends what the flags say, each as its kind", async () => {
    api.on(contract.users.create, (got) => user(got.body.username, { uid: 1000, gid: 1001 }));
    const args = ["--username", "alice", "--password", "long enough", "--uid", "1000", "--gid", "1001", "--groups", "staff, lab", "--role", "operator", "--enabled", "false", "--must-change-password"];
    const done = await run(["user", "create", ...args]);
    expect(done).toMatchObject({ status: 0, out: "created the user alice (uid 1000, gid 1001, role user)\n", err: "" });
    expect(api.last.token).toBe("t");
    expect(api.last.body).toEqual({ username: "alice", password: "long enough", uid: 1000, gid: 1001, groups: ["staff", "lab"], role: "operator", enabled: false, must_change_password: true });
  });
  test("asks for what is missing, for a new password twice and without echo", async () => {
    api.on(contract.users.create, (got) => user(got.body.username));
    const questions: unknown[] = [];
    const answers = ["", "alice", "long enough", "long enuogh", "long enough", "long enough"];
    const done = await run(["user", "create"], { answers, asked: (question, secret) => questions.push([question, secret]) });
    expect([done.status, done.err]).toEqual([0, "these are not the same; once more\n"]);
    expect(questions).toEqual([["Username: ", false], ["Username: ", false], ["Password: ", true], ["Password again: ", true], ["Password: ", true], ["Password again: ", true]]);
    expect(api.last.body).toEqual({ username: "alice", password: "long enough" });
  });
  test("where nobody can be asked, names the flag, and calls nobody", async () => {
    expect(await run(["user", "create"])).toMatchObject({ status: 2, err: "error: --username is missing; give it, or run this at a terminal to be asked\n" });
    expect(await run(["user", "create", "--username", "a"])).toMatchObject({ status: 2, err: "error: --password is missing; give it with --password-stdin, or run this at a terminal to be asked\n" });
    expect(api.got).toEqual([]);
  });
  test("takes the password from standard input", async () => {
    api.on(contract.users.create, (got) => user(got.body.username));
    expect((await run(["user", "create", "--username", "a", "--password-stdin"], { input: "long enough\n" })).status).toBe(0);
    expect(api.last.body).toEqual({ username: "a", password: "long enough" });
    expect((await run(["user", "create", "--username", "a", "--password-stdin"], { input: "\n" })).err).toBe("error: standard input has no line for --password\n");
    expect((await run(["user", "create", "--username", "a", "--password-stdin", "-p", "x"], { input: "y\n" })).status).toBe(2);
  });
  test("a value of the wrong kind is wrong usage that names the flag", async () => {
    for (const [flag, value] of [["--uid", "many"], ["--role", "king"], ["--enabled", "perhaps"]] as const) {
      const done = await run(["user", "create", "--username", "a", "--password", "long enough", flag, value]);
      expect([done.status, done.err]).toEqual([2, expect.stringContaining(flag)]);
    }
    expect(api.got).toEqual([]);
  });
});

test("user list prints a table, and the objects as JSON or YAML, of all pages", async () => {
  const all = Array.from({ length: 1500 }, (_, i) => user(`u${i}`, { uid: i, groups: i === 0 ? ["staff", "lab"] : [] }));
  api.onList(contract.users.list, all);
  const { out } = await run(["user", "list", "--role", "user", "--sort", "-uid"]);
  expect(out.split("\n").slice(0, 3)).toEqual(["USERNAME  UID   GID   ROLE  ENABLED  GROUPS      NAME", "u0        0     1000  user  yes      staff, lab  -", "u1        1     1000  user  yes      -           -"]);
  expect(out.split("\n")).toHaveLength(1502);
  expect(api.got.map((got) => got.query)).toEqual([
    { role: "user", sort: "-uid", page: 1, page_size: 1000 },
    { role: "user", sort: "-uid", page: 2, page_size: 1000 },
  ]);
  expect(JSON.parse((await run(["user", "list", "-o", "json"])).out)).toEqual(all);
  expect((await run(["user", "list", "-o", "yaml"])).out).toStartWith("- username: u0\n  uid: 0\n");
});

test("user show, get, edit, delete, remove", async () => {
  api.on(contract.users.show, (got) => user(got.params.username)).on(contract.users.edit, (got) => user(got.params.username)).on(contract.users.delete, undefined as never).on(contract.auth.me, admin);
  expect((await run(["user", "get", "alice"])).out).toContain("username              alice\n");
  expect(JSON.parse((await run(["user", "show", "-o", "json"])).out)).toEqual(admin);
  expect(await run(["user", "edit", "alice", "--groups", "", "--enabled", "false"])).toMatchObject({ status: 0, out: "changed the user alice\n" });
  expect(api.last.body).toEqual({ groups: [], enabled: false });
  expect(await run(["user", "edit", "alice"])).toMatchObject({ status: 2, err: expect.stringContaining("nothing to change; give at least one of --uid, ") });
  expect(await run(["user", "remove", "alice", "--yes"])).toMatchObject({ status: 0, out: "deleted the user alice\n" });
});

test("what destroys asks first, and elsewhere than at a terminal takes --force or --yes", async () => {
  api.on(contract.users.delete, undefined as never);
  expect(await run(["user", "delete", "alice"])).toMatchObject({ status: 2, err: "error: Delete the user alice? Say so with --force or --yes; nobody is here to be asked\n" });
  expect(await run(["user", "delete", "alice"], { answers: ["n"] })).toMatchObject({ status: 1, err: "error: not confirmed; nothing was changed\n" });
  expect(api.got).toEqual([]);
  expect((await run(["user", "delete", "alice"], { answers: ["y"] })).status).toBe(0);
  expect((await run(["user", "delete", "alice", "--force"])).status).toBe(0);
  expect(api.got).toHaveLength(2);
});

test("groups and their members", async () => {
  const group = { name: "staff", gid: 2000, description: "all", members: ["alice"], created_at: "", updated_at: "" };
  api.on(contract.groups.create, group).on(contract.groups.addMember, undefined as never).on(contract.groups.removeMember, undefined as never).onList(contract.groups.list, [group]);
  expect((await run(["group", "create", "--name", "staff"])).out).toBe("created the group staff (gid 2000)\n");
  expect((await run(["group", "add-user", "staff", "alice"])).out).toBe("alice is in the group staff now\n");
  expect([api.last.params, api.last.body]).toEqual([{ name: "staff" }, { username: "alice" }]);
  expect((await run(["group", "remove-user", "staff", "alice"])).status).toBe(0);
  expect(api.last.params).toEqual({ name: "staff", username: "alice" });
  expect((await run(["group", "list"])).out).toBe("NAME   GID   MEMBERS  DESCRIPTION\nstaff  2000  alice    all\n");
});

test("grants are of one user or one group, and the slash of the share stays out of the path", async () => {
  const grant = { type: "user", name: "alice", level: "read-write" } as const;
  api.on(contract.permissions.grantUser, grant).on(contract.permissions.grantGroup, { ...grant, type: "group", name: "staff" }).on(contract.permissions.revokeUser, undefined as never);
  expect((await run(["share", "permission", "grant", "/a/b", "--user", "alice", "--level", "read-write"])).out).toBe("granted read-write on /a/b to the user alice\n");
  expect([api.last.params, api.last.body]).toEqual([{ share: "a/b", username: "alice" }, { level: "read-write" }]);
  await run(["share", "permission", "grant", "/a", "--group", "staff", "--level", "read"]);
  expect(api.last.params).toEqual({ share: "a", group: "staff" });
  expect((await run(["share", "permission", "revoke", "/a", "--user", "alice"])).status).toBe(0);
  expect((await run(["share", "permission", "grant", "/a", "--level", "read"])).err).toBe("error: --user or --group is missing\n");
  expect((await run(["share", "permission", "grant", "/a", "--user", "a", "--group", "b", "--level", "read"])).status).toBe(2);
  expect((await run(["share", "permission", "grant", "/a", "--user", "a"])).err).toContain("--level is missing");
});

test("a refusal is a sentence with its fields and what to do", async () => {
  api.on(contract.users.create, new Refusal("invalid_value", "two values are not allowed", { hint: "look at them", errors: [{ field: "uid", message: "is taken" }, { field: "gid", message: "is \u001b[31mred" }] }) as never);
  const done = await run(["user", "create", "--username", "a", "--password", "long enough"]);
  expect(done).toMatchObject({ status: 2, out: "", err: "error: two values are not allowed\n  uid: is taken\n  gid: is ␛[31mred\nhint: look at them\n" });
});
