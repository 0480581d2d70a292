import type { Clock } from "#base/clock.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { steps } from "./migrate.ts";
import { PostgresConnection } from "./postgres-connection.ts";
import { missingPostgresSteps } from "./postgres-migrate.ts";
import { databaseTerms, postgresError } from "./postgres-errors.ts";
import type { PostgresControlOptions } from "./postgres.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { sqliteError } from "./sqlite-errors.ts";
import { missingSteps } from "./sqlite-migrate.ts";

/** Looks at a control plane's database without bringing it up to date: the steps it lacks. Throws DatabaseError. */
export async function examineSqlite(path: string, clock: Clock): Promise<number> {
  let connection: SqliteConnection | null = null;
  try {
    connection = new SqliteConnection(path, clock);
    return (await missingSteps(connection, steps("sqlite"))).length;
  } catch (error) {
    throw sqliteError(path, "", error);
  } finally {
    connection?.close();
  }
}

/** The same of one in PostgreSQL. */
export async function examinePostgres(account: Omit<PostgresControlOptions, "logger" | "steps" | "maxOpen" | "maxIdle">): Promise<number> {
  const login = { ...account, terms: databaseTerms };
  const connection = await PostgresConnection.open(login, login.clock, silentLogger);
  try {
    return (await missingPostgresSteps(connection, login, steps("postgres"))).length;
  } catch (error) {
    throw postgresError(login, "the database", error);
  } finally {
    await connection.close();
  }
}
