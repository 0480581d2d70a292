import postgres from "postgres";
import { type Endpoint, nameOf } from "./dial.ts";
import { ConnectionLost, PostgresFailure } from "./terms.ts";

export interface Account extends Endpoint {
  readonly database: string;
  readonly user: string;
}

/** SQLSTATEs (PostgreSQL, Appendix A). */
export const SqlState = {
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

export function endsSession(error: postgres.PostgresError): boolean {
  return error.severity === "FATAL" || error.severity === "PANIC";
}

/** Errors of the driver and of sockets; everything else is a bug, and thrown as it is. */
export function isOfConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return error instanceof ConnectionLost || (typeof code === "string" && /^(?:CONNECT|E[A-Z]+$|ERR_S)/.test(code));
}

/** SQLSTATEs of a server that is short of connections, or is starting or stopping. */
const passing = /^(?:53|57P)/;

/** Why a session could not begin. */
export function loginError(account: Account, error: unknown): PostgresFailure {
  if (error instanceof PostgresFailure) return error;
  if (error instanceof postgres.PostgresError) return new PostgresFailure(explain(account, error), passing.test(error.code));
  return new PostgresFailure(`${place(account)} broke off the log-in of user "${account.user}": ${(error as Error).message}. Look into its log`, true);
}

function place(account: Account): string {
  return `PostgreSQL at ${nameOf(account)}`;
}

export function explain(account: Account, error: postgres.PostgresError): string {
  const { host, port, database, user, terms } = account;
  const at = place(account);
  const said = `it says: ${error.message}`;
  switch (error.code) {
    case SqlState.invalidPassword:
      return `${at} refuses the password of user "${user}". Check ${terms.user} and ${terms.password}`;
    case SqlState.invalidAuthorization:
      return `${at} does not let user "${user}" into database "${database}" (${said}). Check ${terms.user}, sslmode (here ${account.sslmode}), and the server's pg_hba.conf`;
    case SqlState.noDatabase:
      return `${at} has no database "${database}". Make it (createdb -h ${host} -p ${port} -O ${user} ${database}), or correct ${terms.database}`;
    case SqlState.noPrivilege:
      return `user "${user}" lacks rights in database "${database}" of ${at} (${said}). Make the user its owner: ALTER DATABASE "${database}" OWNER TO "${user}"`;
    case SqlState.duplicateTable:
      return `database "${database}" of ${at} holds tables of something else (${said}). Give DittoFS a database of its own. Nothing was changed`;
    case SqlState.tooManyConnections:
      return `${at} takes no more connections for user "${user}" (${said}). Lower ${terms.connections} here, or raise max_connections there`;
    case SqlState.cannotConnectNow:
      return `${at} is starting or stopping (${said}). Try again in a moment`;
    case SqlState.readOnly:
      return `${at} takes no changes: it is a standby or set read-only (${said}). Set ${terms.host} to the primary`;
    case SqlState.diskFull:
    case SqlState.outOfMemory:
      return `${at} is short of room (${said}). Nothing was changed`;
    case SqlState.lockTimeout:
    case SqlState.cancelled:
      return `${at} did not finish in time (${said}). Nothing was changed; see what else works on database "${database}" (pg_stat_activity)`;
    default:
      return `${at}, database "${database}", user "${user}", can't do it (${error.code}; ${said})`;
  }
}
