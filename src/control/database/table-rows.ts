import type { Row, Table } from "./columns.ts";
import type { Transaction } from "./port.ts";
import { tables } from "./tables.ts";

/** Rows of a long table that are in memory at once. */
const rowsAtOnce = 2000;

/** All tables, those that others belong to first. */
export const allTables: readonly Table[] = Object.values<Table>(tables);

/** The rows of a table, in its key's order, not all at once where there may be many. */
export async function* rowsOf(tx: Transaction, table: Table): AsyncGenerator<readonly Row<Table>[]> {
  if (!table.numbered) return yield await tx.all(table);
  let last = Number.MIN_SAFE_INTEGER;
  for (;;) {
    const rows = await tx.after(table, last, rowsAtOnce);
    if (rows.length > 0) yield rows;
    if (rows.length < rowsAtOnce) return;
    last = Number((rows.at(-1) as Readonly<Record<string, unknown>>)["number"]);
  }
}
