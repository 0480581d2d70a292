import { type Column as DrizzleColumn, type SQL, and, eq, gt, gte, inArray, isNull, lt, or, sql } from "drizzle-orm";
import { InvariantError, assert } from "#base/assert.ts";
import type { Row, Table } from "./columns.ts";
import type { Page, Transaction, Where } from "./port.ts";
import { type Stored, columnOf, decodeRow, encode, encodeRow } from "./values.ts";

/** The values one condition compares a column with, at most: a database takes no more parameters. */
const valuesMax = 30_000;
/** Rows one INSERT carries. */
const rowsPerInsert = 500;

type DrizzleTable = Readonly<Record<string, DrizzleColumn>>;

interface Selecting extends PromiseLike<readonly Record<string, unknown>[]> {
  from(table: DrizzleTable): Selecting;
  where(condition: SQL | undefined): Selecting;
  orderBy(...by: readonly SQL[]): Selecting;
  limit(rows: number): Selecting;
  offset(rows: number): Selecting;
}

interface Changing extends PromiseLike<unknown> {
  values(rows: Record<string, Stored> | readonly Record<string, Stored>[]): Changing;
  set(values: Record<string, Stored>): Changing;
  where(condition: SQL | undefined): Changing;
}

/** What drizzle's databases of both dialects have in common. */
export interface Builder {
  select(fields?: Readonly<Record<string, SQL>>): Selecting;
  insert(table: DrizzleTable): Changing;
  update(table: DrizzleTable): Changing;
  delete(table: DrizzleTable): Changing;
}

/** What they haven't. */
export interface Dialect {
  readonly builder: Builder;
  readonly tables: ReadonlyMap<string, unknown>;
  /** Runs one statement and turns what the database throws into an error of the port. */
  run<T>(table: string, statement: () => PromiseLike<T>): Promise<T>;
  /** Rows a statement changed. */
  changed(result: unknown): number;
  /** A text column in the order of its bytes, as both dialects can have it. */
  byBytes(column: DrizzleColumn): SQL;
  /** Has a numbered table give numbers above those it holds. */
  renumber(table: Table): Promise<void>;
}

/** One transaction over drizzle: the same statements in both dialects. */
export class DrizzleTransaction implements Transaction {
  private readonly dialect: Dialect;
  private open = true;
  /** The first error of the database: after it nothing can be committed, whatever `work` makes of it. */
  failure: unknown = null;

  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  /** Nothing is read or written through this any more. */
  end(): void {
    this.open = false;
  }

  async all<T extends Table>(table: T, where: Where<T> = {}): Promise<readonly Row<T>[]> {
    const query = this.select(table, this.conditions(table, where)).orderBy(...this.byKey(table));
    return this.rows(table, await this.run(table, () => query));
  }

  async one<T extends Table>(table: T, where: Where<T>): Promise<Row<T> | null> {
    const query = this.select(table, this.conditions(table, where)).limit(1);
    return this.rows(table, await this.run(table, () => query))[0] ?? null;
  }

  async page<T extends Table>(table: T, where: Where<T>, page: Page<T>): Promise<{ readonly rows: readonly Row<T>[]; readonly total: number }> {
    const { offset, limit } = page;
    assert(Number.isSafeInteger(offset) && offset >= 0 && Number.isSafeInteger(limit) && limit >= 0, `a page of ${limit} rows from ${offset}`);
    const condition = and(this.conditions(table, where), this.range(table, page.from));
    const counting = this.dialect.builder.select({ n: sql`count(*)`.mapWith(Number) }).from(this.table(table)).where(condition);
    const [counted] = await this.run(table, () => counting);
    const query = this.select(table, condition).orderBy(this.by(table, page.orderBy, page.descending), ...this.byKey(table)).limit(limit).offset(offset);
    return { rows: this.rows(table, await this.run(table, () => query)), total: Number(counted?.["n"]) };
  }

  async after<T extends Table>(table: T, number: number, limit: number): Promise<readonly Row<T>[]> {
    assert(table.numbered, `${table.name} is not numbered`);
    const query = this.select(table, gt(this.column(table, "number"), encode(table, "number", number))).orderBy(...this.byKey(table)).limit(limit);
    return this.rows(table, await this.run(table, () => query));
  }

  async insert<T extends Table>(table: T, row: Row<T>): Promise<void> {
    await this.insertAll(table, [row]);
  }

