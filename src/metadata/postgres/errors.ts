import postgres from "postgres";
import { type Account, endsSession, explain, SqlState } from "#base/postgres/errors.ts";
import { PostgresFailure, type Terms } from "#base/postgres/terms.ts";
import { ApplyState } from "./schema.ts";

/** What a metadata store's settings are called where it is added. */
export const storeTerms: Terms = {
  host: "--host",
  port: "--port",
  database: "--database",
  user: "--user",
  password: "--password",
  rootCert: "--sslrootcert",
  connections: "the number of shares on this server",
};

/** What an error of a batch means for it. */
export type Verdict =
  /** It ran into somebody else: the same again, soon. */
  | "conflict"
  /** It may have been applied or not, or its turn has not come: what the database knows of it decides. */
  | "ask"
  /** The server can't do it now. */
  | "away"
  /** It never will be applied. */
  | "broken";

/** SQLSTATE classes of what heals by itself or by somebody's hand on the server: connections, resources, intervention, I/O; 25006: a standby. */
const healing = /^(?:08|53|55|57|58|25006)/;

export function verdictOf(error: unknown): Verdict {
  if (error instanceof PostgresFailure) return "away";
  if (!(error instanceof postgres.PostgresError)) return "ask";
  if (error.code === ApplyState.notNext) return "ask";
  if (error.code === SqlState.serializationFailure || error.code === SqlState.deadlock) return "conflict";
  return endsSession(error) || healing.test(error.code) ? "away" : "broken";
}

/** An error of the server in words, without what it quotes of rows. */
export function inWords(account: Account, error: unknown): string {
  return error instanceof postgres.PostgresError ? explain(account, error) : error instanceof Error ? error.message : String(error);
}
