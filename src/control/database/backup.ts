import type { Clock } from "#base/clock.ts";
import { BackupWriter } from "./backup-file.ts";
import { type BackupContext, type BackupSummary, backupFormat, backupVersion, loadBackup } from "./backup-scratch.ts";
import { migrations } from "./migrations/index.ts";
import { type ControlDatabase, DatabaseError, type Transaction } from "./port.ts";
import { allTables, rowsOf } from "./table-rows.ts";

/**
 * Writes all of a control plane's database, as one moment of it, to a file (docs/formats/controlplane-backup.md). A file of that name
 * is replaced, by the whole new one or not at all.
 */
export async function backupControl(db: ControlDatabase, file: string, clock: Clock): Promise<BackupSummary> {
  let writer: BackupWriter;
  try {
    writer = new BackupWriter(file);
  } catch (error) {
    throw unwritable(file, error);
  }
  try {
    const summary = await db.transaction(async (tx) => {
      writer.restart();
      return await write(tx, writer, clock);
    });
    // Only now is it known that what was read was one moment.
    writer.finish(Object.values(summary.rows).reduce((sum, rows) => sum + rows, 0));
    return summary;
  } catch (error) {
    throw unwritable(file, error);
  } finally {
    writer.close();
  }
}

function unwritable(file: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  return new DatabaseError(`the backup ${file} can't be written (${code} of ${syscall}). Name a place this user may write to, with room`);
}

async function write(tx: Transaction, writer: BackupWriter, clock: Clock): Promise<BackupSummary> {
  const header = { madeAt: clock.now().sec * 1000, schema: migrations.length };
  writer.line({ format: backupFormat, version: backupVersion, ...header });
  const rows: Record<string, number> = {};
  for (const table of allTables) {
    const names = Object.keys(table.columns);
    writer.line({ table: table.name, columns: Object.fromEntries(Object.entries(table.columns).map(([name, { type }]) => [name, type])) });
    rows[table.name] = 0;
    for await (const some of rowsOf(tx, table)) {
      for (const row of some) writer.line(names.map((name) => (row as Readonly<Record<string, unknown>>)[name]));
      rows[table.name] = (rows[table.name] as number) + some.length;
    }
  }
  return { ...header, rows };
}

/** Reads all of a backup and says what is in it; throws DatabaseError where it couldn't be restored. */
export async function checkBackup(file: string, context: BackupContext): Promise<BackupSummary> {
  const loaded = await loadBackup(file, context);
  await loaded.close();
  return loaded.summary;
}

/** Looks at what is there before it is replaced, and gives what is still to be done, in the same transaction, when it was. */
export type Aside = (tx: Transaction) => Promise<(tx: Transaction) => Promise<void>>;

/**
 * Replaces all of a control plane's database by what a backup holds, in one transaction; the backup may come from the other dialect and
 * from an older schema. Everything in it is checked before anything is touched. Throws DatabaseError.
 */
export async function restoreControl(db: ControlDatabase, file: string, context: BackupContext, aside: Aside | null = null): Promise<BackupSummary> {
  const loaded = await loadBackup(file, context);
  try {
    await loaded.database.transaction((from) =>
      db.transaction(async (to) => {
        const finish = await aside?.(to);
        for (const table of allTables.toReversed()) await to.delete(table, {});
        for (const table of allTables) for await (const rows of rowsOf(from, table)) await to.insertAll(table, rows);
        await finish?.(to);
      }),
    );
    return loaded.summary;
  } finally {
    await loaded.close();
  }
}
