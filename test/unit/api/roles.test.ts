import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SignJWT } from "jose";
import { type AnyRoute, allRoutes, contract } from "../../../src/api/contract/index.ts";
import { memoryTokens } from "../../../src/api/client/index.ts";
import { type TestApi, serveApi } from "../../support/api-server.ts";
import { pathOf, problemOf, sampleOf } from "../../support/api-checks.ts";
import { type RealControl, adminPassword, realControl, tokenKey } from "../../support/real-control.ts";
import { fakeRuntime } from "../../support/fake-control.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";

const roles = ["user", "operator", "admin"] as const;
type RoleName = (typeof roles)[number];

let real: RealControl;
let server: TestApi;
const tokens = {} as Record<RoleName | "newcomer" | "refresh", string>;

const password = "planted-password-of-the-rest";

beforeAll(async () => {
  const runtime = fakeRuntime();
  real = await realControl(runtime, silentLogger);
  server = await serveApi(real.control, runtime);
  const login = (username: string, secret: string) => server.client(null).call(contract.auth.login, { body: { username, password: secret } });
  const first = await login("admin", adminPassword);
  const admin = server.client(first.access_token);
  tokens.admin = first.access_token;
  tokens.refresh = first.refresh_token;
  for (const username of ["user", "operator", "newcomer"] as const) {
    const role = username === "newcomer" ? "admin" : username;
    await admin.call(contract.users.create, { body: { username, password, role, must_change_password: username === "newcomer" } });
    tokens[username] = (await login(username, password)).access_token;
  }
});

afterAll(async () => {
  await server.listener.stop(0);
  await real.close();
});

/**
 * A call that a caller who is let in gets an answer to without anything being changed: where a route changes something, its body is
 * wrong, which is looked at only after the caller.
 */
function harmless(route: AnyRoute, token: string | null): Promise<Response> {
  const path = pathOf(route.path, sampleOf(route.params) as Record<string, string>);
  return server.raw(route.method, path, { ...(token === null ? {} : { token }), ...(route.method === "GET" ? {} : { body: "[]" }) });
}

const rank: Record<string, number> = { anyone: 0, user: 1, operator: 2, admin: 3 };
const refusedCodes = ["unauthenticated", "invalid_token", "token_expired", "forbidden", "password_change_required"];
const guarded = allRoutes.filter(({ route }) => route.role !== "anyone");

async function codeOf(response: Response): Promise<string | null> {
  return response.status < 400 ? (await response.arrayBuffer(), null) : (await problemOf(response, [password, adminPassword])).code;
}

function expectAdmitted(name: string, route: AnyRoute, code: string | null): void {
  expect(refusedCodes, name).not.toContain(code);
  if (route.method !== "GET") expect(code, name).toBe("invalid_request");
}

/** A token as this server makes them, but for what is given. */
async function forged(more: { readonly key?: Uint8Array; readonly claims?: object; readonly expired?: boolean }): Promise<string> {
  const [, payload] = tokens.admin.split(".") as [string, string];
  const claims = { ...(JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>), ...more.claims };
  return await new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(more.key ?? tokenKey);
}

const unsigned = (header: object): string => {
  const [, payload] = tokens.admin.split(".") as [string, string];
  return `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${payload}.`;
};

describe("every route", () => {
  test.each(roles)("lets role %s in exactly where the contract says so", async (role) => {
    for (const { name, route } of allRoutes) {
      const code = await codeOf(await harmless(route, tokens[role]));
      if (rank[role] as number >= (rank[route.role] as number)) expectAdmitted(`${role} ${name}`, route, code);
      else expect(code, `${role} ${name}`).toBe("forbidden");
    }
  });

  test("lets nobody in without a token, but where anyone may call", async () => {
    for (const { name, route } of allRoutes) {
      const response = await harmless(route, null);
      const challenge = response.headers.get("www-authenticate");
      const code = await codeOf(response);
      if (route.role === "anyone") expectAdmitted(name, route, code);
      else expect([code, challenge], name).toEqual(["unauthenticated", "Bearer"]);
    }
  });

  test("lets whoever must change the password first do only that and what goes before", async () => {
    const open: string[] = [];
    for (const { name, route } of guarded) {
      const code = await codeOf(await harmless(route, tokens.newcomer));
      if (route.beforePasswordChange) open.push(name);
      if (route.beforePasswordChange) expectAdmitted(name, route, code);
      else expect(code, name).toBe("password_change_required");
    }
    expect(open).toEqual(["auth.logout", "auth.me", "users.changeOwnPassword", "system.status"]);
  });

  const bad: readonly [string, () => Promise<string> | string, string][] = [
    ["rubbish", () => "rubbish", "invalid_token"],
    ["nothing", () => "a.b.c", "invalid_token"],
    ["a refresh token", () => tokens.refresh, "invalid_token"],
    ["the algorithm none", () => unsigned({ alg: "none", typ: "JWT" }), "invalid_token"],
    ["the algorithm nOnE", () => unsigned({ alg: "nOnE" }), "invalid_token"],
    ["no signature", () => unsigned({ alg: "HS256", typ: "JWT" }), "invalid_token"],
    ["a foreign signature", () => forged({ key: new Uint8Array(32).fill(8) }), "invalid_token"],
    ["another user's id", () => forged({ key: new Uint8Array(32).fill(8), claims: { sub: "x" } }), "invalid_token"],
    ["an expired date", () => forged({ claims: { exp: 1_600_000_000, iat: 1_500_000_000 } }), "token_expired"],
    ["a date to come", () => forged({ claims: { iat: 4_000_000_000, exp: 4_000_000_900 } }), "invalid_token"],
    ["another audience", () => forged({ claims: { aud: "somebody else" } }), "invalid_token"],
    ["a session that never was a user's", () => forged({ claims: { sub: "00000000-0000-0000-0000-000000000000" } }), "invalid_token"],
    ["5,000 characters", () => "x".repeat(5000), "invalid_token"],
  ];
  test.each(bad)("refuses a token with %s", async (_, make, code) => {
    const token = await make();
    for (const { name, route } of guarded) expect(await codeOf(await harmless(route, token)), name).toBe(code);
  });

  test.each(["Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer ", "bearer a b", "Token x"])("refuses the header %p", async (authorization) => {
    const response = await server.raw("GET", "/api/v1/users", { headers: { authorization } });
    expect((await problemOf(response)).code).toBe("invalid_token");
  });
});

