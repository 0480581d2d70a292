import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { contract } from "../../../src/api/contract/index.ts";
import { type TestApi, serveApi } from "../../support/api-server.ts";
import { type FakeControl, fakeControl, fakeUser } from "../../support/fake-control.ts";

let control: FakeControl;
let server: TestApi;

beforeAll(async () => {
  control = fakeControl();
  for (const role of ["admin", "operator", "user"] as const) control.rows.users.add(role, fakeUser(role, { role }));
  control.rows.users.add("newcomer", fakeUser("newcomer", { mustChangePassword: true, role: "admin" }));
  server = await serveApi(control);
});
afterAll(() => server.listener.stop(0));

const problem = async (response: Response) => {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const body = (await response.json()) as { code: string; status: number; detail: string; errors?: { field: string; message: string }[] };
  expect(body.status).toBe(response.status);
  return body;
};

describe("a call", () => {
  test("creates, shows, changes and deletes, with Location and ETag", async () => {
    const admin = server.client("access.admin");
    const made = await admin.exchange(contract.users.create, { body: { username: "alice", password: "correct horse" } });
    expect(made.location).toBe("/api/v1/users/alice");
    expect(made.etag).toBe('"v1"');
    const changed = await admin.exchange(contract.users.edit, { params: { username: "alice" }, body: { display_name: "Alice" }, ifMatch: '"v1"' });
    expect(changed.body.display_name).toBe("Alice");
    expect(changed.etag).toBe('"v2"');
    await expect(admin.call(contract.users.delete, { params: { username: "alice" }, ifMatch: '"v1"' })).rejects.toMatchObject({ code: "changed_meanwhile", status: 412 });
    await admin.call(contract.users.delete, { params: { username: "alice" }, ifMatch: '"v2"' });
    await expect(admin.call(contract.users.show, { params: { username: "alice" } })).rejects.toMatchObject({ code: "not_found" });
  });

  test.each(["export", "%2Fexport"])("finds the share /export as %p", async (name) => {
    if (control.rows.shares.rows.size === 0) await server.client("access.admin").call(contract.shares.create, { body: { name: "/export" } });
    const response = await server.raw("GET", `/api/v1/shares/${name}`, { token: "access.admin" });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ name: "/export" });
  });

  test("finds a share with several parts in its name", async () => {
    await server.client("access.admin").call(contract.shares.create, { body: { name: "/a/b" } });
    expect((await server.raw("GET", "/api/v1/shares/a%2Fb", { token: "access.admin" })).status).toBe(200);
    expect((await server.raw("GET", "/api/v1/shares/a/b", { token: "access.admin" })).status).toBe(404);
  });

  test("to / is sent on to /health", async () => {
    const response = await server.raw("GET", "/");
    expect([response.status, response.headers.get("location")]).toEqual([307, "/health"]);
  });

  test("with HEAD is answered without a body", async () => {
    const response = await server.raw("HEAD", "/api/v1/users", { token: "access.admin" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });
});

describe("a problem document answers", () => {
  const cases: readonly [what: string, method: string, path: string, init: Parameters<TestApi["raw"]>[2], code: string][] = [
    ["an unknown path", "GET", "/api/v1/nothing", {}, "not_found"],
    ["an undecodable path", "GET", "/api/v1/users/%zz", { token: "access.admin" }, "invalid_request"],
    ["a method that is not taken", "PATCH", "/api/v1/users", {}, "method_not_allowed"],
    ["no token", "GET", "/api/v1/users", {}, "unauthenticated"],
    ["a bad token", "GET", "/api/v1/users", { token: "rubbish" }, "invalid_token"],
    ["an expired token", "GET", "/api/v1/users", { token: "expired.admin" }, "token_expired"],
    ["a refresh token", "GET", "/api/v1/users", { token: "refresh.admin" }, "invalid_token"],
    ["a role that is too low", "GET", "/api/v1/users", { token: "access.user" }, "forbidden"],
    ["a user who must change the password", "GET", "/api/v1/users", { token: "access.newcomer" }, "password_change_required"],
    ["malformed JSON", "POST", "/api/v1/groups", { token: "access.admin", body: "{" }, "invalid_request"],
    ["another media type", "POST", "/api/v1/groups", { token: "access.admin", body: "{}", headers: { "content-type": "text/plain" } }, "unsupported_media_type"],
    ["a body that is too long", "POST", "/api/v1/groups", { token: "access.admin", body: `"${"x".repeat(2 ** 20)}"` }, "too_large"],
    ["a body where none is taken", "POST", "/api/v1/shares/export/enable", { token: "access.admin", body: "{}" }, "invalid_request"],
    ["a wrong query", "GET", "/api/v1/users?page=x", { token: "access.admin" }, "invalid_request"],
    ["a malformed If-Match", "DELETE", "/api/v1/users/user", { token: "access.admin", headers: { "if-match": "v1" } }, "invalid_request"],
    ["a weak If-Match", "DELETE", "/api/v1/users/user", { token: "access.admin", headers: { "if-match": 'W/"v1"' } }, "changed_meanwhile"],
    ["an If-Match where none is taken", "GET", "/api/v1/users", { token: "access.admin", headers: { "if-match": "*" } }, "invalid_request"],
  ];
  test.each(cases)("%s", async (_, method, path, init, code) => {
    expect((await problem(await server.raw(method, path, init))).code).toBe(code);
  });

  test("a wrong method with those the path takes", async () => {
    const response = await server.raw("PATCH", "/api/v1/users/me");
    expect(response.headers.get("allow")).toBe("DELETE, GET, HEAD, PUT");
  });

  test("wrong fields, each by name", async () => {
    const response = await server.raw("POST", "/api/v1/users", { token: "access.admin", body: JSON.stringify({ username: "../x", password: 5, role: "root", extra: 1, groups: ["a", 5] }) });
    const { errors } = await problem(response);
    expect(Object.fromEntries((errors ?? []).map(({ field, message }) => [field, message]))).toEqual({
      extra: "is no field of this call",
      username: "must be text: Letters, digits, _ . @ -, at most 64, not beginning with a dot or dash",
      password: "must be text: 8 characters at least, 72 bytes at most (bcrypt takes no more)",
      role: "must be one of user, operator, admin",
      "groups.1": "must be text: Letters, digits, _ . @ -, at most 64, not beginning with a dot or dash",
    });
  });
});
