import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Column, ColumnType, Table } from "#control/database/columns.ts";
import type { DialectName } from "#control/database/migrate.ts";
import { migrations } from "#control/database/migrations/index.ts";
import { columnName } from "#control/database/naming.ts";
import { tables } from "#control/database/tables.ts";
import { dialects, indexOf, lastSnapshot } from "../../scripts/lib/migrations.ts";
import { missingPostgres, sharedCluster } from "../support/postgres.ts";
import { projectRoot } from "../support/server.ts";
import { openAs } from "./control-database-child.ts";
import { temporary } from "../support/temporary.ts";

const declared = Object.values<Table>(tables);
const folder = join(projectRoot, "src/control/database/migrations");
const directory = temporary("control");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A column as one word a property, to compare. */
const described = (name: string, type: string, nullable: boolean) => `${name} ${type}${nullable ? "" : " not null"}`;

const sqlTypes: Readonly<Record<DialectName, Readonly<Record<ColumnType, string>>>> = {
  sqlite: { id: "text", text: "text", integer: "integer", boolean: "integer", time: "integer", json: "text" },
  postgres: { id: "text", text: "text", integer: "bigint", boolean: "boolean", time: "bigint", json: "text" },
};

const wanted = (dialect: DialectName, { columns }: Table): readonly string[] =>
  Object.entries(columns).map(([name, { type, nullable }]: [string, Column<unknown>]) => described(columnName(name), sqlTypes[dialect][type], nullable));

/** Unique columns and lists of columns, the key among them, each sorted. */
const wantedUnique = ({ columns, key }: Table): readonly string[] =>
  [key.map(columnName).sort().join(), ...Object.entries(columns).flatMap(([name, { unique }]) => (unique ? [columnName(name)] : []))].sort();

const wantedParents = ({ columns }: Table): readonly string[] =>
  Object.entries(columns).flatMap(([name, { belongsTo }]) => (belongsTo === null ? [] : [`${columnName(name)} ${belongsTo}.id CASCADE`])).sort();

const wantedIndexes = ({ columns, key }: Table): readonly string[] =>
  Object.entries(columns).flatMap(([name, { index }]) => (index && name !== key[0] ? [columnName(name)] : [])).sort();

