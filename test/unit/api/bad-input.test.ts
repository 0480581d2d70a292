import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type AnyRoute, allRoutes, contract, errorCodes, none } from "../../../src/api/contract/index.ts";
import { errorsOf } from "../../../src/api/contract/route-errors.ts";
import { type TestApi, serveApi } from "../../support/api-server.ts";
import { faultOf, pathOf, sampleOf, secretShapes, traces } from "../../support/api-checks.ts";
import { type RealControl, adminPassword, controlSecret, realControl } from "../../support/real-control.ts";
import { fakeRuntime } from "../../support/fake-control.ts";
import { LogLines } from "../../support/log-lines.ts";

const secrets = [adminPassword, controlSecret];

let real: RealControl;
let server: TestApi;
let token: string;
const controlLog = new LogLines();

beforeAll(async () => {
  const runtime = fakeRuntime();
  real = await realControl(runtime, controlLog);
  server = await serveApi(real.control, runtime);
  const pair = await server.client(null).call(contract.auth.login, { body: { username: "admin", password: adminPassword } });
  token = pair.access_token;
  secrets.push(pair.access_token, pair.refresh_token);
});

afterEach(() => {
  // What is refused is a matter between caller and interface: nothing of it is in the log but names and numbers.
  const lines = [...server.log.lines, ...controlLog.lines].join("\n");
  for (const secret of secrets) expect(lines).not.toContain(secret);
  expect(lines).not.toMatch(secretShapes);
  server.log.lines.length = 0;
});

afterAll(async () => {
  await server.listener.stop(0);
  await real.close();
});

/** Values that want to be something else where they arrive. */
const hostile: readonly string[] = [
  "' OR '1'='1",
  "'; DROP TABLE users; --",
  '" UNION TABLE users --',
  "$1; SELECT 1",
  "../../../../etc/passwd",
  "..%2f..%2fetc%2fpasswd",
  "..\\..\\windows\\win.ini",
  "/etc/passwd",
  "a\u0000b",
  "\u0000",
  "a\r\nX-Injected: 1",
  "\u001b]0;title\u0007",
  "${jndi:ldap://x}",
  "{{7*7}}",
  "`id`",
  "$(id)",
  "<script>alert(1)</script>",
  "\u202egnp.exe",
  "\ud800",
  "__proto__",
  "constructor",
  "null",
  "-1",
  "1e999",
  "x".repeat(300),
  "é".repeat(1030),
  "𝕏".repeat(600),
];

/** Values of no text field's type. */
const wrongTypes: readonly unknown[] = [null, true, 5, -1, 1.5, 2 ** 53, [], {}, [["x"]], { $gt: "" }];

