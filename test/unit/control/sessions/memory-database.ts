import type { Row, Table } from "#control/database/columns.ts";
import { type ControlDatabase, type Page, type Transaction, UniqueViolation, type Where } from "#control/database/port.ts";

type AnyRow = Readonly<Record<string, unknown>>;

/**
 * The database port in memory, one transaction after another: what is thrown undoes all of it. `beforeCommit` and `afterCommit` are
 * where a test lets it crash.
 */
export class MemoryDatabase implements ControlDatabase {
  readonly type: "sqlite" | "postgres";
  beforeCommit: () => void = () => {};
  afterCommit: () => void = () => {};
  transactions = 0;
  private rows = new Map<string, readonly AnyRow[]>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(type: "sqlite" | "postgres" = "sqlite") {
    this.type = type;
  }

  rowsOf<T extends Table>(table: T): readonly Row<T>[] {
    return (this.rows.get(table.name) ?? []) as readonly Row<T>[];
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const run = async () => {
      this.transactions++;
      const tx = new MemoryTransaction(new Map(this.rows));
      const result = await work(tx);
      this.beforeCommit();
      this.rows = tx.rows;
      this.afterCommit();
      return result;
    };
    const running = this.last.then(run, run);
    this.last = running.catch(() => {});
    return running;
  }

  othersVersion(): null {
    return null;
  }

  async health(): Promise<string | null> {
    return null;
  }

  async close(): Promise<void> {}
}

class MemoryTransaction implements Transaction {
  readonly rows: Map<string, readonly AnyRow[]>;

  constructor(rows: Map<string, readonly AnyRow[]>) {
    this.rows = rows;
  }

  async all<T extends Table>(table: T, where: Where<T> = {}): Promise<readonly Row<T>[]> {
    return this.of(table).filter((row) => matches(row, where)) as unknown as readonly Row<T>[];
  }

  async one<T extends Table>(table: T, where: Where<T>): Promise<Row<T> | null> {
    return (await this.all(table, where))[0] ?? null;
  }

  async page<T extends Table>(table: T, where: Where<T>, page: Page<T>): Promise<{ readonly rows: readonly Row<T>[]; readonly total: number }> {
    const found = (await this.all(table, where)).filter((row) => inRange(row as AnyRow, page)) as AnyRow[];
    const direction = page.descending ? -1 : 1;
    found.sort((a, b) => direction * compare(a[page.orderBy], b[page.orderBy]));
    return { rows: found.slice(page.offset, page.offset + page.limit) as unknown as readonly Row<T>[], total: found.length };
  }

  async after<T extends Table>(table: T, number: number, limit: number): Promise<readonly Row<T>[]> {
    return this.of(table).filter((row) => (row["number"] as number) > number).slice(0, limit) as unknown as readonly Row<T>[];
  }

  async insert<T extends Table>(table: T, row: Row<T>): Promise<void> {
    const rows = this.of(table);
    const given = row as AnyRow;
    const uniques = Object.entries(table.columns).filter(([, column]) => column.unique);
    const taken = (one: AnyRow) => table.key.every((name) => one[name] === given[name]) || uniques.some(([name]) => one[name] === given[name]);
    if (rows.some(taken)) throw new UniqueViolation(table.name, null);
    this.rows.set(table.name, [...rows, given]);
  }

  async insertAll<T extends Table>(table: T, rows: readonly Row<T>[]): Promise<void> {
    for (const row of rows) await this.insert(table, row);
  }

  async append<T extends Table>(table: T, row: Omit<Row<T>, "number">): Promise<void> {
    const rows = this.of(table);
    this.rows.set(table.name, [...rows, { ...row, number: rows.length + 1 }]);
  }

  async update<T extends Table>(table: T, where: Where<T>, set: Partial<Row<T>>): Promise<number> {
    const rows = this.of(table);
    this.rows.set(table.name, rows.map((row) => (matches(row, where) ? { ...row, ...set } : row)));
    return rows.filter((row) => matches(row, where)).length;
  }

  async delete<T extends Table>(table: T, where: Where<T>): Promise<number> {
    const rows = this.of(table);
    const left = rows.filter((row) => !matches(row, where));
    this.rows.set(table.name, left);
    return rows.length - left.length;
  }

  private of(table: Table): readonly AnyRow[] {
    return this.rows.get(table.name) ?? [];
  }
}

function matches(row: AnyRow, where: object): boolean {
  return Object.entries(where).every(([name, value]) => (Array.isArray(value) ? value.includes(row[name]) : row[name] === value));
}

function inRange<T extends Table>(row: AnyRow, page: Page<T>): boolean {
  if (page.from === undefined) return true;
  const value = row[page.from.column];
  if (typeof value !== "number") return false;
  return value >= (page.from.atLeast ?? Number.NEGATIVE_INFINITY) && value < (page.from.below ?? Number.POSITIVE_INFINITY);
}

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  return (a as number) < (b as number) ? -1 : 1;
}