describe("the migrations of the control plane's database", () => {
  for (const dialect of ["sqlite", "postgres"] as const) {
    test(`${dialect}: the last one leaves the tables as they are declared (else run scripts/migrations)`, async () => {
      expect((await dialects[dialect](lastSnapshot(dialect))).statements).toEqual([]);
    });
  }

  test("the index embeds all there are, in order, under one number each", () => {
    const names = migrations.map(({ name }) => name);
    expect(names.map((name) => Number(name.slice(0, 4)))).toEqual(names.map((_, i) => i + 1));
    for (const dialect of ["sqlite", "postgres"]) {
      const files = readdirSync(join(folder, dialect)).filter((file) => file.endsWith(".sql"));
      expect(files.sort()).toEqual(names.map((name) => `${name}.sql`));
    }
    expect(readFileSync(join(folder, "index.ts"), "utf8")).toBe(indexOf(names));
  });

  test("sqlite: a control plane from before SMB gets its adapter, unless it never had one", () => {
    const run = (db: Database, from: number, to: number): void => {
      for (const { sqlite } of migrations.slice(from, to)) for (const statement of sqlite.split("--> statement-breakpoint")) db.run(statement);
    };
    const adapters = (nfs: boolean): unknown => {
      const db = new Database(":memory:");
      run(db, 0, 3);
      if (nfs) db.run("INSERT INTO adapters VALUES ('nfs', 1, 2049, '{}', 3, 10, 20)");
      run(db, 3, 4);
      return db.query("SELECT * FROM adapters WHERE type = 'smb'").all();
    };
    expect(adapters(false)).toEqual([]);
    expect(adapters(true)).toEqual([{ type: "smb", enabled: 1, port: 12445, settings: "{}", version: 1, created_at: 10, updated_at: 20 }]);
  });

  test("sqlite: what they make has the columns, keys and dependants declared", async () => {
    const path = join(directory, "controlplane.db");
    await (await openAs({ path })).close();
    const db = new Database(path, { readonly: true });
    const all = <T>(sql: string): readonly T[] => db.query<T, []>(sql).all();
    const found = all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations'");
    expect(found.map(({ name }) => name).sort()).toEqual(declared.map(({ name }) => name).sort());
    for (const table of declared) {
      const { name } = table;
      const columns = all<{ name: string; type: string; notnull: number; pk: number }>(`PRAGMA table_info(${name})`);
      expect([name, ...columns.map((column) => described(column.name, column.type.toLowerCase(), column.notnull === 0))]).toEqual([name, ...wanted("sqlite", table)]);
      const indexes = all<{ name: string; unique: number; origin: string }>(`PRAGMA index_list(${name})`).map((index) => ({
        ...index,
        columns: all<{ name: string }>(`PRAGMA index_info("${index.name}")`).map((column) => column.name),
      }));
      const unique = indexes.filter((index) => index.unique === 1 && index.origin !== "pk").map((index) => index.columns.join());
      const key = columns.filter(({ pk }) => pk > 0).map((column) => column.name).sort().join();
      expect([name, ...[key, ...unique].sort()]).toEqual([name, ...wantedUnique(table)]);
      expect([name, ...indexes.filter((index) => index.unique === 0).map((index) => index.columns.join()).sort()]).toEqual([name, ...wantedIndexes(table)]);
      const parents = all<{ table: string; from: string; to: string; on_delete: string }>(`PRAGMA foreign_key_list(${name})`);
      expect([name, ...parents.map((parent) => `${parent.from} ${parent.table}.${parent.to} ${parent.on_delete}`).sort()]).toEqual([name, ...wantedParents(table)]);
    }
    db.close();
  });

  // Skipped without PostgreSQL.
  test.skipIf(missingPostgres !== null)("postgres: what they make has the columns, keys and dependants declared", async () => {
    const cluster = await sharedCluster();
    const login = await cluster.database();
    await (await openAs(login)).close();
    const all = async <T>(sql: string): Promise<readonly T[]> => (await cluster.sql(sql, login.database)) as readonly T[];
    const found = await all<{ name: string }>("select table_name as name from information_schema.tables where table_schema = 'public' and table_name <> 'schema_migrations'");
    expect(found.map(({ name }) => name).sort()).toEqual(declared.map(({ name }) => name).sort());
    for (const table of declared) {
      const { name } = table;
      const columns = await all<{ name: string; type: string; nullable: boolean }>(
        `select column_name as name, data_type as type, is_nullable = 'YES' as nullable from information_schema.columns where table_schema = 'public' and table_name = '${name}' order by ordinal_position`,
      );
      expect([name, ...columns.map((column) => described(column.name, column.type, column.nullable))]).toEqual([name, ...wanted("postgres", table)]);
      const indexes = await all<{ unique: boolean; columns: string }>(
        `select indisunique as "unique", (select string_agg(attname, ',' order by attname) from pg_attribute where attrelid = indrelid and attnum = any(indkey)) as columns from pg_index where indrelid = '${name}'::regclass`,
      );
      const those = (unique: boolean) => indexes.filter((index) => index.unique === unique).map((index) => index.columns).sort();
      expect([name, ...those(true)]).toEqual([name, ...wantedUnique(table)]);
      expect([name, ...those(false)]).toEqual([name, ...wantedIndexes(table)]);
      const parents = await all<{ text: string }>(
        `select a.attname || ' ' || c.confrelid::regclass || '.id' || case c.confdeltype when 'c' then ' CASCADE' else '' end as text from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] where c.contype = 'f' and c.conrelid = '${name}'::regclass`,
      );
      expect([name, ...parents.map(({ text }) => text).sort()]).toEqual([name, ...wantedParents(table)]);
    }
  });
});
