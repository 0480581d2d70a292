import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type Applied, type Step, createMigrationsTable, migrationsTable, pending } from "./migrate.ts";
import { DatabaseError } from "./port.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

/** "DtFC": marks a database as the control plane's (`PRAGMA application_id`). */
const applicationId = 0x44744643;

/**
 * What was applied to it; throws where the file is a database of something else. Within a transaction only: seen one after the other,
 * a database without the mark and the tables that another process has made since look like somebody else's.
 */
function applied(connection: SqliteConnection): readonly Applied[] {
  const application = connection.number("application_id");
  const tables = connection.rows<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table'");
  if (application === 0 && tables.length === 0) return [];
  if (application !== applicationId) {
    throw new DatabaseError(
      `${connection.path} is an SQLite database, but not one of DittoFS's control plane (application id ${application}). Name another place for it, or move that file away`,
    );
  }
  return connection.rows<Applied>(`SELECT number, name, hash FROM ${migrationsTable} ORDER BY number`);
}

const nameOf = (connection: SqliteConnection): string => `the control plane's database ${connection.path}`;

/** The steps the file lacks; changes nothing, and throws where it isn't ours or is newer than this program. */
export function missingSteps(connection: SqliteConnection, known: readonly Step[]): Promise<readonly Step[]> {
  return connection.patiently(() => {
    connection.run("BEGIN");
    try {
      return pending(nameOf(connection), known, applied(connection));
    } finally {
      connection.rollBack();
    }
  });
}

/**
 * Brings the tables up to date. The write lock is taken before the second look, so that of two processes that start together one
 * makes the tables and the other finds them; one transaction, so that a crash leaves the old ones or the new ones.
 */
export async function migrateSqlite(connection: SqliteConnection, known: readonly Step[], clock: Clock, logger: Logger): Promise<void> {
  if ((await missingSteps(connection, known)).length === 0) return;
  // Steps that make a table anew must not have its rows' dependants go with the old one (SQLite, "Making Other Kinds Of Table Schema Changes").
  connection.run("PRAGMA foreign_keys = OFF");
  await connection.patiently(() => connection.run("BEGIN IMMEDIATE"));
  try {
    const before = applied(connection);
    const missing = pending(nameOf(connection), known, before);
    if (missing.length > 0) apply(connection, before, missing, clock);
    connection.run("COMMIT");
    for (const step of missing) logger.info({ path: connection.path, step: step.name }, "the control plane's database was brought up to date");
  } finally {
    connection.rollBack();
  }
}

function apply(connection: SqliteConnection, before: readonly Applied[], missing: readonly Step[], clock: Clock): void {
  if (before.length === 0) connection.run(createMigrationsTable);
  const { database } = connection;
  const remember = database.query<void, [number, string, string, number]>(`INSERT INTO ${migrationsTable} (number, name, hash, applied_at) VALUES (?, ?, ?, ?)`);
  for (const step of missing) {
    for (const statement of step.statements) connection.run(statement);
    remember.run(step.number, step.name, step.hash, clock.now().sec * 1000);
  }
  remember.finalize();
  const orphans = connection.rows<{ table: string }>("PRAGMA foreign_key_check");
  if (orphans.length > 0) throw new DatabaseError(`${connection.path} can't be brought up to date: rows of ${orphans[0]?.table} belong to rows that are not there. Nothing was changed`);
  connection.run(`PRAGMA application_id = ${applicationId}`);
}
