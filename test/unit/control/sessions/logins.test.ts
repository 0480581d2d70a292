import { describe, expect, test } from "bun:test";
import { sessions } from "#control/database/tables.ts";
import { ControlError } from "#control/errors.ts";
import { sessionsPerUserMax } from "#control/sessions/session-table.ts";
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

  test("is refused alike, after the same bcrypt work, for a wrong password, an unknown user and a disabled user", async () => {
    const { logins, bcrypt, users, db, events } = await makeWorld();
    const refusals: ControlError[] = [];
    const attempt = async (name: string, password: string) => {
      const before = bcrypt.verified.length;
      const error: unknown = await logins.login(name, password, address).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(ControlError);
      refusals.push(error as ControlError);
      const work = bcrypt.verified.slice(before);
      expect(work.length).toBe(1);
      expect(work[0]?.hash).toMatch(/^\$2b\$10\$/);
    };
    await attempt("alice", "wrong horse");
    await attempt("nobody", alicePassword);
    await attempt("alice", "\0".repeat(9));
    await attempt("alice", "x".repeat(73));
    await attempt("alice", "");
    users.edit(aliceId, { enabled: false });
    await attempt("alice", alicePassword);
    users.edit(aliceId, { enabled: true, passwordHash: "" });
    await attempt("alice", alicePassword);
    for (const one of refusals) expect([one.code, one.message, one.hint]).toEqual(["wrong_credentials", refusals[0]?.message as string, null]);
    expect(db.rowsOf(sessions)).toEqual([]);
    expect(events.map((event) => [event.action, event.user])).toEqual(["alice", null, "alice", "alice", "alice", "alice", "alice"].map((user) => ["login_failed", user]));
  });

  test("does not succeed with a password that was changed, or for a user who was disabled, while it waited for its turn", async () => {
    for (const change of [{ passwordHash: "another", sessionEpoch: 2 }, { enabled: false }]) {
      const { logins, bcrypt, users, db } = await makeWorld();
      const held = Promise.withResolvers<void>();
      bcrypt.hold = held.promise;
      const running = refusal(logins.login("alice", alicePassword, address));
      users.edit(aliceId, change);
      held.resolve();
      expect(await running).toBe("wrong_credentials");
      expect(db.rowsOf(sessions)).toEqual([]);
    }
  });

  test("succeeds though the audit log can't be written, and says so", async () => {
    const world = await makeWorld();
    world.events.push = () => {
      throw new Error("disk full");
    };
    await world.login();
    expect(world.log.lines.join()).toContain("could not be written to the audit log");
  });

  test("leaves no password and no token in the log and the audit log", async () => {
    const { logins, login, events, log, clock } = await makeWorld();
    const pair = await login();
    await refusal(logins.login("alice", "a secret typed wrong", address));
    await refusal(logins.login("a secret in the wrong field", "x", address));
    const next = await logins.refresh(pair.refreshToken, address);
    clock.pass(60_000);
    await refusal(logins.refresh(pair.refreshToken, address));
    const written = JSON.stringify(events) + log.lines.join();
    for (const secret of [alicePassword, "a secret", pair.accessToken, pair.refreshToken, next.refreshToken]) expect(written).not.toContain(secret);
  });

  test("ends the user's session that was not used for longest when there are too many", async () => {
    const { logins, login, clock, db } = await makeWorld();
    const first = await login();
    const second = await login();
    for (let i = 2; i < sessionsPerUserMax; i++) await login();
    clock.pass(1000);
    await logins.refresh(first.refreshToken, address);
    expect(await refusal(logins.authenticate(second.accessToken))).toBe(null);
    await login();
    expect(await refusal(logins.authenticate(second.accessToken))).toBe("invalid_token");
    expect(await refusal(logins.refresh(second.refreshToken, address))).toBe("invalid_token");
    expect(await refusal(logins.authenticate(first.accessToken))).toBe(null);
    expect(db.rowsOf(sessions).filter((row) => row.revokedAt === null).length).toBe(sessionsPerUserMax);
  });
});

