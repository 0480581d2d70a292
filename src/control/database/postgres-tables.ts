import { type AnyPgColumn, type PgColumnBuilderBase, type PgTable, bigint, boolean, index, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import type { Column, Table } from "./columns.ts";
import { columnName, indexName } from "./naming.ts";
import { tables } from "./tables.ts";

/** PostgreSQL's tables under the declaration's SQL names. */
export const postgresTables: ReadonlyMap<string, PgTable> = all();

function all(): ReadonlyMap<string, PgTable> {
  const made = new Map<string, PgTable>();
  for (const table of Object.values<Table>(tables)) made.set(table.name, one(table, made));
  return made;
}

function one(table: Table, made: ReadonlyMap<string, PgTable>): PgTable {
  const columns: Record<string, PgColumnBuilderBase> = {};
  for (const [name, column] of Object.entries(table.columns)) columns[name] = built(table, name, column, made);
  return pgTable(table.name, columns, (made) => {
    const by = made as unknown as Readonly<Record<string, AnyPgColumn>>;
    const indexes = Object.entries(table.columns)
      // What begins the key is found by the key's own index.
      .filter(([name, column]) => column.index && name !== table.key[0])
      .map(([name]) => index(indexName(table.name, name)).on(by[name] as AnyPgColumn));
    const [first, ...rest] = table.key.map((name) => by[name] as AnyPgColumn);
    return rest.length === 0 ? indexes : [...indexes, primaryKey({ columns: [first as AnyPgColumn, ...rest] })];
  });
}

function built(table: Table, name: string, column: Column<unknown>, made: ReadonlyMap<string, PgTable>): PgColumnBuilderBase {
  const sqlName = columnName(name);
  // By default, not always: a restored row keeps its number.
  if (table.numbered && name === "number") return bigint(sqlName, { mode: "number" }).primaryKey().generatedByDefaultAsIdentity();
  let builder = typed(sqlName, column);
  if (table.key.length === 1 && table.key[0] === name) builder = builder.primaryKey();
  if (!column.nullable) builder = builder.notNull();
  if (column.unique) builder = builder.unique();
  const { belongsTo } = column;
  return belongsTo === null ? builder : builder.references(() => idOf(made, belongsTo), { onDelete: "cascade" });
}

/** What the kinds of columns have in common here; each call gives a builder of a narrower type, which nobody needs. */
interface Builder extends PgColumnBuilderBase {
  primaryKey(): Builder;
  notNull(): Builder;
  unique(): Builder;
  references(to: () => AnyPgColumn, actions: { readonly onDelete: "cascade" }): Builder;
}

function typed(name: string, { type }: Column<unknown>): Builder {
  switch (type) {
    case "integer":
    case "time":
      return bigint(name, { mode: "number" }) as unknown as Builder;
    case "boolean":
      return boolean(name) as unknown as Builder;
    // jsonb would reorder, json is compared with nothing: as text, what is read is what was written.
    case "id":
    case "text":
    case "json":
      return text(name) as unknown as Builder;
  }
}

function idOf(made: ReadonlyMap<string, PgTable>, name: string): AnyPgColumn {
  return (made.get(name) as unknown as { readonly id: AnyPgColumn }).id;
}
