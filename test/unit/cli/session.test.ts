import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { admin, contract, FakeApi, type Got, Refusal, tokens, user } from "./fake-api.ts";
import { cli, type Outcome, type World } from "./support.ts";
import { temporary } from "../../support/temporary.ts";

/** Log-ins: contexts, their file, their tokens. */

const api = new FakeApi();
let home = "";
const file = () => join(home, "dittofs", "contexts.json");
const saved = () => JSON.parse(readFileSync(file(), "utf8"));
const run = (args: readonly string[], world: World = {}): Promise<Outcome> => cli(args, { ...world, environment: { XDG_CONFIG_HOME: home, ...world.environment } });
const logIn = (...more: readonly string[]) => run(["login", "--server", api.url, "--username", "admin", "--password", "p", ...more]);

beforeEach(() => {
  home = temporary("session");
  api.clear();
  api.on(contract.auth.login, (got) => tokens(user(got.body.username, { role: "admin" }))).onList(contract.users.list, [admin]);
});
afterAll(() => api.stop());

describe("login", () => {
  test("keeps the log-in for its owner alone, and the next command uses it", async () => {
    const done = await logIn();
    expect(done).toMatchObject({ status: 0, out: `logged in to ${api.url} as admin (admin); context default\n`, err: "" });
    expect(saved()).toEqual({ version: 1, current: "default", contexts: { default: { server: api.url, username: "admin", access_token: "access-1", refresh_token: "refresh-1", expires_at: "2026-01-02T03:19:05.000Z" } } });
    expect([statSync(file()).mode & 0o7777, statSync(join(home, "dittofs")).mode & 0o7777]).toEqual([0o600, 0o700]);
    expect((await run(["user", "list"])).status).toBe(0);
    expect(api.last.token).toBe("access-1");
  });
  test("asks for name and password, offering the last name", async () => {
    await logIn();
    const questions: unknown[] = [];
    const done = await run(["login"], { answers: ["", "secret"], asked: (question, secret) => questions.push([question, secret]) });
    expect(done.status).toBe(0);
    expect(questions).toEqual([["Username [admin]: ", false], ["Password: ", true]]);
    expect(api.last.body).toEqual({ username: "admin", password: "secret" });
    // A session that lives must not be sent along where another is asked for.
    expect(api.last.token).toBeNull();
  });
  test("takes the password from standard input", async () => {
    expect((await run(["login", "--server", api.url, "-u", "admin", "--password-stdin"], { input: "from stdin\n" })).status).toBe(0);
    expect(api.last.body).toEqual({ username: "admin", password: "from stdin" });
  });
  test("where nobody can be asked, names the flag", async () => {
    expect(await run(["login", "--server", api.url])).toMatchObject({ status: 2, err: expect.stringContaining("--username is missing") });
    expect(await run(["login", "--server", api.url, "-u", "a"])).toMatchObject({ status: 2, err: expect.stringContaining("--password is missing") });
    expect(await run(["login", "--server", "ftp://x", "-u", "a"])).toMatchObject({ status: 2, err: expect.stringContaining('"ftp://x" is no server\'s address') });
  });
  test("names further contexts after user and server, and replaces the one of the same log-in", async () => {
    await logIn();
    await logIn();
    await run(["login", "--server", api.url, "--username", "alice", "--password", "p"]);
    await run(["login", "--server", api.url, "--username", "bob", "--password", "p", "--context", "bob"]);
    expect(Object.keys(saved().contexts)).toEqual(["default", `alice@${new URL(api.url).host}`, "bob"]);
    expect(saved().current).toBe("bob");
    expect(await logIn("--context", "../x")).toMatchObject({ status: 2, err: expect.stringContaining("can't name a context") });
  });
  test("makes a context of a name nobody has", async () => {
    // It gets as far as the name, before any server is asked.
    expect(await run(["login", "--context", "new"])).toMatchObject({ status: 2, err: expect.stringContaining("--username is missing") });
    expect(await run(["login", "-u", "a", "-p", "p"], { environment: { DITTOFS_CONTEXT: "work", DITTOFS_SERVER: api.url } })).toMatchObject({ status: 0, out: expect.stringContaining("; context work\n") });
    expect(await run(["context", "use", "work"], { environment: { DITTOFS_CONTEXT: "other" } })).toMatchObject({ status: 0, err: "warning: DITTOFS_CONTEXT is set to other and goes before it\n" });
  });
  test("a wrong password is status 4 and keeps nothing", async () => {
    api.on(contract.auth.login, new Refusal("wrong_credentials", "wrong user name or password") as never);
    expect(await logIn()).toMatchObject({ status: 4, err: "error: wrong user name or password\n" });
    expect(existsSync(file())).toBe(false);
  });
  test("warns where the password goes over a network as it is", async () => {
    const { err } = await run(["login", "--server", "http://192.0.2.1:9", "-u", "a", "-p", "p", "--timeout", "1ms"]);
    expect(err).toStartWith("warning: http://192.0.2.1:9 is not encrypted");
  });
});

