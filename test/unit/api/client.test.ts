import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../../src/base/clock.ts";
import { ApiError, type Client, ConnectError, type TokenSource, createClient } from "../../../src/api/client/index.ts";
import { contract } from "../../../src/api/contract/index.ts";
import type { Tokens } from "../../../src/api/contract/schemas.ts";
import type { ControlPlane } from "../../../src/control/services.ts";
import { type TestApi, serveApi } from "../../support/api-server.ts";
import { type FakeControl, fakeControl, fakeUser } from "../../support/fake-control.ts";
import { ManualClock } from "../../support/manual-clock.ts";

let control: FakeControl;
let server: TestApi;
let refreshes = 0;

beforeAll(async () => {
  control = fakeControl();
  for (let i = 0; i < 2345; i++) control.rows.groups.add(`g${i}`, { name: `g${i}`, gid: i, description: "", members: [], version: 1, createdAt: 0, updatedAt: 0 });
  control.rows.users.add("admin", fakeUser("admin", { role: "admin" }));
  const { logins } = control;
  const counting: ControlPlane = {
    ...control,
    logins: {
      ...logins,
      login: (...args) => logins.login(...args),
      authenticate: (token) => logins.authenticate(token),
      refresh: (token, address) => {
        refreshes++;
        return logins.refresh(token, address);
      },
    },
  };
  server = await serveApi(counting);
});
afterAll(() => server.listener.stop(0));

function client(tokens: TokenSource): Client {
  return createClient({ baseUrl: `${server.listener.url}/`, timeoutMs: 20_000, clock: systemClock, tokens });
}

function expired(more: Partial<TokenSource> = {}): TokenSource & { readonly saved: Tokens[] } {
  let pair = { accessToken: "expired.admin", refreshToken: "refresh.admin" as string | null };
  const saved: Tokens[] = [];
  return {
    saved,
    read: () => pair,
    save: (tokens) => {
      saved.push(tokens);
      pair = { accessToken: tokens.access_token, refreshToken: tokens.refresh_token };
    },
    ...more,
  };
}

describe("an expired access token", () => {
  test("is renewed once, kept, and the call made again", async () => {
    const tokens = expired();
    const one = client(tokens);
    expect((await one.call(contract.auth.me)).username).toBe("admin");
    expect(tokens.saved.map((pair) => pair.access_token)).toEqual(["access.admin"]);
    await one.call(contract.auth.me);
    expect(tokens.saved.length).toBe(1);
  });

  test("is renewed once for calls that are made together: a refresh token is good once", async () => {
    const before = refreshes;
    const one = client(expired());
    await Promise.all(Array.from({ length: 10 }, () => one.call(contract.auth.me)));
    expect(refreshes - before).toBe(1);
  });

  test("that another process renewed meanwhile is not renewed again", async () => {
    const before = refreshes;
    let reads = 0;
    const tokens = expired({ read: () => ({ accessToken: reads++ === 0 ? "expired.admin" : "access.admin", refreshToken: "refresh.gone" }) });
    expect((await client(tokens).call(contract.auth.me)).username).toBe("admin");
    expect(refreshes).toBe(before);
  });

  test("is renewed under the source's lock", async () => {
    const steps: string[] = [];
    const tokens = expired({
      exclusive: async (work) => {
        steps.push("locked");
        const result = await work();
        steps.push("unlocked");
        return result;
      },
    });
    await client({ ...tokens, save: (pair) => (steps.push("saved"), tokens.save(pair)) }).call(contract.auth.me);
    expect(steps).toEqual(["locked", "saved", "unlocked"]);
  });

  test("without a refresh token is an error, as is a renewal that is refused", async () => {
    await expect(client(expired({ read: () => ({ accessToken: "expired.admin", refreshToken: null }) })).call(contract.auth.me)).rejects.toMatchObject({ code: "token_expired" });
    await expect(client(expired({ read: () => ({ accessToken: "expired.admin", refreshToken: "rubbish" }) })).call(contract.auth.me)).rejects.toMatchObject({ code: "invalid_token" });
  });
});

describe("a call", () => {
  test("that is refused throws the problem", async () => {
    const error = await server.client("access.admin").call(contract.users.show, { params: { username: "absent" } }).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).problem).toMatchObject({ code: "not_found", status: 404, type: "urn:dittofs:problem:not_found" });
    expect((error as ApiError).message).toBe("There is no user absent.");
  });

  test("walks every page of a list", async () => {
    const all = await server.client("access.admin").all(contract.groups.list, { query: { sort: "-gid" } });
    expect([all.length, all[0]?.gid, all.at(-1)?.gid]).toEqual([2345, 2344, 0]);
    expect((await server.client("access.admin").all(contract.groups.list, { query: { page_size: 7, search: "g23" } })).length).toBe(56);
  });

  test("leaves out what is undefined, and encodes names", async () => {
    const admin = server.client("access.admin");
    const made = await admin.exchange(contract.shares.create, { body: { name: "/a b/ü?#%", description: undefined } });
    expect(made.location).toBe("/api/v1/shares/a%20b%2F%C3%BC%3F%23%25");
    expect((await admin.call(contract.shares.show, { params: { share: "/a b/ü?#%" } })).name).toBe("/a b/ü?#%");
    expect((await admin.call(contract.shares.list, { query: { search: undefined } })).total).toBe(1);
  });

  test.each(["", ".", ".."])("is not made with the parameter %p, which would make another path", async (username) => {
    await expect(server.client("access.admin").call(contract.users.show, { params: { username } })).rejects.toThrow(TypeError);
  });
});

describe("an address", () => {
  const at = (baseUrl: string, timeoutMs = 5000, clock = systemClock) => createClient({ baseUrl, timeoutMs, clock }).call(contract.health.live);

  test("of something else is told as such", async () => {
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("<html>", { headers: { "content-type": "text/html" } }) });
    await expect(at(`http://127.0.0.1:${other.port}`)).rejects.toThrow(/answered 200 with text\/html, which is not what a DittoFS server says/);
    await other.stop(true);
  });

  test("that sends the caller elsewhere is not followed with the token", async () => {
    const asked: string[] = [];
    const other = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        asked.push(new URL(request.url).pathname);
        return Response.redirect("/elsewhere", 307);
      },
    });
    await expect(at(`http://127.0.0.1:${other.port}`)).rejects.toThrow(ConnectError);
    expect(asked).toEqual(["/health"]);
    await other.stop(true);
  });

  test("that does not answer is given up after the time limit", async () => {
    const clock = new ManualClock();
    const silent = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => {
        clock.pass(5000);
        return new Promise<Response>(() => {});
      },
    });
    await expect(at(`http://127.0.0.1:${silent.port}`, 5000, clock)).rejects.toThrow(/no answer from .* within 5 seconds/);
    await silent.stop(true);
  });

  test("that speaks TLS where http:// was given, and the other way round, is told with what to check", async () => {
    await expect(at(server.listener.url.replace("http:", "https:"))).rejects.toThrow(/cannot connect to https:.*TLS/);
  });

  test("whose host is unknown", async () => {
    await expect(at("http://no-such-host.invalid:8080")).rejects.toThrow(/cannot connect to http:\/\/no-such-host\.invalid:8080: the host was not found or can't be reached/);
  });
});
