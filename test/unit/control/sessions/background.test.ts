import { describe, expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { sessions } from "#control/database/tables.ts";
import { Background } from "#control/sessions/background.ts";
import { BoundedMap } from "#control/sessions/bounded-map.ts";
import { sessionsPerUserMax } from "#control/sessions/session-table.ts";
import { RevokedSessions } from "#control/sessions/revoked.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { MemoryDatabase } from "./memory-database.ts";
import { makeWorld, refusal } from "./world.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

/** Lets what a timer began come to its end: everything around it is in memory, so that some turns of the loop are enough. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
}

describe("in the background", () => {
  test("expired sessions are deleted, and those that ended as soon as no token can name them", async () => {
    const { logins, login, clock, db } = await makeWorld();
    const ended = await login();
    await login();
    await logins.logout(await logins.authenticate(ended.accessToken));
    clock.pass(10 * 60_000);
    await settled();
    expect(db.rowsOf(sessions).length).toBe(2);
    clock.pass(10 * 60_000);
    await settled();
    expect(db.rowsOf(sessions).map((row) => row.revokedAt)).toEqual([null]);
    clock.ms += 8 * 24 * 3600_000;
    clock.pass(0);
    await settled();
    expect(db.rowsOf(sessions)).toEqual([]);
    await logins.close();
  });

  test("more than one step's worth is deleted", async () => {
    const { logins, login, clock, db } = await makeWorld();
    await login();
    const [row] = db.rowsOf(sessions);
    await db.transaction(async (tx) => {
      for (let i = 0; i < 1100; i++) await tx.insert(sessions, { ...row!, id: `made-${i}` });
    });
    clock.ms += 8 * 24 * 3600_000;
    clock.pass(0);
    await settled();
    expect(db.rowsOf(sessions)).toEqual([]);
    await logins.close();
  });

  test("what another node ended is refused within a second", async () => {
    const clock = new ManualClock();
    const db = new MemoryDatabase("postgres");
    const one = await makeWorld({ clock, db });
    const other = await makeWorld({ clock, db, users: one.users, seed: 2 });
    const pair = await one.login();
    expect(await refusal(other.logins.authenticate(pair.accessToken))).toBe(null);
    await one.logins.logout(await one.logins.authenticate(pair.accessToken));
    clock.pass(600);
    await settled();
    expect(await refusal(other.logins.authenticate(pair.accessToken))).toBe("invalid_token");
    // A clock that is behind by some seconds must not hide it.
    const late = await one.login();
    const { sessionId } = await one.logins.authenticate(late.accessToken);
    await db.transaction((tx) => tx.update(sessions, { id: sessionId }, { revokedAt: clock.ms - 5000 }));
    clock.pass(600);
    await settled();
    expect(await refusal(other.logins.authenticate(late.accessToken))).toBe("invalid_token");
    await one.logins.close();
    await other.logins.close();
  });

  test("what had ended before a start is refused after it", async () => {
    const clock = new ManualClock();
    const one = await makeWorld({ clock });
    const pair = await one.login();
    await one.logins.logout(await one.logins.authenticate(pair.accessToken));
    await one.logins.close();
    clock.pass(10 * 60_000);
    const again = await makeWorld({ clock, db: one.db, users: one.users, seed: 2 });
    expect(await refusal(again.logins.authenticate(pair.accessToken))).toBe("invalid_token");
  });

  test("however many", async () => {
    const clock = new ManualClock();
    const one = await makeWorld({ clock });
    const pair = await one.login();
    const { sessionId } = await one.logins.authenticate(pair.accessToken);
    await one.db.transaction(async (tx) => {
      const row = await tx.one(sessions, { id: sessionId });
      for (let i = 0; i < 1100; i++) await tx.insert(sessions, { ...row!, id: `made-${i}`, revokedAt: clock.ms - 1100 + i });
    });
    clock.pass(1000);
    await one.logins.logout(await one.logins.authenticate(pair.accessToken));
    const again = await makeWorld({ clock, db: one.db, users: one.users, seed: 2 });
    expect(await refusal(again.logins.authenticate(pair.accessToken))).toBe("invalid_token");
  });

  test("what fails is said once, tried again, and said to work again", async () => {
    const clock = new ManualClock();
    const db = new MemoryDatabase("postgres");
    const { logins, log, login } = await makeWorld({ clock, db });
    const pair = await login();
    db.beforeCommit = () => {
      throw new Error("no connection");
    };
    for (let i = 0; i < 4; i++) {
      clock.pass(600);
      await settled();
    }
    expect(await refusal(logins.authenticate(pair.accessToken))).toBe(null);
    db.beforeCommit = () => {};
    clock.pass(600);
    await settled();
    const about = log.entries.filter(({ message }) => message.includes("sessions others ended"));
    expect(about.map(({ level }) => level)).toEqual(["error", "info"]);
    await logins.close();
  });

  test("the end waits for what is under way", async () => {
    const clock = new ManualClock();
    const held = Promise.withResolvers<void>();
    const background = new Background(clock, silentLogger, 1000, "a test", () => held.promise);
    clock.pass(1000);
    let closed = false;
    const closing = background.close().then(() => (closed = true));
    await settled();
    expect(closed).toBe(false);
    held.resolve();
    await closing;
  });

  test("nothing runs after the end", async () => {
    const { logins, clock, db } = await makeWorld({ db: new MemoryDatabase("postgres") });
    await logins.close();
    const before = db.transactions;
    clock.pass(3600_000);
    await settled();
    expect(db.transactions).toBe(before);
  });
});

describe("the list of ended sessions", () => {
  test("forgets what no token can name any more", () => {
    const revoked = new RevokedSessions(1000, 10);
    revoked.add("a", 5000, 5000);
    revoked.add("b", 6001, 6001);
    expect(revoked.refuses("a", 100)).toBe(false);
    expect(revoked.refuses("b", 100)).toBe(true);
    revoked.add("too old", 5000, 6002);
    expect(revoked.size).toBe(1);
  });

  test("when it is full refuses too much rather than too little", () => {
    const revoked = new RevokedSessions(3600_000, 3);
    for (let i = 0; i < 5; i++) revoked.add(`s${i}`, 10_000_000 + i * 1000, 10_004_000);
    expect(revoked.size).toBe(3);
    for (let i = 0; i < 5; i++) expect(revoked.refuses(`s${i}`, 9_000)).toBe(true);
    expect(revoked.refuses("good", 10_001)).toBe(true);
    expect(revoked.refuses("good", 10_002)).toBe(false);
  });
});

test("a bounded map drops what was not used for longest", () => {
  const map = new BoundedMap<number>(3);
  for (const key of ["a", "b", "c"]) map.set(key, 1);
  map.get("a");
  map.set("b", 2);
  map.set("d", 1);
  expect(map.size).toBe(3);
  expect(["a", "b", "c", "d"].map((key) => map.get(key))).toEqual([1, 2, undefined, 1]);
});

test("sessions of one user are bounded, in rows too", async () => {
  const { login, db, clock } = await makeWorld();
  for (let i = 0; i < sessionsPerUserMax + 20; i++) {
    await login();
    clock.pass(10);
  }
  expect(db.rowsOf(sessions).filter((row) => row.revokedAt === null).length).toBe(sessionsPerUserMax);
});