describe("an account that must change its password", () => {
  const first = user("admin", { role: "admin", must_change_password: true });
  beforeEach(() => {
    api.on(contract.auth.login, tokens(first)).on(contract.users.changeOwnPassword, (got) => (got.token === "access-1" && got.body.current_password === "p" ? tokens(admin, 2) : new Refusal("wrong_credentials")));
  });
  test("is told, asked for a new one, and logged in with it", async () => {
    const questions: unknown[] = [];
    const done = await run(["login", "--server", api.url, "-u", "admin", "-p", "p"], { answers: ["a new one", "a new one"], asked: (question, secret) => questions.push([question, secret]) });
    expect(done.err).toBe("this account must change its password before it can do anything else\n");
    expect([done.status, questions]).toEqual([0, [["New password: ", true], ["New password again: ", true]]]);
    expect(done.out).toEndWith("changed the password of admin\n");
    expect(saved().contexts.default).toMatchObject({ access_token: "access-2", refresh_token: "refresh-2" });
  });
  test("takes it from a flag, or the second line of standard input", async () => {
    expect((await logIn("--new-password", "a new one")).status).toBe(0);
    expect(api.last.body).toEqual({ current_password: "p", new_password: "a new one" });
    expect((await run(["login", "--server", api.url, "-u", "admin", "--password-stdin"], { input: "p\nanother one" })).status).toBe(0);
    expect(api.last.body).toEqual({ current_password: "p", new_password: "another one" });
  });
  test("elsewhere is told which flag is missing; the log-in is kept for user change-password", async () => {
    expect(await logIn()).toMatchObject({ status: 2, err: expect.stringContaining("error: --new-password is missing\nhint: dittofs user change-password") });
    expect((await run(["user", "change-password", "--current", "p", "--new", "a new one"])).status).toBe(0);
    expect(saved().contexts.default.access_token).toBe("access-2");
  });
  test("a refused new password is said, and nothing of it repeated", async () => {
    api.on(contract.users.changeOwnPassword, new Refusal("invalid_value", "the new password is the old one") as never);
    const done = await logIn("--new-password", "not-to-be-shown");
    expect([done.status, done.err.includes("the password was not changed: the new password is the old one"), done.err.includes("not-to-be")]).toEqual([2, true, false]);
  });
});

test("logout ends the session and forgets the tokens, also where the server is gone", async () => {
  await logIn();
  api.on(contract.auth.logout, undefined as never);
  expect(await run(["logout"])).toMatchObject({ status: 0, out: `logged out of ${api.url}\n` });
  expect(api.last.token).toBe("access-1");
  expect(saved()).toEqual({ version: 1, current: "default", contexts: { default: { server: api.url, username: "admin" } } });
  expect(await run(["user", "list"])).toMatchObject({ status: 4, err: `error: not logged in to ${api.url}\nhint: dittofs login --server ${api.url}\n` });
  const gone = { server: "http://127.0.0.1:1", username: "a", access_token: "x" };
  writeFileSync(file(), JSON.stringify({ version: 1, current: "gone", contexts: { gone } }), { mode: 0o600 });
  expect(await run(["logout"])).toMatchObject({ status: 0, err: expect.stringContaining("warning: the server was not told") });
  expect(saved().contexts.gone).toEqual({ server: gone.server, username: "a" });
});

