import { describe, expect, test } from "bun:test";
import { sessions } from "#control/database/tables.ts";
import { refreshGraceMs } from "#control/sessions/logins.ts";
import { address, claimsOf, makeWorld, refusal } from "./world.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

describe("a refresh token", () => {
  test("gives new tokens of the same session, and is replaced", async () => {
    const { logins, login, clock, db } = await makeWorld();
    const first = await login();
    clock.pass(600_000);
    const second = await logins.refresh(first.refreshToken, address);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(second.accessToken).not.toBe(first.accessToken);
    expect((await logins.authenticate(second.accessToken)).sessionId).toBe((await logins.authenticate(first.accessToken)).sessionId);
    expect(db.rowsOf(sessions).length).toBe(1);
    expect(db.rowsOf(sessions)[0]?.expiresAt).toBe(clock.ms + 7 * 24 * 3600_000);
    expect(claimsOf(second.refreshToken)["jti"]).not.toBe(claimsOf(first.refreshToken)["jti"]);
  });

  test("goes on for as long as it is used within 7 days", async () => {
    const { logins, login, clock } = await makeWorld();
    let { refreshToken } = await login();
    for (let day = 0; day < 30; day++) {
      clock.pass(24 * 3600_000);
      refreshToken = (await logins.refresh(refreshToken, address)).refreshToken;
    }
  });

  test("used a second time ends its session at once: all its tokens, the newest too", async () => {
    const { logins, login, clock, events, log } = await makeWorld();
    const stolen = await login();
    const bystander = await login();
    clock.pass(60_000);
    const owner = await logins.refresh(stolen.refreshToken, address);
    clock.pass(refreshGraceMs + 1);
    expect(await refusal(logins.refresh(stolen.refreshToken, "198.51.100.9"))).toBe("invalid_token");
    expect(await refusal(logins.authenticate(owner.accessToken))).toBe("invalid_token");
    expect(await refusal(logins.authenticate(stolen.accessToken))).toBe("invalid_token");
    expect(await refusal(logins.refresh(owner.refreshToken, address))).toBe("invalid_token");
    expect(await refusal(logins.authenticate(bystander.accessToken))).toBe(null);
    expect(events.at(-1)).toMatchObject({ action: "session_revoked", user: "alice", address: "198.51.100.9" });
    expect(log.lines.join()).toContain("198.51.100.9");
  });

  test("older than the last one ends its session, however soon", async () => {
    const { logins, login } = await makeWorld();
    const first = await login();
    const second = await logins.refresh(first.refreshToken, address);
    const third = await logins.refresh(second.refreshToken, address);
    expect(await refusal(logins.refresh(first.refreshToken, address))).toBe("invalid_token");
    expect(await refusal(logins.authenticate(third.accessToken))).toBe("invalid_token");
  });

  test("of a session that another node ended is refused at once", async () => {
    const clock = new ManualClock();
    const one = await makeWorld({ clock });
    const other = await makeWorld({ clock, db: one.db, users: one.users, seed: 2 });
    const pair = await one.login();
    await one.logins.logout(await one.logins.authenticate(pair.accessToken));
    expect(await refusal(other.logins.refresh(pair.refreshToken, address))).toBe("invalid_token");
  });

  test("is one session's: it ends no other when it is used again", async () => {
    const { logins, login, clock } = await makeWorld();
    const one = await login();
    const other = await login();
    await logins.refresh(one.refreshToken, address);
    clock.pass(60_000);
    await refusal(logins.refresh(one.refreshToken, address));
    expect(await refusal(logins.refresh(other.refreshToken, address))).toBe(null);
  });
});

describe("two at the same moment", () => {
  test("get the same successor, and both go on", async () => {
    const { logins, login, clock } = await makeWorld();
    const first = await login();
    clock.pass(60_000);
    const [a, b] = await Promise.all([logins.refresh(first.refreshToken, address), logins.refresh(first.refreshToken, address)]);
    expect(a.refreshToken).toBe(b.refreshToken);
    expect(await refusal(logins.authenticate(a.accessToken))).toBe(null);
    expect(await refusal(logins.authenticate(b.accessToken))).toBe(null);
    clock.pass(refreshGraceMs - 60);
    const late = await logins.refresh(first.refreshToken, address);
    expect(late.refreshToken).toBe(a.refreshToken);
    expect(await refusal(logins.refresh(late.refreshToken, address))).toBe(null);
  });

  test("on two nodes, too", async () => {
    const clock = new ManualClock();
    const one = await makeWorld({ clock });
    const other = await makeWorld({ clock, db: one.db, users: one.users, seed: 2 });
    const first = await one.login();
    const a = await one.logins.refresh(first.refreshToken, address);
    clock.pass(2000);
    const b = await other.logins.refresh(first.refreshToken, address);
    expect(b.refreshToken).toBe(a.refreshToken);
  });

  test("gives a thief nothing that lasts: who uses the successor second ends the session", async () => {
    const { logins, login, clock } = await makeWorld();
    const first = await login();
    const owner = await logins.refresh(first.refreshToken, address);
    const thief = await logins.refresh(first.refreshToken, "198.51.100.9");
    clock.pass(60_000);
    const goesOn = await logins.refresh(thief.refreshToken, "198.51.100.9");
    clock.pass(60_000);
    expect(await refusal(logins.refresh(owner.refreshToken, address))).toBe("invalid_token");
    expect(await refusal(logins.authenticate(goesOn.accessToken))).toBe("invalid_token");
  });
});
