import type { Row, Table } from "../database/columns.ts";
import type { ControlDatabase, Transaction } from "../database/port.ts";
import { tables } from "../database/tables.ts";
import { noneRetired, parseRetired, type Retired, retiredNote } from "./retired.ts";
import { Rows } from "./rows.ts";

/** The note that every change raises. */
export const revisionNote = "revision";

/** One row that comes (`before` null), goes (`after` null) or is replaced by another of the same key. */
export interface Operation {
  readonly table: Table;
  readonly before: AnyRow | null;
  readonly after: AnyRow | null;
}
export type AnyRow = Readonly<Record<string, unknown>>;

/** Everything the control plane holds but sessions and audit log, as of one revision of the database. */
export class State {
  readonly users = new Rows(tables.users);
  readonly groups = new Rows(tables.groups);
  readonly memberships = new Rows(tables.memberships);
  readonly metadataStores = new Rows(tables.metadataStores);
  readonly blockStores = new Rows(tables.blockStores);
  readonly shares = new Rows(tables.shares);
  readonly grants = new Rows(tables.grants);
  readonly shareIdentities = new Rows(tables.shareIdentities);
  readonly adapters = new Rows(tables.adapters);
  readonly settings = new Rows(tables.settings);
  readonly netgroups = new Rows(tables.netgroups);
  readonly netgroupMembers = new Rows(tables.netgroupMembers);
  revision = 0;
  retired: Retired = noneRetired;
  private readonly byTable = new Map<string, Rows<Table>>();

  constructor() {
    for (const rows of this.held()) this.byTable.set(rows.table.name, rows);
  }

  /** Those of a table, which may be known only at run time. */
  rows(table: Table): Rows<Table> {
    const rows = this.byTable.get(table.name);
    if (rows === undefined) throw new Error(`${table.name} is not held in memory`);
    return rows;
  }

  /** The rows whose parent is `row`: they go with it. */
  children(table: Table, row: AnyRow): readonly { readonly table: Table; readonly row: AnyRow }[] {
    return this.held().flatMap((rows) =>
      Object.entries(rows.table.columns)
        .filter(([, column]) => column.belongsTo === table.name)
        .flatMap(([name]) => rows.in(name, row["id"] as string).map((child) => ({ table: rows.table, row: child as AnyRow }))),
    );
  }

  apply(operations: readonly Operation[]): void {
    for (const { table, before, after } of operations) if (before !== null && after === null) this.rows(table).drop(before);
    for (const { table, after } of operations) if (after !== null) this.rows(table).put(after);
  }

  /** What `look` sees once the operations are applied; nothing is applied when it returns. */
  seenWith<T>(operations: readonly Operation[], look: () => T): T {
    this.apply(operations);
    try {
      return look();
    } finally {
      this.apply(operations.map(({ table, before, after }) => ({ table, before: after, after: before })));
    }
  }

  /** Takes everything from the database. */
  async load(database: ControlDatabase): Promise<void> {
    const read = await database.transaction(async (tx) => {
      const rows = new Map<string, readonly Row<Table>[]>();
      for (const one of this.held()) rows.set(one.table.name, await tx.all(one.table));
      return { revision: await revisionOf(tx), retired: parseRetired((await tx.one(tables.notes, { key: retiredNote }))?.value ?? null), rows };
    });
    for (const rows of this.held()) rows.load(read.rows.get(rows.table.name) ?? []);
    this.revision = read.revision;
    this.retired = read.retired;
  }

  held(): readonly Rows<Table>[] {
    const { users, groups, memberships, metadataStores, blockStores, shares, grants, shareIdentities, adapters, settings, netgroups, netgroupMembers } = this;
    const all = [users, groups, memberships, metadataStores, blockStores, shares, grants, shareIdentities, adapters, settings, netgroups, netgroupMembers];
    return all as unknown as readonly Rows<Table>[];
  }
}

/** The revision the database has; 0 before the first change. */
export async function revisionOf(tx: Transaction): Promise<number> {
  const note = await tx.one(tables.notes, { key: revisionNote });
  return note === null ? 0 : Number(note.value);
}
