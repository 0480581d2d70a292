import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openPostgresStore } from "#metadata/postgres/index.ts";
import { foldColumn, foldKey } from "#model/fold-key.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { type MetadataStore, type ScansTables, scansOf } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { type Cluster, type DatabaseLogin, missingPostgres, startCluster } from "../support/postgres.ts";
import { create, inodeOf, makeRoot, must, at } from "./metadata/kit.ts";

/** Databases of version 1, before there were flags, extended attributes and folded names. */

if (missingPostgres !== null) console.log(`metadata in PostgreSQL, upgrades: skipped, ${missingPostgres}`);

setDefaultTimeout(60_000);

/** More than one step folds. */
const many = 12_000;

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("metadata in PostgreSQL of an older version", () => {
  let cluster: Cluster;
  let login: DatabaseLogin;
  beforeAll(async () => {
    cluster = await startCluster();
    login = await cluster.database();
  });
  afterAll(async () => {
    await cluster?.stop();
  });

  function open(key: string): Promise<MetadataStore> {
    return openPostgresStore({ ...login, sslmode: "disable", sslRootCert: null, key, name: key, holder: "a test", clock: systemClock, random: systemRandom, logger: silentLogger, broken: () => {} });
  }

  const sql = (text: string) => cluster.sql(text, login.database);

  /** Takes from the tables what version 2 added to them. */
  async function makeOld(): Promise<void> {
    await sql("drop table dittofs_xattr; drop function dittofs_apply; alter table dittofs_inode drop column flags; alter table dittofs_dirent drop column folded");
    await sql("alter table dittofs_share drop column folding_parent, drop column folding_name; delete from dittofs_format where version = 2");
  }

  test("is brought up to date: the tables at once, each share's names by whoever takes it", async () => {
    const shares = ["one", "two"];
    for (const key of shares) {
      const store = await open(key);
      await makeRoot(store);
      await create(store, "Mixed");
      await create(store, "plain");
      await store.close();
    }
    await sql(`insert into dittofs_dirent select s.share, 1, convert_to(case when n % 2 = 0 then 'Name ' else 'name ' end || n, 'UTF8'), 10, 2000000000 + n from generate_series(1, ${many}) as n, dittofs_share s`);
    await makeOld();
    const one = await open("one");
    expect(await sql("select key from dittofs_share where folding_parent is not null")).toEqual([{ key: "two" }]);
    expect((await one.direntsFolding(rootId, foldKey("MIXED"))).map(({ name }) => name)).toEqual(["Mixed"]);
    expect((await one.direntsFolding(rootId, foldKey(`NAME ${many}`))).map(({ name }) => name)).toEqual([`Name ${many}`]);
    const id = (await one.dirent(rootId, "Mixed"))?.child as FileId;
    await must(one, { do: "setXattr", id, name: "ea", value: new Uint8Array([1, 2]), at });
    expect((await inodeOf(one, id)).flags).not.toBe(0);
    const rows = await (scansOf(one) as ScansTables).scanDirents(Number.MIN_SAFE_INTEGER, 0, 2 * many);
    expect(rows.length).toBe(many + 2);
    for (const { name, folded } of rows) if (folded !== foldColumn(name)) throw new Error(`${name} has ${folded}`);
    await one.close();
  });

  test("a share whose names were being folded when its server died is gone on with by the next", async () => {
    await sql(`update dittofs_dirent set folded = null where share = (select share from dittofs_share where key = 'two')`);
    await sql(`update dittofs_share set folding_parent = 1, folding_name = convert_to('Name 5', 'UTF8') where key = 'two'`);
    const two = await open("two");
    const rows = await (scansOf(two) as ScansTables).scanDirents(Number.MIN_SAFE_INTEGER, 0, 2 * many);
    // Those before the place were folded by the server that died; here nobody did.
    const unfolded = rows.filter(({ name, folded }) => folded !== foldColumn(name)).map(({ name }) => name);
    expect(unfolded.every((name) => Buffer.compare(Buffer.from(name), Buffer.from("Name 5")) <= 0)).toBe(true);
    expect(unfolded.length).toBeLessThan(many / 2);
    expect(await sql("select count(*)::int as n from dittofs_share where folding_parent is not null")).toEqual([{ n: 0 }]);
    await two.close();
  });
});