test("a token forged as ours is taken: the refusals above are for what they name", async () => {
  expect(await codeOf(await harmless(contract.users.list, await forged({})))).toBeNull();
});

describe("a user", () => {
  test("sees their own account and no other", async () => {
    const user = server.client(tokens.user);
    expect((await user.call(contract.users.show, { params: { username: "user" } })).username).toBe("user");
    await expect(user.call(contract.users.show, { params: { username: "operator" } })).rejects.toMatchObject({ code: "forbidden" });
    await expect(user.call(contract.users.show, { params: { username: "absent" } })).rejects.toMatchObject({ code: "forbidden" });
  });

  test("sees the shares there is a permission for, and not that there are others", async () => {
    const admin = server.client(tokens.admin);
    const user = server.client(tokens.user);
    await admin.call(contract.groups.create, { body: { name: "staff" } });
    await admin.call(contract.groups.addMember, { params: { name: "staff" }, body: { username: "user" } });
    for (const [name, level] of [["/none", "none"], ["/open", "read"], ["/mine", "none"], ["/ours", "none"], ["/barred", "read-write"]] as const) {
      await admin.call(contract.shares.create, { body: { name, default_permission: level } });
    }
    await admin.call(contract.permissions.grantUser, { params: { share: "/mine", username: "user" }, body: { level: "read" } });
    await admin.call(contract.permissions.grantGroup, { params: { share: "/ours", group: "staff" }, body: { level: "read-write" } });
    // A user's own grant beats the group's and the share's.
    await admin.call(contract.permissions.grantUser, { params: { share: "/barred", username: "user" }, body: { level: "none" } });
    await admin.call(contract.permissions.grantGroup, { params: { share: "/barred", group: "staff" }, body: { level: "admin" } });
    expect((await user.call(contract.shares.list)).items.map((share) => share.name)).toEqual(["/mine", "/open", "/ours"]);
    expect((await admin.all(contract.shares.list)).map((share) => share.name)).toEqual(["/barred", "/mine", "/none", "/open", "/ours"]);
    for (const route of [contract.shares.show, contract.shares.status, contract.shares.mountInfo]) {
      await user.call(route, { params: { share: "/mine" } });
      const hidden = await user.call(route, { params: { share: "/none" } }).catch((error: unknown) => error);
      const absent = await user.call(route, { params: { share: "/noen" } }).catch((error: unknown) => error);
      expect(hidden).toMatchObject({ code: "not_found" });
      const { instance: _1, ...one } = (hidden as { problem: { instance: string; detail: string } }).problem;
      const { instance: _2, ...other } = (absent as { problem: { instance: string; detail: string } }).problem;
      expect({ ...one, detail: one.detail.replace("/none", "X") }).toEqual({ ...other, detail: other.detail.replace("/noen", "X") });
    }
  });

  test("who is disabled, or whose password was set, is out at once", async () => {
    const admin = server.client(tokens.admin);
    await admin.call(contract.users.create, { body: { username: "leaver", password } });
    const login = () => server.client(null).call(contract.auth.login, { body: { username: "leaver", password } });
    const before = server.client((await login()).access_token);
    await before.call(contract.auth.me);
    await admin.call(contract.users.setPassword, { params: { username: "leaver" }, body: { new_password: password } });
    await expect(before.call(contract.auth.me)).rejects.toMatchObject({ code: "invalid_token" });
    const again = server.client((await login()).access_token);
    await again.call(contract.auth.me);
    await admin.call(contract.users.edit, { params: { username: "leaver" }, body: { enabled: false } });
    await expect(again.call(contract.auth.me)).rejects.toMatchObject({ code: "invalid_token" });
    await expect(login()).rejects.toMatchObject({ code: "wrong_credentials", status: 401 });
  });
});

test("what is changed is in the audit log with who did it and from where", async () => {
  const admin = server.client(tokens.admin);
  await admin.call(contract.groups.create, { body: { name: "audited" } });
  const { items } = await admin.call(contract.audit.list, { query: { target: "audited", sort: "-number" } });
  expect(items[0]).toMatchObject({ actor: "admin", address: "127.0.0.1", target_type: "group", target: "audited" });
});

test("a pair of tokens renewed by the client goes on working", async () => {
  const pair = await server.client(null).call(contract.auth.login, { body: { username: "operator", password } });
  const renewed = await server.client(null).call(contract.auth.refresh, { body: { refresh_token: pair.refresh_token } });
  expect(renewed.access_token).not.toBe(pair.access_token);
  const source = memoryTokens({ accessToken: renewed.access_token, refreshToken: renewed.refresh_token });
  expect(await source.read()).toMatchObject({ accessToken: renewed.access_token });
  expect((await server.client(renewed.access_token).call(contract.auth.me)).username).toBe("operator");
});
