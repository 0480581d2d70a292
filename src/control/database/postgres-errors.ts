import { DrizzleQueryError } from "drizzle-orm";
import postgres from "postgres";
import { DatabaseError, UniqueViolation } from "./port.ts";
import { type Endpoint, nameOf } from "./postgres-dial.ts";

/** The database ran into another transaction: the whole of it may be run again. */
export class Conflict extends Error {
  override readonly name = "Conflict";
}

/** The connection is gone: what was not committed did not happen. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

export interface Account extends Endpoint {
  readonly database: string;
  readonly user: string;
}

/** SQLSTATEs (PostgreSQL, Appendix A). */
const State = {
  uniqueViolation: "23505",
  foreignKeyViolation: "23503",
  readOnly: "25006",
  invalidAuthorization: "28000",
  invalidPassword: "28P01",
  noDatabase: "3D000",
  serializationFailure: "40001",
  deadlock: "40P01",
  noPrivilege: "42501",
  duplicateTable: "42P07",
  diskFull: "53100",
  outOfMemory: "53200",
  tooManyConnections: "53300",
  lockTimeout: "55P03",
  cancelled: "57014",
  cannotConnectNow: "57P03",
} as const;

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
    case State.serializationFailure:
    case State.deadlock:
      return new Conflict(plain.message);
    case State.uniqueViolation:
      return new UniqueViolation(table, plain);
    case State.foreignKeyViolation:
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

function endsSession(error: postgres.PostgresError): boolean {
  return error.severity === "FATAL" || error.severity === "PANIC";
}

/** Errors of the driver and of sockets; everything else is a bug, and thrown as it is. */
function isOfConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return error instanceof ConnectionLost || (typeof code === "string" && /^(?:CONNECT|E[A-Z]+$|ERR_S)/.test(code));
}

/** Why a session could not begin. */
export function loginError(account: Account, error: unknown): DatabaseError {
  const thrown = cause(error);
  if (thrown instanceof DatabaseError) return thrown;
  if (thrown instanceof postgres.PostgresError) return new DatabaseError(explain(account, thrown));
  return new DatabaseError(`${place(account)} broke off the log-in of user "${account.user}": ${(thrown as Error).message}. Look into its log`);
}

function place(account: Account): string {
  return `PostgreSQL at ${nameOf(account)}`;
}

export function explain(account: Account, error: postgres.PostgresError): string {
  const { host, port, database, user } = account;
  const at = place(account);
  const said = `it says: ${error.message}`;
  switch (error.code) {
    case State.invalidPassword:
      return `${at} refuses the password of user "${user}". Check database.user and the password in the environment`;
    case State.invalidAuthorization:
      return `${at} does not let user "${user}" into database "${database}" (${said}). Check database.user, sslmode (here ${account.sslmode}), and the server's pg_hba.conf`;
    case State.noDatabase:
      return `${at} has no database "${database}". Make it (createdb -h ${host} -p ${port} -O ${user} ${database}), or correct database.name`;
    case State.noPrivilege:
      return `user "${user}" lacks rights in database "${database}" of ${at} (${said}). Make the user its owner: ALTER DATABASE "${database}" OWNER TO "${user}"`;
    case State.duplicateTable:
      return `database "${database}" of ${at} holds tables of something else (${said}). Give DittoFS a database of its own. Nothing was changed`;
    case State.tooManyConnections:
      return `${at} takes no more connections for user "${user}" (${said}). Lower database.max-open here, or raise max_connections there`;
    case State.cannotConnectNow:
      return `${at} is starting or stopping (${said}). Try again in a moment`;
    case State.readOnly:
      return `${at} takes no changes: it is a standby or set read-only (${said}). Set database.host to the primary`;
    case State.diskFull:
    case State.outOfMemory:
      return `${at} is short of room (${said}). Nothing was changed`;
    case State.lockTimeout:
    case State.cancelled:
      return `${at} did not finish in time (${said}). Nothing was changed; see what else works on database "${database}" (pg_stat_activity)`;
    default:
      return `${at}, database "${database}", user "${user}", can't do it (${error.code}; ${said})`;
  }
}