  async insertAll<T extends Table>(table: T, rows: readonly Row<T>[]): Promise<void> {
    for (let from = 0; from < rows.length; from += rowsPerInsert) {
      const stored = rows.slice(from, from + rowsPerInsert).map((row) => encodeRow(table, row));
      await this.run(table, () => this.dialect.builder.insert(this.table(table)).values(stored));
    }
    if (table.numbered && rows.length > 0) await this.run(table, () => this.dialect.renumber(table));
  }

  async append<T extends Table>(table: T, row: Omit<Row<T>, "number">): Promise<void> {
    assert(table.numbered, `${table.name} is not numbered`);
    const stored = encodeRow(table, row, ["number"]);
    await this.run(table, () => this.dialect.builder.insert(this.table(table)).values(stored));
  }

  async update<T extends Table>(table: T, where: Where<T>, set: Partial<Row<T>>): Promise<number> {
    const condition = this.conditions(table, where);
    const stored: Record<string, Stored> = {};
    for (const [name, value] of Object.entries(set)) stored[name] = encode(table, name, value);
    assert(Object.keys(stored).length > 0, `an update of ${table.name} that sets nothing`);
    return this.dialect.changed(await this.run(table, () => this.dialect.builder.update(this.table(table)).set(stored).where(condition)));
  }

  async delete<T extends Table>(table: T, where: Where<T>): Promise<number> {
    const condition = this.conditions(table, where);
    return this.dialect.changed(await this.run(table, () => this.dialect.builder.delete(this.table(table)).where(condition)));
  }

  private async run<T>(table: Table, statement: () => PromiseLike<T>): Promise<T> {
    if (!this.open) throw new InvariantError("the transaction is over: everything it does has to be awaited within it");
    if (this.failure !== null) throw this.failure;
    try {
      return await this.dialect.run(table.name, statement);
    } catch (error) {
      this.failure ??= error;
      throw error;
    }
  }

  private table(table: Table): DrizzleTable {
    const found = this.dialect.tables.get(table.name);
    assert(found !== undefined, `no table ${table.name} is declared`);
    return found as DrizzleTable;
  }

  private column(table: Table, name: string): DrizzleColumn {
    columnOf(table, name);
    return this.table(table)[name] as DrizzleColumn;
  }

  private select(table: Table, condition: SQL | undefined): Selecting {
    return this.dialect.builder.select().from(this.table(table)).where(condition);
  }

  private rows<T extends Table>(table: T, stored: readonly Record<string, unknown>[]): Row<T>[] {
    return stored.map((row) => decodeRow(table, row) as Row<T>);
  }

  private conditions(table: Table, where: object): SQL | undefined {
    return and(...Object.entries(where).map(([name, value]) => this.condition(table, name, value)));
  }

  private condition(table: Table, name: string, value: unknown): SQL {
    assert(columnOf(table, name).type !== "json", `${table.name}.${name} is JSON, which is not compared`);
    const column = this.column(table, name);
    if (value === null) return isNull(column);
    if (!Array.isArray(value)) return eq(column, encode(table, name, value));
    assert(value.length <= valuesMax, `more than ${valuesMax} values to compare ${table.name}.${name} with`);
    const values = value.filter((one) => one !== null).map((one) => encode(table, name, one));
    const among = values.length === 0 ? sql`1 = 0` : inArray(column, values);
    return values.length === value.length ? among : (or(among, isNull(column)) as SQL);
  }

  private range<T extends Table>(table: T, from: Page<T>["from"]): SQL | undefined {
    if (from === undefined) return undefined;
    const column = this.column(table, from.column);
    const atLeast = from.atLeast === undefined ? undefined : gte(column, encode(table, from.column, from.atLeast));
    return and(atLeast, from.below === undefined ? undefined : lt(column, encode(table, from.column, from.below)));
  }

  private by(table: Table, name: string, descending: boolean): SQL {
    const { type, nullable } = columnOf(table, name);
    assert(type !== "json", `${table.name}.${name} is JSON, which has no order`);
    const column = this.column(table, name);
    const key = type === "text" || type === "id" ? this.dialect.byBytes(column) : sql`${column}`;
    // The dialects differ in where null comes by itself.
    if (!nullable) return descending ? sql`${key} desc` : sql`${key} asc`;
    return descending ? sql`${key} desc nulls last` : sql`${key} asc nulls first`;
  }

  private byKey(table: Table): SQL[] {
    return table.key.map((name) => this.by(table, name, false));
  }
}
