import { afterAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openPostgresControlDatabase, openSqliteControlDatabase } from "#control/database/index.ts";
import { type ControlDatabase, DatabaseError } from "#control/database/port.ts";
import { notes, sessions, users } from "#control/database/tables.ts";
import { openKeyring, rotateSecret } from "#control/secrets/index.ts";
import { SessionTable, sessionsPerUserMax } from "#control/sessions/session-table.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { missingPostgres, sharedCluster } from "../../../support/postgres.ts";
import { address, aliceId, makeWorld, refusal, userRow } from "./world.ts";
import { temporary } from "../../../support/temporary.ts";

const directories: string[] = [];
const opened: ControlDatabase[] = [];

afterAll(async () => {
  for (const db of opened) await db.close();
  for (const directory of directories) rmSync(directory, { recursive: true });
});

async function sqlite(): Promise<ControlDatabase> {
  const directory = temporary("logins");
  directories.push(directory);
  return await openSqliteControlDatabase({ path: join(directory, "controlplane.db"), clock: systemClock, logger: silentLogger });
}

async function postgres(): Promise<ControlDatabase> {
  const login = await (await sharedCluster()).database();
  return await openPostgresControlDatabase({ ...login, maxOpen: 25, maxIdle: 5, clock: systemClock, logger: silentLogger, sslmode: "disable", sslRootCert: null });
}

const secret = "a control-plane secret of some length";

for (const [name, open, missing] of [["sqlite", sqlite, null], ["postgres", postgres, missingPostgres]] as const) {
  // Skipped where there is no PostgreSQL: the reason stands in the name.
  describe.skipIf(missing !== null)(missing === null ? `on ${name}` : `on ${name}: ${missing}`, () => {
    const make = async () => {
      const db = await open();
      opened.push(db);
      return db;
    };
    const makeUsersDb = async () => {
      const db = await make();
      await db.transaction((tx) => tx.insert(users, userRow(aliceId, "alice")));
      return db;
    };
    const rows = (db: ControlDatabase) => db.transaction((tx) => tx.all(sessions));

    test("log-in, refresh, two at once, reuse, log-out", async () => {
      const db = await makeUsersDb();
      const { logins, login, clock } = await makeWorld({ db });
      const first = await login();
      const [a, b, c] = await Promise.all([1, 2, 3].map(() => logins.refresh(first.refreshToken, address)));
      expect(a?.refreshToken).toBe(b?.refreshToken as string);
      expect(a?.refreshToken).toBe(c?.refreshToken as string);
      clock.pass(60_000);
      expect(await refusal(logins.refresh(first.refreshToken, address))).toBe("invalid_token");
      expect(await refusal(logins.refresh(a?.refreshToken ?? "", address))).toBe("invalid_token");
      expect(await refusal(logins.authenticate(a?.accessToken ?? ""))).toBe("invalid_token");
      const other = await login();
      await logins.logout(await logins.authenticate(other.accessToken));
      expect(await refusal(logins.refresh(other.refreshToken, address))).toBe("invalid_token");
      expect((await rows(db)).filter((row) => row.revokedAt === null)).toEqual([]);
      await logins.close();
    });

    test("the oldest sessions end, what ended is told to others, and what expired is deleted", async () => {
      const db = await makeUsersDb();
      const { logins, login, clock } = await makeWorld({ db });
      for (let i = 0; i < sessionsPerUserMax + 3; i++) {
        await login();
        clock.pass(1000);
      }
      expect((await rows(db)).filter((row) => row.revokedAt === null).length).toBe(sessionsPerUserMax);
      const table = new SessionTable(db, 1000);
      expect((await table.revokedSince(0)).length).toBe(3);
      expect((await table.revokedSince(clock.ms)).length).toBe(0);
      expect(await table.sweep(clock.ms + 8 * 24 * 3600_000)).toBe(false);
      expect(await rows(db)).toEqual([]);
      await logins.close();
    });

    test("a keyring made by several at once is one, opens under its secret alone, and follows a change of it", async () => {
      const db = await make();
      const [one, two] = await Promise.all([openKeyring(db, secret, systemRandom), openKeyring(db, secret, systemRandom)]);
      const wrapped = one.wrap("x", "c");
      expect(two.unwrap(wrapped, "c")).toBe("x");
      expect((await db.transaction((tx) => tx.all(notes))).length).toBe(1);
      await rotateSecret(db, secret, `${secret}!`, systemRandom);
      expect((await openKeyring(db, `${secret}!`, systemRandom)).unwrap(wrapped, "c")).toBe("x");
      expect(await openKeyring(db, secret, systemRandom).catch((error: unknown) => error)).toBeInstanceOf(DatabaseError);
    });
  });
}
