import type { Row, Table } from "../database/columns.ts";
import type { AnyRow, Operation, State } from "./state.ts";

/** What every row that operators change has; a draft fills it in. */
const common = ["version", "createdAt", "updatedAt"] as const;
type Common = (typeof common)[number];
type Given<T extends Table> = Omit<Row<T>, Common>;

/** The rows one change touches, put together before anything is written. The version of a row rises once, however often it is touched. */
export class Draft {
  private readonly state: State;
  private readonly nowMs: number;
  private readonly byKey = new Map<string, Operation>();

  constructor(state: State, nowMs: number) {
    this.state = state;
    this.nowMs = nowMs;
  }

  get operations(): readonly Operation[] {
    return [...this.byKey.values()].filter(({ before, after }) => before !== null || after !== null);
  }

  insert<T extends Table>(table: T, given: Given<T>): void {
    const versioned = "version" in table.columns ? { version: 1, createdAt: this.nowMs, updatedAt: this.nowMs } : {};
    this.write(table, null, Object.freeze({ ...given, ...versioned }));
  }

  /** A row that was there before and comes back as it was, under a version of its own. */
  restore(table: Table, row: AnyRow): void {
    const versioned = "version" in table.columns ? { version: Number(row["version"]) + 1, updatedAt: this.nowMs } : {};
    this.write(table, null, Object.freeze({ ...row, ...versioned }));
  }

  /** Nothing happens where the row has these values. */
  update<T extends Table>(table: T, row: Row<T>, set: Partial<Given<T>>): void {
    const now = this.latest(table, row as AnyRow);
    if (Object.entries(set).every(([name, value]) => Bun.deepEquals(now[name], value))) return;
    this.write(table, row as AnyRow, { ...now, ...set });
  }

  /** Raises the version of a row that shows something kept elsewhere. */
  touch<T extends Table>(table: T, row: Row<T>): void {
    this.write(table, row as AnyRow, this.latest(table, row as AnyRow));
  }

  /** With all that belongs to it. */
  remove<T extends Table>(table: T, row: Row<T>): void {
    for (const child of this.state.children(table, row as AnyRow)) this.write(child.table, child.row, null);
    this.write(table, row as AnyRow, null);
  }

  private latest(table: Table, row: AnyRow): AnyRow {
    return this.byKey.get(this.keyOf(table, row))?.after ?? row;
  }

  private keyOf(table: Table, row: AnyRow): string {
    return `${table.name}\u0000${this.state.rows(table).keyOf(row)}`;
  }

  private write(table: Table, before: AnyRow | null, after: AnyRow | null): void {
    const key = this.keyOf(table, (before ?? after) as AnyRow);
    const was = this.byKey.get(key);
    const first = was === undefined ? before : was.before;
    const raised = after !== null && first !== null && "version" in table.columns ? { version: Number(first["version"]) + 1, updatedAt: this.nowMs } : {};
    this.byKey.set(key, { table, before: first, after: after === null ? null : Object.freeze({ ...after, ...raised }) });
  }
}
