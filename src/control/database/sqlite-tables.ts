import { type AnySQLiteColumn, type SQLiteColumnBuilderBase, type SQLiteTable, index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { Column, Table } from "./columns.ts";
import { columnName, indexName } from "./naming.ts";
import { tables } from "./tables.ts";

/** SQLite's tables under the declaration's SQL names. */
export const sqliteTables: ReadonlyMap<string, SQLiteTable> = all();

function all(): ReadonlyMap<string, SQLiteTable> {
  const made = new Map<string, SQLiteTable>();
  for (const table of Object.values<Table>(tables)) made.set(table.name, one(table, made));
  return made;
}

function one(table: Table, made: ReadonlyMap<string, SQLiteTable>): SQLiteTable {
  const columns: Record<string, SQLiteColumnBuilderBase> = {};
  for (const [name, column] of Object.entries(table.columns)) columns[name] = built(table, name, column, made);
  return sqliteTable(table.name, columns, (made) => {
    const by = made as unknown as Readonly<Record<string, AnySQLiteColumn>>;
    const indexes = Object.entries(table.columns)
      // What begins the key is found by the key's own index.
      .filter(([name, column]) => column.index && name !== table.key[0])
      .map(([name]) => index(indexName(table.name, name)).on(by[name] as AnySQLiteColumn));
    const [first, ...rest] = table.key.map((name) => by[name] as AnySQLiteColumn);
    return rest.length === 0 ? indexes : [...indexes, primaryKey({ columns: [first as AnySQLiteColumn, ...rest] })];
  });
}

function built(table: Table, name: string, column: Column<unknown>, made: ReadonlyMap<string, SQLiteTable>): SQLiteColumnBuilderBase {
  const sqlName = columnName(name);
  // AUTOINCREMENT: the number of a row that is gone is never given again.
  if (table.numbered && name === "number") return integer(sqlName).primaryKey({ autoIncrement: true });
  let builder = typed(sqlName, column);
  if (table.key.length === 1 && table.key[0] === name) builder = builder.primaryKey();
  if (!column.nullable) builder = builder.notNull();
  if (column.unique) builder = builder.unique();
  const { belongsTo } = column;
  return belongsTo === null ? builder : builder.references(() => idOf(made, belongsTo), { onDelete: "cascade" });
}

/** What the kinds of columns have in common here; each call gives a builder of a narrower type, which nobody needs. */
interface Builder extends SQLiteColumnBuilderBase {
  primaryKey(): Builder;
  notNull(): Builder;
  unique(): Builder;
  references(to: () => AnySQLiteColumn, actions: { readonly onDelete: "cascade" }): Builder;
}

function typed(name: string, { type }: Column<unknown>): Builder {
  switch (type) {
    case "integer":
    case "time":
      return integer(name) as unknown as Builder;
    case "boolean":
      return integer(name, { mode: "boolean" }) as unknown as Builder;
    case "id":
    case "text":
    case "json":
      return text(name) as unknown as Builder;
  }
}

function idOf(made: ReadonlyMap<string, SQLiteTable>, name: string): AnySQLiteColumn {
  return (made.get(name) as unknown as { readonly id: AnySQLiteColumn }).id;
}
