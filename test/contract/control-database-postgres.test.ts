import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Clock, systemClock } from "#base/clock.ts";
import { type ControlDatabase, DatabaseError, type PostgresControlOptions, openPostgresControlDatabase } from "#control/database/index.ts";
import { notes } from "#control/database/tables.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { type Cluster, type DatabaseLogin, missingPostgres, sharedCluster } from "../support/postgres.ts";
import { freePort } from "../support/server.ts";
import { until, within } from "../support/wait.ts";
import { persistentContract } from "./control-database-persistent.ts";
import { Proxy, saying } from "./control-database-proxy.ts";
import { controlDatabaseContract } from "./control-database.ts";
import { ManualClock } from "../support/manual-clock.ts";

const defaults = { maxOpen: 25, maxIdle: 5, sslmode: "disable", sslRootCert: null, clock: systemClock, logger: silentLogger } as const;
const open = (login: DatabaseLogin, more: Partial<PostgresControlOptions> = {}) => openPostgresControlDatabase({ ...login, ...defaults, ...more });

/** Why it can't be opened. */
async function refusal(login: DatabaseLogin, more: Partial<PostgresControlOptions> = {}): Promise<string> {
  const outcome = await open(login, more).then(
    async (db) => {
      await db.close();
      return "it opened";
    },
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(DatabaseError);
  const { message } = outcome as DatabaseError;
  expect(message).not.toContain(more.password ?? login.password);
  return message;
}

async function contents(cluster: Cluster, { database }: DatabaseLogin): Promise<string> {
  const columns = await cluster.sql("select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, 2", database);
  const steps = await cluster.sql("select * from schema_migrations", database).catch(() => []);
  return JSON.stringify([columns, steps]);
}

function suites(): void {
  controlDatabaseContract("postgres", async () => {
    const login = await (await sharedCluster()).database();
    return { open: () => open(login), dispose: async () => {} };
  });

  persistentContract("postgres", async () => {
    const cluster = await sharedCluster();
    const login = await cluster.database();
    return { opening: login, openWith: (steps) => open(login, { steps }), contents: () => contents(cluster, login), dispose: async () => {} };
  });

  let cluster: Cluster;
  let login: DatabaseLogin;
  beforeAll(async () => {
    cluster = await sharedCluster();
    login = await cluster.database();
  });

  describe("control database, postgres, what an operator gets wrong", () => {
    test("nothing listens there", async () => {
      const port = await freePort();
      expect(await refusal(login, { port })).toMatch(new RegExp(`^PostgreSQL at 127\\.0\\.0\\.1:${port} refuses connections: .* database\\.host and database\\.port`));
    });

    test("no such host", async () => {
      expect(await refusal(login, { host: "no-such-host.invalid" })).toMatch(/no-such-host\.invalid .* can't be resolved\. Check database\.host/);
    }, 60_000);

    test("wrong password, no such user, no such database", async () => {
      const at = `127.0.0.1:${login.port}`;
      expect(await refusal(login, { password: "wrong-wrong" })).toBe(`PostgreSQL at ${at} refuses the password of user "${login.user}". Check database.user and the password in the environment`);
      expect(await refusal(login, { user: "nobody-here" })).toContain(`${at} refuses the password of user "nobody-here"`);
      expect(await refusal(login, { database: "nothing-here" })).toMatch(/has no database "nothing-here"\. Make it \(createdb -h 127\.0\.0\.1 -p \d+ -O test_\d+ nothing-here\)/);
    });

    test("an empty password is none, whatever the environment says", async () => {
      process.env["PGPASSWORD"] = login.password;
      try {
        const outcome = await open(login, { password: "" }).then(() => "it opened", String);
        expect(outcome).toContain("refuses the password");
      } finally {
        delete process.env["PGPASSWORD"];
      }
    });

    test("a user without rights, and a database of something else, which stays as it is", async () => {
      const other = await cluster.database();
      expect(await refusal(login, { database: other.database })).toMatch(/lacks rights in database .* ALTER DATABASE ".*" OWNER TO/);
      await cluster.sql(`create table users (nickname text); alter table users owner to ${other.user}`, other.database);
      const before = await contents(cluster, other);
      expect(await refusal(other)).toMatch(/holds tables of something else .* Give DittoFS a database of its own/);
      expect(await contents(cluster, other)).toBe(before);
    });

    test("a server that is something else, or hangs up", async () => {
      for (const [answer, sslmode] of [["HTTP/1.1 400 Bad Request\r\n\r\n", "require"], ["", "require"], ["", "disable"]] as const) {
        const other = await saying(answer);
        expect(await within("a refusal", 4000, refusal(login, { port: other.port, sslmode }))).toMatch(new RegExp(`127\\.0\\.0\\.1:${other.port}`));
        other.close();
      }
    });

    test("a server that never answers, or never to an end", async () => {
      for (const [answer, sslmode] of [[null, "require"], [null, "disable"], ["HTTP/1.1 400 Bad Request\r\n\r\n", "disable"]] as const) {
        const silent = await saying(answer);
        const clock = new ManualClock();
        const waiting = refusal(login, { port: silent.port, sslmode, clock });
        await silent.heard;
        await until("the timer", 5000, () => (clock.pending > 0 ? true : null));
        clock.pass(10_000);
        expect(await within("a refusal", 4000, waiting)).toMatch(/did not (?:answer|finish the log-in of user .*) within 10 s/);
        silent.close();
      }
    });

    test("a Unix socket is named by its directory", async () => {
      const db = await open(login, { host: join(cluster.directory, "socket") });
      expect(await db.health()).toBeNull();
      await db.close();
      expect(await refusal(login, { host: "/nowhere/at-all" })).toContain("no socket of PostgreSQL for port");
    });
  });

  describe("control database, postgres, sslmode", () => {
    /** Whether sessions of the database are encrypted. */
    const encrypted = async (): Promise<unknown> => {
      const rows = await cluster.sql(`select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where datname = '${login.database}'`);
      return rows.map((row) => row["ssl"]);
    };

    test("each mode encrypts and verifies as libpq's does", async () => {
      const root = cluster.rootCert;
      const table: readonly (readonly [PostgresControlOptions["sslmode"], string | null, string, boolean | RegExp])[] = [
        ["disable", null, "127.0.0.1", false],
        ["require", null, "127.0.0.1", true],
        ["require", root, "127.0.0.1", true],
        ["require", cluster.otherRootCert, "127.0.0.1", /is not accepted with sslmode require/],
        ["verify-ca", root, "127.0.0.1", true],
        ["verify-ca", root, "localhost", true],
        ["verify-ca", cluster.otherRootCert, "localhost", /is not accepted with sslmode verify-ca/],
        ["verify-ca", null, "localhost", /name the file of your authority's certificate/],
        ["verify-ca", "system", "localhost", /Set sslmode verify-full/],
        ["verify-full", root, "localhost", true],
        ["verify-full", root, "127.0.0.1", /is for another name than 127\.0\.0\.1/],
        ["verify-full", cluster.otherRootCert, "localhost", /is not accepted with sslmode verify-full/],
        ["verify-full", "system", "localhost", /is not accepted with sslmode verify-full/],
        ["verify-full", null, "localhost", /name the file of your authority's certificate/],
        ["verify-full", "/nowhere/root.crt", "localhost", /\/nowhere\/root\.crt can't be read \(ENOENT\)/],
        ["verify-full", join(cluster.directory, "data/pg_hba.conf"), "localhost", /(?:holds no certificate|can't be read)/],
      ];
      for (const [sslmode, sslRootCert, host, wanted] of table) {
        if (typeof wanted !== "boolean") {
          expect([sslmode, await refusal(login, { sslmode, sslRootCert, host })]).toEqual([sslmode, expect.stringMatching(wanted)]);
          continue;
        }
        const db = await open(login, { sslmode, sslRootCert, host });
        expect([sslmode, sslRootCert, host, await encrypted()]).toEqual([sslmode, sslRootCert, host, [wanted]]);
        await db.close();
      }
    }, 60_000);

    test("what asks for TLS never goes on without", async () => {
      const plain = await saying("N");
      expect(await refusal(login, { port: plain.port, sslmode: "require" })).toMatch(/does not offer TLS, and sslmode require asks for it/);
      plain.close();
      const stuffed = await saying("Sextra");
      expect(await refusal(login, { port: stuffed.port, sslmode: "require" })).toMatch(/does not speak PostgreSQL's protocol/);
      stuffed.close();
    });

    test("a server that insists on TLS says so through us", async () => {
      await cluster.sql(`drop database if exists tls_only`);
      await cluster.sql(`create database tls_only owner ${login.user}`);
      expect(await refusal(login, { database: "tls_only" })).toMatch(/does not let user ".*" into database "tls_only" .* sslmode \(here disable\)/);
      await (await open(login, { database: "tls_only", sslmode: "require" })).close();
    });
  });

  describe("control database, postgres, connections", () => {
    const sessions = async (database: string): Promise<number> => Number((await cluster.sql(`select count(*)::int as n from pg_stat_activity where datname = '${database}'`))[0]?.["n"]);

    test("there are never more than may be open, and those that may idle stay", async () => {
      const own = await cluster.database();
      const db = await open(own, { maxOpen: 4, maxIdle: 2 });
      let inside = 0;
      let most = 0;
      const full = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      const all = Array.from({ length: 30 }, () =>
        db.transaction(async (tx) => {
          most = Math.max(most, ++inside);
          if (inside === 4) full.resolve();
          await tx.all(notes);
          await released.promise;
          inside--;
        }),
      );
      await full.promise;
      expect(await sessions(own.database)).toBe(4);
      released.resolve();
      await Promise.all(all);
      expect(most).toBe(4);
      await until("two sessions", 5000, async () => ((await sessions(own.database)) === 2 ? true : null));
      await db.close();
      await until("no session", 5000, async () => ((await sessions(own.database)) === 0 ? true : null));
    }, 60_000);

    for (const sslmode of ["disable", "require"] as const) {
      test(`sessions that the server ended while they were idle are not noticed (sslmode ${sslmode})`, async () => {
        const own = await cluster.database();
        const db = await open(own, { maxIdle: 5, sslmode });
        for (let round = 0; round < 3; round++) {
          await Promise.all(Array.from({ length: 10 }, () => db.transaction((tx) => tx.all(notes))));
          await cluster.sql(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${own.database}'`);
          await db.transaction((tx) => tx.insert(notes, { key: String(round), value: "b" }));
        }
        expect(await db.health()).toBeNull();
        await db.close();
      });

      test(`sessions whose connections break while they are idle are not noticed (sslmode ${sslmode})`, async () => {
        const own = await cluster.database();
        const proxy = await Proxy.to(cluster.port);
        const db = await open({ ...own, port: proxy.port }, { sslmode });
        await Promise.all(Array.from({ length: 10 }, () => db.transaction((tx) => tx.all(notes))));
        proxy.reset();
        await db.transaction((tx) => tx.insert(notes, { key: "a", value: "b" }));
        expect(await db.health()).toBeNull();
        proxy.close();
        expect(await db.health()).toContain(`127.0.0.1:${proxy.port} refuses connections`);
        await db.close();
      });
    }

    describe("that break", () => {
      let proxy: Proxy;
      let db: ControlDatabase;
      let own: DatabaseLogin;
      beforeAll(async () => {
        own = await cluster.database();
        proxy = await Proxy.to(cluster.port);
        db = await open({ ...own, port: proxy.port });
      });
      afterAll(async () => {
        proxy.close();
        await db.close();
      });

      /** Inserts a note; how often the work ran, what came of it, and whether the note is there. */
      const insert = async (key: string): Promise<readonly [number, string, boolean]> => {
        let runs = 0;
        const outcome = await db
          .transaction(async (tx) => {
            runs++;
            await tx.insert(notes, { key, value: "" });
          })
          .then(() => "done", String);
        const there = (await cluster.sql(`select key from notes where key = '${key}'`, own.database)).length === 1;
        return [runs, outcome, there];
      };

      test("before COMMIT the work runs again, and what it did is there once", async () => {
        proxy.watch("insert into", "cut before");
        expect(await insert("cut before the insert")).toEqual([2, "done", true]);
        proxy.watch("insert into", "cut after the answer");
        expect(await insert("cut after the insert")).toEqual([2, "done", true]);
        proxy.watch("begin", "cut before");
        expect(await insert("cut at the beginning")).toEqual([1, "done", true]);
      });

      test("within COMMIT it is said that nobody knows, and nothing runs again", async () => {
        const unknown = expect.stringMatching(/was lost while a change was being committed: it may have been made or not\. It was not tried again/);
        proxy.watch("commit", "cut before");
        expect(await insert("not there")).toEqual([1, unknown, false]);
        proxy.watch("commit", "cut after the answer");
        expect(await insert("there")).toEqual([1, unknown, true]);
        expect(await insert("afterwards")).toEqual([1, "done", true]);
      });

      test("again and again, that is said, and nothing is kept", async () => {
        proxy.watch("insert into", "cut before", 3);
        expect(await insert("always cut")).toEqual([3, expect.stringContaining("keeps breaking"), false]);
      });
    });

    test("a server that stops answering within a transaction is given up", async () => {
      const own = await cluster.database();
      const proxy = await Proxy.to(cluster.port);
      const clock = new ManualClock();
      const db = await open({ ...own, port: proxy.port }, { clock: clock as Clock });
      proxy.watch("insert into", "silence", 3);
      const outcome = db.transaction((tx) => tx.insert(notes, { key: "a", value: "b" })).then(() => "done", String);
      for (let n = 1; n <= 3; n++) {
        await until("silence", 5000, () => (proxy.struck === n ? true : null));
        clock.pass(36_000);
      }
      expect(await within("the end", 4000, outcome)).toContain("keeps breaking");
      proxy.close();
      await db.close();
    }, 60_000);

    test("changes that never end to collide are given up", async () => {
      const own = await cluster.database();
      const db = await open(own);
      await db.transaction((tx) => tx.insert(notes, { key: "revision", value: "0" }));
      let runs = 0;
      const outcome = await db
        .transaction(async (tx) => {
          runs++;
          await tx.one(notes, { key: "revision" });
          await cluster.sql("update notes set value = value || 'x'", own.database);
          await tx.update(notes, { key: "revision" }, { value: "mine" });
        })
        .then(() => "done", String);
      expect([runs, outcome]).toEqual([20, expect.stringContaining("too many changes at once")]);
      await db.close();
    }, 60_000);
  });
}

if (missingPostgres === null) suites();
else {
  // Skipped without PostgreSQL: the reason stands in the name.
  describe.skip(`control database, postgres: ${missingPostgres}`, () => test("all of it", () => {}));
}
