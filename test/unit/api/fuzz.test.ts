import { afterAll, beforeAll, expect, test } from "bun:test";
import { allRoutes, contract } from "../../../src/api/contract/index.ts";
import { type TestApi, serveApi } from "../../support/api-server.ts";
import { secretShapes } from "../../support/api-checks.ts";
import { fakeControl, fakeRuntime, fakeUser } from "../../support/fake-control.ts";
import { type RealControl, adminPassword, controlSecret, realControl } from "../../support/real-control.ts";
import { fuzz } from "./fuzz.ts";
import { LogLines } from "../../support/log-lines.ts";

const password = "planted-password-of-others";
const secrets = [adminPassword, controlSecret, password];

let real: RealControl;
let server: TestApi;
const controlLog = new LogLines();
const tokens: (string | null)[] = [];

beforeAll(async () => {
  const runtime = fakeRuntime();
  real = await realControl(runtime, controlLog);
  server = await serveApi(real.control, runtime);
  const login = async (username: string, secret: string) => {
    const pair = await server.client(null).call(contract.auth.login, { body: { username, password: secret } });
    secrets.push(pair.access_token, pair.refresh_token);
    return pair.access_token;
  };
  const admin = await login("admin", adminPassword);
  for (const role of ["operator", "user"] as const) await server.client(admin).call(contract.users.create, { body: { username: `the-${role}`, password, role } });
  // Mostly as one who gets somewhere.
  tokens.push(...Array<string>(14).fill(admin), await login("the-operator", password), await login("the-user", password), null, "rubbish");
});

afterAll(async () => {
  await server.listener.stop(0);
  await real.close();
});

test.each([1, 3])("made-up calls of seed %p are answered as the document says, and nothing leaks", async (seed) => {
  const { faults, succeeded } = await fuzz(server, { seed, calls: 4500, tokens, secrets, except: ["auth.logout"] });
  expect(faults).toEqual([]);
  // A call that is always refused at the door tries nothing of what is behind it.
  const never = allRoutes.map(({ name }) => name).filter((name) => !succeeded.has(name));
  expect(never.length).toBeLessThan(allRoutes.length / 3);
  const lines = [...server.log.lines, ...controlLog.lines].join("\n");
  for (const secret of secrets) expect(lines).not.toContain(secret);
  expect(lines).not.toMatch(secretShapes);
  // And nothing was broken by it.
  expect(await real.control.health()).toBeNull();
  expect((await server.client(tokens[0] as string).call(contract.auth.me)).role).toBe("admin");
}, 60_000);

test("a handler that fails is found, and its error told to the log alone, without values", async () => {
  const control = fakeControl();
  control.rows.users.add("admin", fakeUser("admin", { role: "admin" }));
  const { users } = control;
  const broken = await serveApi({
    ...control,
    users: {
      ...users,
      list: () => {
        throw Object.assign(new Error(`Failed query: insert into users\nparams: ${password}`), { params: [password] });
      },
    },
  });
  // Some seeds end the session before they come to the users.
  const found: string[] = [];
  for (let seed = 1; seed <= 8 && found.length === 0; seed++) {
    const { faults } = await fuzz(broken, { seed, calls: 100, tokens: ["access.admin"], secrets, except: [] });
    found.push(...faults.filter((fault) => fault.includes("users.list")));
  }
  expect(found.length).toBeGreaterThan(0);
  expect(found.every((fault) => fault.includes("answered 500") || fault.includes("which the document doesn't name"))).toBe(true);
  const logged = broken.log.lines.filter((line) => line.includes("a call of the REST interface failed"));
  expect(logged.length).toBeGreaterThan(0);
  expect(logged[0]).toContain("Failed query");
  expect(broken.log.lines.join("\n")).not.toContain(password);
  await broken.listener.stop(0);
});
