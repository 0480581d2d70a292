import type { Row, Table } from "../database/columns.ts";

type Values = Readonly<Record<string, unknown>>;

/** The rows of one table, found by key, by unique column, and by the columns that refer to others. Rows are never changed, only replaced. */
export class Rows<T extends Table> {
  readonly table: T;
  /** Rises with every change: what was worked out from these rows is good as long as it stays. */
  changes = 0;
  private readonly byKey = new Map<string, Row<T>>();
  private readonly unique = new Map<string, Map<unknown, Row<T>>>();
  private readonly groups = new Map<string, Map<unknown, Map<string, Row<T>>>>();
  private sorted: readonly Row<T>[] | null = null;

  constructor(table: T) {
    this.table = table;
    for (const [name, column] of Object.entries(table.columns)) {
      if (column.unique) this.unique.set(name, new Map());
      if (column.index || column.belongsTo !== null) this.groups.set(name, new Map());
    }
  }

  get size(): number {
    return this.byKey.size;
  }

  keyOf(row: Row<T>): string {
    return this.table.key.map((name) => String((row as Values)[name])).join("\u0000");
  }

  /** By the columns of the key, in their order. */
  get(...key: readonly string[]): Row<T> | null {
    return this.byKey.get(key.join("\u0000")) ?? null;
  }

  /** By a unique column. */
  by<K extends keyof Row<T> & string>(column: K, value: Row<T>[K]): Row<T> | null {
    return this.unique.get(column)?.get(value) ?? null;
  }

  /** Those that refer to `value` in an indexed column. */
  in<K extends keyof Row<T> & string>(column: K, value: Row<T>[K]): readonly Row<T>[] {
    return [...(this.groups.get(column)?.get(value)?.values() ?? [])];
  }

  /** All, by name where they have one, else by key. */
  all(): readonly Row<T>[] {
    if (this.sorted === null) {
      const by = this.unique.has("name") ? (row: Row<T>) => String((row as Values)["name"]) : (row: Row<T>) => this.keyOf(row);
      this.sorted = [...this.byKey.values()].map((row) => ({ row, name: by(row) })).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)).map(({ row }) => row);
    }
    return this.sorted;
  }

  /** Takes the place of the row of the same key, if there is one. */
  put(row: Row<T>): void {
    const key = this.keyOf(row);
    this.forget(key);
    this.byKey.set(key, row);
    for (const [name, index] of this.unique) index.set((row as Values)[name], row);
    for (const [name, index] of this.groups) {
      const value = (row as Values)[name];
      let group = index.get(value);
      if (group === undefined) index.set(value, (group = new Map()));
      group.set(key, row);
    }
    this.changed();
  }

  drop(row: Row<T>): void {
    this.forget(this.keyOf(row));
    this.changed();
  }

  /** Replaces all of them. */
  load(rows: readonly Row<T>[]): void {
    this.byKey.clear();
    for (const index of [...this.unique.values(), ...this.groups.values()]) index.clear();
    for (const row of rows) this.put(row);
    this.changed();
  }

  private changed(): void {
    this.sorted = null;
    this.changes++;
  }

  private forget(key: string): void {
    const row = this.byKey.get(key);
    if (row === undefined) return;
    this.byKey.delete(key);
    // Another row may have taken the value meanwhile: two rows that swap a unique value are put one after the other.
    for (const [name, index] of this.unique) if (index.get((row as Values)[name]) === row) index.delete((row as Values)[name]);
    for (const [name, index] of this.groups) {
      const value = (row as Values)[name];
      const group = index.get(value);
      group?.delete(key);
      if (group?.size === 0) index.delete(value);
    }
  }
}