describe("what changes at a user", () => {
  test("ends or changes what a token says at the next request", async () => {
    const { logins, login, users } = await makeWorld();
    const { accessToken, refreshToken } = await login();
    await logins.authenticate(accessToken);
    users.edit(aliceId, { role: "user" });
    expect((await logins.authenticate(accessToken)).user.role).toBe("user");
    users.edit(aliceId, { enabled: false });
    expect(await refusal(logins.authenticate(accessToken))).toBe("invalid_token");
    expect(await refusal(logins.refresh(refreshToken, address))).toBe("invalid_token");
    users.edit(aliceId, { enabled: true });
    expect(await refusal(logins.authenticate(accessToken))).toBe(null);
    users.edit(aliceId, { sessionEpoch: 2 });
    expect(await refusal(logins.authenticate(accessToken))).toBe("invalid_token");
    expect(await refusal(logins.refresh(refreshToken, address))).toBe("invalid_token");
    users.users.clear();
    expect(await refusal(logins.authenticate(accessToken))).toBe("invalid_token");
  });

  test("a log-out ends the session's tokens, and nobody else's", async () => {
    const { logins, login, events } = await makeWorld();
    const mine = await login();
    const other = await login();
    const caller = await logins.authenticate(mine.accessToken);
    await logins.logout(caller);
    await logins.logout(caller);
    expect(await refusal(logins.authenticate(mine.accessToken))).toBe("invalid_token");
    expect(await refusal(logins.refresh(mine.refreshToken, address))).toBe("invalid_token");
    expect(await refusal(logins.authenticate(other.accessToken))).toBe(null);
    expect(events.filter((event) => event.action === "logout")).toEqual([{ action: "logout", user: "alice", address, sessionId: caller.sessionId }]);
  });
});

describe("changing one's own password", () => {
  test("ends every other session and gives tokens that are good", async () => {
    const { logins, login, users, db } = await makeWorld();
    users.edit(aliceId, { mustChangePassword: true });
    const mine = await login();
    const other = await login();
    const caller = await logins.authenticate(mine.accessToken);
    const pair = await logins.changeOwnPassword(caller, alicePassword, "battery staple", address);
    expect(users.changes).toEqual([`alice ${address}`]);
    expect(pair.user.mustChangePassword).toBe(false);
    const { sessionId } = await logins.authenticate(pair.accessToken);
    expect(db.rowsOf(sessions).filter((row) => row.revokedAt === null).map((row) => row.id)).toEqual([sessionId]);
    for (const old of [mine, other]) {
      expect(await refusal(logins.authenticate(old.accessToken))).toBe("invalid_token");
      expect(await refusal(logins.refresh(old.refreshToken, address))).toBe("invalid_token");
    }
    expect(await refusal(logins.login("alice", alicePassword, address))).toBe("wrong_credentials");
    expect(await refusal(logins.login("alice", "battery staple", address))).toBe(null);
  });

  test("needs the current password, another new one, and one that is allowed", async () => {
    const { logins, login, users, bcrypt } = await makeWorld();
    const caller = await logins.authenticate((await login()).accessToken);
    expect(await refusal(logins.changeOwnPassword(caller, "wrong horse", "battery staple", address))).toBe("wrong_credentials");
    expect(await refusal(logins.changeOwnPassword(caller, alicePassword, alicePassword, address))).toBe("invalid_value");
    const spent = bcrypt.verified.length;
    const refused = await logins.changeOwnPassword(caller, alicePassword, "short", address).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "invalid_value", fields: [{ field: "new_password" }] });
    expect(bcrypt.verified.length).toBe(spent);
    expect(users.changes).toEqual([]);
  });

  test("is no way around the throttle for who has a stolen access token", async () => {
    const { logins, login, bcrypt } = await makeWorld();
    const caller = await logins.authenticate((await login()).accessToken);
    const answers = new Set<string | null>();
    for (let i = 0; i < 20; i++) answers.add(await refusal(logins.changeOwnPassword(caller, `guess number ${i}`, "battery staple", address)));
    expect([...answers]).toEqual(["wrong_credentials", "too_many_attempts"]);
    expect(bcrypt.verified.length).toBeLessThan(15);
  });

  test("does not overwrite a password that was set meanwhile", async () => {
    const { logins, login, users, bcrypt } = await makeWorld();
    const caller = await logins.authenticate((await login()).accessToken);
    const held = Promise.withResolvers<void>();
    bcrypt.hold = held.promise;
    const running = refusal(logins.changeOwnPassword(caller, alicePassword, "battery staple", address));
    users.edit(aliceId, { passwordHash: "set by an admin", sessionEpoch: 2 });
    held.resolve();
    expect(await running).toBe("invalid_token");
    expect(users.byId(aliceId)?.passwordHash).toBe("set by an admin");
  });
});
