import { SQL } from "bun";
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Clock, systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openPostgresStore, type PostgresStoreOptions } from "#metadata/postgres/index.ts";
import { StoreFailedError, StoreUnavailableError } from "#model/block-store.ts";
import type { ApplyResult } from "#model/change-set.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { type Cluster, type DatabaseLogin, missingPostgres, startCluster } from "../support/postgres.ts";
import { until } from "../support/wait.ts";
import { Proxy } from "./control-database-proxy.ts";
import { checkCounters, create, createChanges, makeRoot, names, newFile, set } from "./metadata/kit.ts";
import { randomContract } from "./metadata/random.ts";

/** What breaks between the store and PostgreSQL: connections, the server, the ownership of the share. */

if (missingPostgres !== null) console.log(`metadata in PostgreSQL, failures: skipped, ${missingPostgres}`);

setDefaultTimeout(60_000);

/** So many times as fast as the wall's. */
const haste = 20;
const fastClock: Clock = {
  now: () => systemClock.now(),
  monotonicMs: () => systemClock.monotonicMs() * haste,
  after: (ms, run) => systemClock.after(ms / haste, run),
  atTurnEnd: (run) => systemClock.atTurnEnd(run),
};

const hexOf = (name: string): string => Buffer.from(name).toString("hex");

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("metadata in PostgreSQL, when something breaks", () => {
  let cluster: Cluster;
  let login: DatabaseLogin;
  let proxy: Proxy;
  let shares = 0;
  const open: MetadataStore[] = [];

  beforeAll(async () => {
    cluster = await startCluster();
    login = await cluster.database();
    proxy = await Proxy.to(login.port);
  });
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
  });
  afterAll(async () => {
    proxy?.close();
    await cluster?.stop();
  });

  async function openStore(more: Partial<PostgresStoreOptions> = {}): Promise<MetadataStore> {
    const key = `share-${++shares}`;
    const store = await openPostgresStore({ ...login, sslmode: "disable", sslRootCert: null, key, name: key, holder: "a test", clock: systemClock, random: systemRandom, logger: silentLogger, broken: () => {}, ...more });
    open.push(store);
    return store;
  }

  const throughProxy = (more: Partial<PostgresStoreOptions> = {}): Promise<MetadataStore> => openStore({ port: proxy.port, ...more });

  function creating(store: MetadataStore, name: string): Promise<ApplyResult> {
    return store.apply(set([{ is: "direntAbsent", parent: rootId, name }], createChanges(rootId, name, newFile(store.draw()))));
  }

  async function idsOf(store: MetadataStore): Promise<FileId[]> {
    return [rootId, ...(await store.directory(rootId, 0, 100_000)).map((entry) => entry.child)];
  }

  for (const fate of ["cut before", "cut after the answer"] as const) {
    test(`a batch whose connection is ${fate}: it is there once, and answered`, async () => {
      const key = `cut-${fate}`;
      const store = await throughProxy({ key });
      await makeRoot(store);
      const wanted: string[] = [];
      for (let round = 0; round < 15; round++) {
        const struck = proxy.struck;
        const marked = `marked-${round}-0`;
        proxy.watch(hexOf(marked), fate);
        const made = Array.from({ length: 8 }, (_, i) => `marked-${round}-${i}`);
        const results = made.map((name) => creating(store, name));
        // One that comes while the first is on its way.
        results.push(new Promise((resolve, reject) => setImmediate(() => creating(store, `late-${round}`).then(resolve, reject))));
        for (const result of await Promise.all(results)) expect(result.applied).toBe(true);
        wanted.push(...made, `late-${round}`);
        expect(proxy.struck).toBe(struck + 1);
      }
      expect((await names(store, rootId)).sort()).toEqual([...wanted].sort());
      await checkCounters(store, await idsOf(store));
      await store.close();
      const again = await openStore({ key });
      expect((await names(again, rootId)).sort()).toEqual([...wanted].sort());
      await checkCounters(again, await idsOf(again));
    });
  }

  randomContract("postgres, connections that break", async () => {
    const key = `broken-${++shares}`;
    let applied = 0;
    const reopened = async (): Promise<MetadataStore> => {
      const store = await openPostgresStore({ ...login, port: proxy.port, sslmode: "disable", sslRootCert: null, key, name: key, holder: "a test", clock: systemClock, random: systemRandom, logger: silentLogger, broken: () => {} });
      store.onApplied(() => {
        applied++;
        if (applied % 60 === 0) proxy.watch("\\x", "cut after the answer");
        else if (applied % 60 === 30) proxy.reset();
      });
      return store;
    };
    const subject = {
      store: await reopened(),
      async reopen() {
        await subject.store.close();
        subject.store = await reopened();
      },
      dispose: () => subject.store.close(),
    };
    return subject;
  });

  test("a server that takes the share makes the other stop, also one that has nothing to write", async () => {
    for (const idle of [false, true]) {
      const key = `taken-${idle}`;
      const lost = Promise.withResolvers<Error>();
      const first = await openStore({ key, name: "films", holder: "the first server", broken: lost.resolve });
      await makeRoot(first);
      await create(first, "before");
      const second = await openStore({ key, holder: "the second server" });
      if (!idle) await expect(creating(first, "after")).rejects.toThrow("taken over by the second server");
      const error = await lost.promise;
      expect(error.message).toMatch(/^share films was taken over by the second server at .*this server serves it no longer/);
      await expect(creating(first, "later")).rejects.toThrow("taken over");
      expect(await names(second, rootId)).toEqual(["before"]);
      await create(second, "mine");
      await first.close();
      expect(await names(second, rootId)).toEqual(["before", "mine"]);
      await checkCounters(second, await idsOf(second));
    }
  });

  test("a server that still writes while another takes the share: what was answered is there, nothing else is", async () => {
    for (let round = 0; round < 5; round++) {
      const key = `race-${round}`;
      const first = await openStore({ key });
      await makeRoot(first);
      const answered: string[] = [];
      let over = false;
      const lane = async (lane: number): Promise<void> => {
        for (let i = 0; !over; i++) {
          const result = await creating(first, `f${lane}-${i}`).catch(() => null);
          if (result === null) return;
          answered.push(`f${lane}-${i}`);
        }
      };
      const lanes = Promise.all(Array.from({ length: 16 }, (_, i) => lane(i)));
      while (answered.length < 50 * (round + 1)) await creating(first, `own-${answered.length}`).then(() => answered.push(`own-${answered.length}`));
      const second = await openStore({ key });
      over = true;
      await lanes;
      const there = new Set(await names(second, rootId));
      for (const name of answered.filter((name) => !name.startsWith("own"))) expect([name, there.has(name)]).toEqual([name, true]);
      await checkCounters(second, await idsOf(second));
    }
  });

  test("while the database is away what waits is withdrawn, what is on its way is done once it is back", async () => {
    const key = "away";
    const noticed = Promise.withResolvers<void>();
    const store = await openStore({ key, clock: fastClock, logger: { ...silentLogger, warn: () => noticed.resolve() } });
    await makeRoot(store);
    await create(store, "before");
    const absent = 2 ** 40 as FileId;
    // Nobody else's batch gets past this.
    const blocker = new SQL({ adapter: "postgres", hostname: login.host, port: login.port, database: login.database, username: login.user, password: login.password, max: 1, tls: false });
    await blocker.unsafe("begin");
    await blocker.unsafe("select from dittofs_writer for update");
    const underway = creating(store, "underway");
    // Evaluated, sent, and seen: only its answer waits.
    while ((await store.dirent(rootId, "underway")) === null) await new Promise<void>((resolve) => setImmediate(resolve));
    await cluster.pause();
    await blocker.close({ timeout: 0 }).catch(() => {});
    // What comes before its end is noticed goes on its way, too.
    await noticed.promise;
    await expect(creating(store, "withdrawn")).rejects.toBeInstanceOf(StoreUnavailableError);
    await expect(Promise.resolve(store.inode(absent))).rejects.toBeInstanceOf(StoreUnavailableError);
    // What is in memory is served.
    expect((await store.dirent(rootId, "before"))?.name).toBe("before");
    await cluster.resume();
    expect((await underway).applied).toBe(true);
    // On this clock a tenth of a second is two: where the machine is busy it may be withdrawn once more.
    const late = await until("the change", 10_000, () => creating(store, "withdrawn").catch((error: unknown) => (error instanceof StoreUnavailableError ? null : Promise.reject(error))));
    expect(late.applied).toBe(true);
    expect(await names(store, rootId)).toEqual(["before", "underway", "withdrawn"]);
    await checkCounters(store, await idsOf(store));
  });

  test("PostgreSQL is killed under load: nothing answered is lost, nothing is there twice", async () => {
    const key = "killed";
    const store = await openStore({ key });
    await makeRoot(store);
    const answered: string[] = [];
    for (let round = 0; round < 3; round++) {
      let over = false;
      const lane = async (lane: number): Promise<void> => {
        for (let i = 0; !over; i++) {
          const name = `f${round}-${lane}-${i}`;
          if ((await creating(store, name)).applied) answered.push(name);
        }
      };
      const lanes = Promise.all(Array.from({ length: 16 }, (_, i) => lane(i)));
      const before = answered.length;
      while (answered.length < before + 200) await new Promise<void>((resolve) => setImmediate(resolve));
      await cluster.crash();
      await cluster.resume();
      over = true;
      await lanes;
    }
    expect((await names(store, rootId)).sort()).toEqual([...answered].sort());
    await checkCounters(store, await idsOf(store));
  });

  test("a database that is behind what it has committed stops the share", async () => {
    const lost = Promise.withResolvers<Error>();
    const store = await openStore({ key: "behind", name: "films", broken: lost.resolve });
    await makeRoot(store);
    for (let i = 0; i < 5; i++) await create(store, `f${i}`);
    await cluster.sql("update dittofs_writer set batch = batch - 2 where share = (select share from dittofs_share where key = 'behind')", login.database);
    await expect(create(store, "more")).rejects.toThrow(/has lost what it acknowledged/);
    expect((await lost.promise).message).toMatch(/share films/);
  });

  test("a database that is behind stops also a share that has nothing to write", async () => {
    const lost = Promise.withResolvers<Error>();
    const store = await openStore({ key: "behind-idle", name: "films", clock: fastClock, broken: lost.resolve });
    await makeRoot(store);
    for (let i = 0; i < 5; i++) await create(store, `f${i}`);
    await cluster.sql("update dittofs_writer set batch = batch - 2 where share = (select share from dittofs_share where key = 'behind-idle')", login.database);
    expect((await lost.promise).message).toMatch(/share films is at batch .*has lost what it acknowledged/);
    await expect(create(store, "more")).rejects.toThrow(/has lost what it acknowledged/);
  });

  test("once batches go to another session, which may be that of a standby, nothing is read from the old server", async () => {
    const store = await openStore({ key: "renewed" });
    await makeRoot(store);
    const sessions = async (which: string): Promise<unknown[]> =>
      (await cluster.sql(`select pid from pg_stat_activity where datname = '${login.database}' and application_name = 'dittofs' and query like '%${which}%'`)).map(({ pid }) => pid);
    expect(await store.inode(2 ** 40 as FileId)).toBeNull();
    const [reader] = await sessions("dittofs_inode i ON");
    expect(reader).toBeNumber();
    await cluster.sql(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${login.database}' and application_name = 'dittofs' and pid <> ${reader}`);
    await create(store, "f");
    expect(await store.inode((2 ** 40 + 1) as FileId)).toBeNull();
    expect(await sessions("dittofs_inode i ON")).not.toContain(reader);
  });

  test("a read that the server refuses for good is the store's failure, and says why", async () => {
    const other = await cluster.database();
    const store = await openStore({ ...other, key: "refused" });
    await cluster.sql("alter table dittofs_inode rename to dittofs_elsewhere", other.database);
    const read = Promise.resolve(store.inode(2 ** 40 as FileId));
    await expect(read).rejects.toBeInstanceOf(StoreFailedError);
    await expect(read).rejects.toThrow(/the metadata can't be read: PostgreSQL at .*dittofs_inode/);
    await cluster.sql("alter table dittofs_elsewhere rename to dittofs_inode", other.database);
    expect(await store.inode(2 ** 40 as FileId)).toBeNull();
  });

  test("a batch is not taken for committed because somebody else's number is in the row", async () => {
    const store = await openStore({ key: "ahead", name: "films" });
    await makeRoot(store);
    await cluster.sql("update dittofs_writer set batch = batch + 5 where share = (select share from dittofs_share where key = 'ahead')", login.database);
    await expect(create(store, "more")).rejects.toThrow(/somebody else has written in its place/);
  });

  test("a server that had the share before an older database was put back writes nothing into what another took from that", async () => {
    const first = await openStore({ key: "put-back", name: "films" });
    await makeRoot(first);
    // As it was before the first server took the share.
    await cluster.sql("delete from dittofs_writer where share = (select share from dittofs_share where key = 'put-back')", login.database);
    await cluster.sql("update dittofs_share set epoch = epoch - 1 where key = 'put-back'", login.database);
    const second = await openStore({ key: "put-back", name: "films", holder: "the second server" });
    await create(second, "mine");
    await expect(create(first, "late")).rejects.toThrow("taken over by the second server");
    expect(await names(second, rootId)).toEqual(["mine"]);
  });

  test("a newer format is refused, and so are a wrong password and a database that is not there", async () => {
    const other = await cluster.database();
    await (await openStore({ ...other, key: "x" })).close();
    await cluster.sql("insert into dittofs_format values (99, 'DittoFS 9')", other.database);
    await expect(openStore({ ...other, key: "x" })).rejects.toThrow(/metadata format 99, written by DittoFS 9/);
    await expect(openStore({ password: "wrong" })).rejects.toThrow(/refuses the password of user.*Check --user and --password/);
    await expect(openStore({ database: "nowhere" })).rejects.toThrow(/has no database "nowhere".*or correct --database/);
  });

  test("shares that begin together in one new database make its tables once", async () => {
    const other = await cluster.database();
    const stores = await Promise.all(Array.from({ length: 4 }, (_, i) => openStore({ ...other, key: `k${i}` })));
    await Promise.all(stores.map((store) => makeRoot(store)));
    for (const store of stores) await create(store, "f");
    for (const store of stores) expect(await names(store, rootId)).toEqual(["f"]);
  });
});