describe("which server, and as whom", () => {
  test("the flag goes before the environment, and that before the context", async () => {
    await logIn();
    await run(["login", "--server", api.url, "--username", "alice", "--password", "p", "--context", "other"]);
    api.on(contract.auth.me, admin);
    const tokenOf = async (args: readonly string[], environment: Record<string, string> = {}) => {
      expect((await run(["user", "show", ...args], { environment })).status).toBe(0);
      return api.last.token;
    };
    expect(await tokenOf(["--token", "flag"], { DITTOFS_TOKEN: "environment" })).toBe("flag");
    expect(await tokenOf([], { DITTOFS_TOKEN: "environment" })).toBe("environment");
    expect(await tokenOf(["--context", "default"], { DITTOFS_CONTEXT: "other" })).toBe("access-1");
    expect(await run(["user", "show", "--context", "nobody"])).toMatchObject({ status: 2, err: expect.stringContaining("there is no context nobody") });
  });
  test("a context's token goes to its own server alone", async () => {
    await logIn();
    const other = new FakeApi();
    try {
      expect(await run(["user", "list", "--server", other.url])).toMatchObject({ status: 4, err: expect.stringContaining(`not logged in to ${other.url}`) });
      expect(await run(["user", "list"], { environment: { DITTOFS_SERVER: other.url } })).toMatchObject({ status: 4 });
      expect(other.got).toEqual([]);
    } finally {
      await other.stop();
    }
  });
  test("a server that isn't there is status 7", async () => {
    expect(await run(["user", "list", "--server", "http://127.0.0.1:1", "--token", "t"])).toMatchObject({ status: 7, err: expect.stringContaining("error: cannot connect to http://127.0.0.1:1: nothing listens there.") });
    expect(await run(["user", "list", "--cacert", "/nonexistent", "--token", "t"])).toMatchObject({ status: 2, err: expect.stringContaining("--cacert: ENOENT") });
    expect((await run(["user", "list", "--timeout", "soon", "--token", "t"])).status).toBe(2);
  });
  test("-v says each call, and no token", async () => {
    await logIn();
    const { err } = await run(["user", "list", "-v"]);
    expect(err).toMatch(new RegExp(`^GET ${api.url}/api/v1/users: 200 \\(\\d+ ms\\)\\n$`));
  });
});

describe("an access token that has expired", () => {
  /** Each refresh token is good once: the second use of one would end the session. */
  const refreshes = () => api.got.filter((got) => got.route === contract.auth.refresh).length;
  let good = 1;
  beforeEach(() => {
    good = 2;
    const used = new Set<string>();
    api
      .on(contract.auth.refresh, (got) => {
        if (used.has(got.body.refresh_token)) return new Refusal("invalid_token", "this refresh token was used before");
        used.add(got.body.refresh_token);
        return tokens(admin, good);
      })
      .on(contract.users.list, (got: Got<typeof contract.users.list>) => (got.token === `access-${good}` ? { items: [admin], page: 1, page_size: 1000, total: 1 } : new Refusal("token_expired")));
  });
  test("is renewed and kept", async () => {
    await logIn();
    expect((await run(["user", "list"])).status).toBe(0);
    expect(saved().contexts.default).toMatchObject({ server: api.url, username: "admin", access_token: "access-2", refresh_token: "refresh-2" });
    good = 3;
    expect((await run(["user", "list"])).status).toBe(0);
    expect(refreshes()).toBe(2);
  });
  test("is renewed once by all who need it at a time", async () => {
    await logIn();
    const all = await Promise.all(Array.from({ length: 5 }, () => run(["user", "list"])));
    expect(all.map((one) => one.status)).toEqual([0, 0, 0, 0, 0]);
    expect(refreshes()).toBe(1);
    expect(readdirSync(join(home, "dittofs")).toSorted()).toEqual(["contexts.json", "contexts.json.lock"]);
  });
  test("is renewed once by several processes", async () => {
    await logIn();
    const main = join(import.meta.dir, "../../../src/main.ts");
    const spawned = Array.from({ length: 3 }, () => Bun.spawn([process.execPath, main, "user", "list", "-o", "json"], { env: { ...Bun.env, XDG_CONFIG_HOME: home }, stdin: "ignore", stderr: "pipe" }));
    expect(await Promise.all(spawned.map((one) => one.exited))).toEqual([0, 0, 0]);
    expect(refreshes()).toBe(1);
  }, 60_000);
  test("whose session has ended: the tokens are forgotten, and it is said what to do", async () => {
    await logIn();
    api.on(contract.auth.refresh, new Refusal("invalid_token") as never);
    expect(await run(["user", "list"])).toMatchObject({ status: 4, err: `error: the log-in to ${api.url} has ended\nhint: dittofs login --context default\n` });
    expect(saved().contexts.default).toEqual({ server: api.url, username: "admin" });
  });
  test("that was given is not renewed", async () => {
    await logIn();
    expect(await run(["user", "list", "--token", "given"])).toMatchObject({ status: 4, err: expect.stringContaining("hint: log in again") });
    expect(refreshes()).toBe(0);
  });
});

