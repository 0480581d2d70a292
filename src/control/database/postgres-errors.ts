import { DrizzleQueryError } from "drizzle-orm";
import postgres from "postgres";
import { type Account, endsSession, explain, isOfConnection, SqlState } from "#base/postgres/errors.ts";
import { ConnectionLost, type Terms } from "#base/postgres/terms.ts";
import { DatabaseError, UniqueViolation } from "./port.ts";

/** The options of the control plane's database, as the configuration calls them. */
export const databaseTerms: Terms = {
  host: "database.host",
  port: "database.port",
  database: "database.name",
  user: "database.user",
  password: "the password in the environment",
  rootCert: "database.sslrootcert",
  connections: "database.max-open",
};

/** The database ran into another transaction: the whole of it may be run again. */
export class Conflict extends Error {
  override readonly name = "Conflict";
}

/** What PostgreSQL threw, from under what drizzle puts around it (which prints every parameter, password hashes too). */
function cause(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error;
}

/** What a statement threw, as an error of the port, a Conflict or a ConnectionLost. No detail of the server's goes along: it quotes rows. */
export function postgresError(account: Account, table: string, error: unknown): unknown {
  const thrown = cause(error);
  if (!(thrown instanceof postgres.PostgresError)) return isOfConnection(thrown) ? new ConnectionLost((thrown as Error).message) : thrown;
  const plain = new Error(`${thrown.code} ${thrown.message}`);
  switch (thrown.code) {
    case SqlState.serializationFailure:
    case SqlState.deadlock:
      return new Conflict(plain.message);
    case SqlState.uniqueViolation:
      return new UniqueViolation(table, plain);
    case SqlState.foreignKeyViolation:
      return new Error(`a row of ${table} belongs to a row that is not there`, { cause: plain });
    default:
      return endsSession(thrown) ? new ConnectionLost(plain.message) : new DatabaseError(explain(account, thrown));
  }
}

/** Whether COMMIT was refused: only then is it known that nothing was kept. */
export function isRefusal(error: unknown): boolean {
  const thrown = cause(error);
  return thrown instanceof postgres.PostgresError && !endsSession(thrown) && !thrown.code.startsWith("08") && thrown.code !== "40003";
}
