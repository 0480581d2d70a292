import { describe, expect, test } from "bun:test";
import { sessions } from "#control/database/tables.ts";
import { address, aliceId, alicePassword, claimsOf, makeWorld, refusal } from "./world.ts";

describe("a log-in", () => {
  test("gives tokens that speak for the user, and a row that holds neither", async () => {
    const { logins, login, db, events, clock } = await makeWorld();
    const pair = await login();
    expect(pair.user.name).toBe("alice");
    expect(pair.expiresInSec).toBe(900);
    expect(pair.expiresAt).toBe((Math.floor(clock.ms / 1000) + 900) * 1000);
    const caller = await logins.authenticate(pair.accessToken);
    expect(caller.user.name).toBe("alice");
    const [row] = db.rowsOf(sessions);
    expect(row?.id).toBe(caller.sessionId);
    expect(row?.address).toBe(address);
    expect(JSON.stringify(row)).not.toContain(pair.refreshToken);
    expect(events).toEqual([{ action: "login", user: "alice", address, sessionId: caller.sessionId }]);
  });

  test("says in the access token what it is about", async () => {
    const { login } = await makeWorld();
    const claims = claimsOf((await login()).accessToken);
    expect(claims).toMatchObject({ sub: aliceId, username: "alice", role: "admin", typ: "access", epoch: 1, must_change_password: false, iss: "dittofs" });
  });
});

test("smoke: wrong", async () => {
  const { logins } = await makeWorld();
  expect(await refusal(logins.login("alice", "wrong horse", address))).toBe("wrong_credentials");
  expect(await refusal(logins.login("nobody", alicePassword, address))).toBe("wrong_credentials");
});