describe("the contexts' file", () => {
  const write = (text: string, mode = 0o600) => {
    mkdirSync(join(home, "dittofs"), { recursive: true });
    writeFileSync(file(), text);
    chmodSync(file(), mode);
  };
  test("that others could read is closed to them, and said", async () => {
    await logIn();
    chmodSync(file(), 0o644);
    const done = await run(["context", "current"]);
    expect([done.status, done.err]).toEqual([0, expect.stringContaining("was open to others (mode 0644); it is 0600 now")]);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect((await run(["context", "current"])).err).toBe("");
  });
  test.each([
    ["{", "is not JSON"],
    ["[]", "is not what dittofs writes there"],
    ['{"version": 2, "contexts": {}}', "is of format 2; this program knows 1"],
    ['{"version": 1, "contexts": {"a": {"server": 3}}}', "the context a has no server"],
  ])("%s is refused by name and left as it is", async (text, why) => {
    write(text);
    expect(await run(["user", "list"])).toMatchObject({ status: 1, err: expect.stringContaining(`error: ${file()}: ${why}`) });
    expect((await logIn()).status).toBe(1);
    expect(readFileSync(file(), "utf8")).toBe(text);
  });
  test("list, current, use, rename, remove", async () => {
    expect(await run(["context", "current"])).toMatchObject({ status: 5, err: "error: no context is in use\nhint: dittofs login makes one\n" });
    expect((await run(["context", "list", "-o", "json"])).out).toBe("[]\n");
    await logIn();
    await run(["login", "--server", api.url, "--username", "alice", "--password", "p", "--context", "work"]);
    expect((await run(["context", "use", "default"])).out).toBe(`using default (admin at ${api.url})\n`);
    expect((await run(["context", "rename", "default", "home"])).out).toBe("renamed default to home\n");
    expect((await run(["context", "current"])).out).toBe(`home (admin at ${api.url})\n`);
    expect(await run(["context", "rename", "home", "work"])).toMatchObject({ status: 6 });
    expect(await run(["context", "rename", "home", "a b"])).toMatchObject({ status: 2 });
    expect(await run(["context", "use", "nobody"])).toMatchObject({ status: 5, err: "error: there is no context nobody\nhint: there are: work, home\n" });
    const listed = JSON.parse((await run(["context", "list", "-o", "json"])).out);
    expect(listed).toEqual([
      { name: "work", current: false, server: api.url, username: "alice", logged_in: true, expires_at: "2026-01-02T03:19:05.000Z" },
      { name: "home", current: true, server: api.url, username: "admin", logged_in: true, expires_at: "2026-01-02T03:19:05.000Z" },
    ]);
    expect((await run(["context", "remove", "home"])).status).toBe(2);
    expect((await run(["context", "delete", "home", "--yes"])).out).toBe("removed the context home\n");
    expect(saved()).toMatchObject({ current: null });
    expect(Object.keys(saved().contexts)).toEqual(["work"]);
  });
  test("is changed by one at a time: no change is lost", async () => {
    await logIn();
    await Promise.all(Array.from({ length: 8 }, (_, i) => run(["login", "--server", api.url, "--username", `u${i}`, "--password", "p", "--context", `c${i}`])));
    expect(Object.keys(saved().contexts)).toHaveLength(9);
  });
});

describe("status", () => {
  const said = { version: "9", started_at: "t", uptime_seconds: 5, pid: 3, data_dir: "/d", database: "sqlite" as const, shares: { serving: 2, disabled: 0, failed: 1, volatile: 1 }, troubled_stores: [{ name: "cloud", error: "there is no bucket \"b\"", since: "2026-01-02T03:04:05.000Z", shares: ["/one", "/two"] }], adapters: [{ type: "nfs" as const, port: 2049, enabled: true, running: false }], clients: 4 };
  beforeEach(() => void api.on(contract.system.status, said));
  test("without a log-in is of this machine alone", async () => {
    expect(await run(["status"])).toMatchObject({ status: 3, out: expect.stringMatching(/^no server runs on \S+\n$/) });
  });
  test("with one also shows what the server says", async () => {
    await logIn();
    const { status, out } = await run(["status"]);
    expect([status, out]).toEqual([0, expect.stringMatching(/^no server runs on .*\n\nserver +http.*\nversion +9\n/)]);
    expect(out).toContain("shares      2 serving, 1 FAILED, 1 of them in memory, gone when the server stops\n");
    expect(out).toContain("adapters    nfs 2049 (not running)\n");
    expect(out).toContain('\nblock store cloud FAILS since 2026-01-02T03:04:05.000Z, for /one, /two:\n  there is no bucket "b"\n');
    expect(JSON.parse((await run(["status", "-o", "json"])).out)).toMatchObject({ running: false, server: said });
    expect(JSON.parse((await run(["status", "--context", "default", "-o", "json"])).out)).toEqual(said);
    expect(await run(["status", "--data-dir", "/srv/d"])).toMatchObject({ status: 3, out: "no server runs on /srv/d\n" });
  });
  test("a server that doesn't answer hides nothing of this machine", async () => {
    await logIn();
    api.on(contract.system.status, new Refusal("forbidden", "no") as never);
    expect(await run(["status"])).toMatchObject({ status: 3, out: expect.stringContaining("no server runs"), err: "error: no\n" });
    expect((await run(["status", "--context", "default"])).status).toBe(4);
    expect((await run(["status", "--server", "http://127.0.0.1:1", "--token", "t"])).status).toBe(7);
  });
});