async function send(route: AnyRoute, given: { readonly params?: Readonly<Record<string, string>>; readonly query?: string; readonly body?: unknown; readonly raw?: string }): Promise<{ readonly status: number; readonly code: string | null; readonly fields: readonly string[] }> {
  const path = pathOf(route.path, { ...(sampleOf(route.params) as Record<string, string>), ...given.params });
  const body = given.raw ?? (route.body === none ? undefined : JSON.stringify(given.body ?? sampleOf(route.body)));
  const response = await server.raw(route.method, `${path}${given.query === undefined ? "" : `?${given.query}`}`, { token, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  expect(faultOf(response.status, response.headers.get("content-type"), text, secrets)).toBeNull();
  expect(response.headers.get("x-injected")).toBeNull();
  if (response.status < 400) return { status: response.status, code: null, fields: [] };
  const problem = JSON.parse(text) as { code: keyof typeof errorCodes; errors?: { field: string }[] };
  return { status: response.status, code: problem.code, fields: (problem.errors ?? []).map(({ field }) => field) };
}

const short = (field: string, value: unknown): string => `${field}=${JSON.stringify(value)}`.slice(0, 80);
const propertiesOf = (schema: TSchema): Readonly<Record<string, TSchema>> => (schema["properties"] as Record<string, TSchema> | undefined) ?? {};
const takes = (schema: TSchema, value: unknown): boolean => Value.Check(schema, value);
/** As the value arrives: JSON and addresses have no half surrogate pairs. */
const arriving = (value: string): string => value.toWellFormed();
// Ends the session the other cases run in, or takes a minute on purpose.
const except = new Set(["auth.logout"]);
const routes = allRoutes.filter(({ name }) => !except.has(name));
const withBody = routes.filter(({ route }) => route.body !== none);

describe("parameters of a path", () => {
  for (const { name, route } of routes.filter((each) => Object.keys(propertiesOf(each.route.params)).length > 0)) {
    test(`${name} refuses or doesn't find hostile ones`, async () => {
      for (const [param, schema] of Object.entries(propertiesOf(route.params))) {
        for (const value of [...hostile, "%zz"]) {
          // An address can't say these: "%zz" goes as it is, dots alone make another path.
          const outcome = await send(route, { params: { [param]: value === "%zz" ? "%zz" : arriving(value) } });
          if (!takes(schema, arriving(value)) && value !== "%zz") expect([outcome.code, outcome.fields], short(param, value)).toEqual(["invalid_request", [param]]);
          else if (outcome.code !== null) expect(errorsOf(route), short(param, value)).toContain(outcome.code as never);
        }
      }
    });
  }
});

describe("queries", () => {
  for (const { name, route } of routes) {
    test(`${name} refuses wrong ones`, async () => {
      expect(await send(route, { query: "nonsense=1" })).toMatchObject({ code: "invalid_request", fields: ["nonsense"] });
      expect(await send(route, { query: "__proto__=1&constructor=2" })).toMatchObject({ code: "invalid_request", fields: ["__proto__", "constructor"] });
      for (const [field, schema] of Object.entries(propertiesOf(route.query))) {
        for (const value of [...hostile, "", "0", "1.5", "99999999999999999999"]) {
          const outcome = await send(route, { query: `${field}=${encodeURIComponent(arriving(value))}` });
          const wanted = takes(schema, arriving(value)) || takes(schema, Number(value));
          if (!wanted) expect([outcome.code, outcome.fields], short(field, value)).toEqual(["invalid_request", [field]]);
        }
        expect(await send(route, { query: `${field}=1&${field}=2` })).toMatchObject({ code: "invalid_request", fields: [field] });
      }
    });
  }
});

describe("bodies", () => {
  for (const { name, route } of withBody) {
    const fields = Object.entries(propertiesOf(route.body as TSchema));
    const required = new Set(route.body["required"] as readonly string[] | undefined);
    const good = route.body === none ? {} : (sampleOf(route.body) as Record<string, unknown>);

    test(`${name} refuses what is no body`, async () => {
      for (const raw of ["", "{", "nul", "{'a':1}", '{"a":1}x', "\u0000", "[".repeat(100_000), '{"a":'.repeat(10_000)]) {
        expect((await send(route, { raw })).code, raw.slice(0, 20)).toBe("invalid_request");
      }
      for (const body of ["null", "5", '"x"', "[]", "true"]) expect((await send(route, { raw: body })).code, body).toBe("invalid_request");
      expect((await send(route, { raw: `{"x":"${"y".repeat(2 ** 20)}"}` })).code).toBe("too_large");
    });

    test(`${name} refuses missing, unknown and wrong fields by name`, async () => {
      for (const field of required) {
        const { [field]: _left, ...rest } = good;
        expect(await send(route, { body: rest }), field).toMatchObject({ code: "invalid_request", fields: [field] });
      }
      if (fields.length > 0) expect(await send(route, { body: { ...good, nonsense: 1 } })).toMatchObject({ code: "invalid_request", fields: ["nonsense"] });
      if (fields.length > 0) expect(await send(route, { raw: JSON.stringify({ ...good, x: 0 }).replace('"x":0', '"__proto__":{"role":"admin"}') })).toMatchObject({ code: "invalid_request", fields: ["__proto__"] });
      for (const [field, schema] of fields) {
        for (const value of [...wrongTypes, ...hostile]) {
          if (takes(schema, value)) continue;
          const outcome = await send(route, { body: { ...good, [field]: value } });
          expect(outcome.code, short(field, value)).toBe("invalid_request");
          if (value !== "\ud800") expect(outcome.fields[0]?.split(".")[0], short(field, value)).toBe(field);
        }
      }
    });

    test(`${name} takes hostile text for what it is, or refuses it`, async () => {
      for (const [field, schema] of fields) {
        for (const value of hostile) {
          if (!takes(schema, value)) continue;
          const outcome = await send(route, { body: { ...good, [field]: value } });
          if (value === "\ud800") expect(outcome.code).toBe("invalid_request");
          if (outcome.code !== null) expect(errorsOf(route), short(field, value)).toContain(outcome.code as never);
        }
      }
      // Log-ins with names nobody has cost a bcrypt each.
    }, 60_000);
  }

  test("hostile text comes back as it was given", async () => {
    const admin = server.client(token);
    const description = "'; DROP TABLE groups; -- <script>${1}</script> ../../etc";
    await admin.call(contract.groups.create, { body: { name: "hostile", description } });
    expect((await admin.call(contract.groups.show, { params: { name: "hostile" } })).description).toBe(description);
    expect(await real.control.health()).toBeNull();
    expect((await admin.call(contract.users.list)).items.some((user) => user.username === "admin")).toBe(true);
  });
});

describe("headers", () => {
  const etags: readonly [string, string][] = [["v1", "invalid_request"], ['"v1', "invalid_request"], ['"v1" "v2"', "invalid_request"], ["", "invalid_request"], ['W/"v1"', "changed_meanwhile"], ['"x"', "changed_meanwhile"], ['"v999"', "changed_meanwhile"], ['"v-1"', "changed_meanwhile"], ['"v1e3"', "changed_meanwhile"], ['"v1", "v2"', "invalid_request"]];
  test.each(etags)("If-Match: %s is refused as %s", async (etag, code) => {
    const response = await server.raw("PUT", "/api/v1/users/admin", { token, body: "{}", headers: { "if-match": etag } });
    expect(((await response.json()) as { code: string }).code).toBe(code);
  });

  test("a very long address is refused", async () => {
    const response = await server.raw("GET", `/api/v1/users?search=${"x".repeat(9000)}`, { token });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([413, "too_large"]);
  });

  test("neither answers nor errors tell what runs here", async () => {
    const response = await server.raw("GET", "/api/v1/users/absent", { token });
    expect(await response.text()).not.toMatch(traces);
    expect(response.headers.get("server")).toBeNull();
    expect(response.headers.get("x-powered-by")).toBeNull();
  });
});
