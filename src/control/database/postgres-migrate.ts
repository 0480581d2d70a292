import type { Clock } from "#base/clock.ts";
import { nameOf } from "#base/postgres/dial.ts";
import type { Account } from "#base/postgres/errors.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type Applied, type Step, createMigrationsTable, migrationsTable, pending } from "./migrate.ts";
import type { PostgresConnection } from "./postgres-connection.ts";

/** Of the advisory lock, in this database, that migrations are made under: "DtFC". */
const lockKey = 0x44744643;
/** How long another node may be at it, and how long a step may take here. */
const stepMsMax = 600_000;

async function applied(connection: PostgresConnection): Promise<readonly Applied[]> {
  // Read as rows: to_regclass would answer from the session's cache, which another session's commit need not have reached yet.
  const found = await connection.execute(`select from pg_class where relname = '${migrationsTable}' and relnamespace in (select oid from pg_namespace where nspname = any(current_schemas(false)))`);
  if (found.length === 0) return [];
  const rows = await connection.execute(`select number, name, hash from ${migrationsTable} order by number`);
  return rows.map((row) => ({ number: Number(row["number"]), name: String(row["name"]), hash: String(row["hash"]) }));
}

function nameOfDatabase(account: Account): string {
  return `the control plane's database "${account.database}" at ${nameOf(account)}`;
}

/** The steps the database lacks; changes nothing, and throws where it isn't ours or is newer than this program. */
export async function missingPostgresSteps(connection: PostgresConnection, account: Account, known: readonly Step[]): Promise<readonly Step[]> {
  return pending(nameOfDatabase(account), known, await applied(connection));
}

/**
 * Brings the tables up to date, in one transaction under an advisory lock: of two nodes that start together one makes the tables and
 * the other, once it has the lock, finds them; a crash leaves the old ones or the new ones. Read committed, so that what
 * the other one committed meanwhile is seen.
 */
export async function migratePostgres(connection: PostgresConnection, account: Account, known: readonly Step[], clock: Clock, logger: Logger): Promise<void> {
  const where = nameOfDatabase(account);
  if ((await missingPostgresSteps(connection, account, known)).length === 0) return;
  await connection.execute(`begin isolation level read committed; set local statement_timeout = ${stepMsMax}`);
  try {
    await connection.execute(`select pg_advisory_xact_lock(${lockKey})`, stepMsMax);
    const before = await applied(connection);
    const missing = pending(where, known, before);
    if (before.length === 0 && missing.length > 0) await connection.execute(createMigrationsTable);
    for (const step of missing) {
      for (const statement of step.statements) await connection.execute(statement, stepMsMax);
      await connection.execute(`insert into ${migrationsTable} values (${step.number}, '${step.name}', '${step.hash}', ${clock.now().sec * 1000})`);
    }
    await connection.execute("commit");
    for (const step of missing) logger.info({ database: account.database, step: step.name }, "the control plane's database was brought up to date");
  } catch (error) {
    // The session isn't used again: closing it rolls back what was not committed.
    connection.destroy();
    throw error;
  }
}
