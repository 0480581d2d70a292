import type { Clock } from "#base/clock.ts";
import { type Login, PostgresSession } from "#base/postgres/session.ts";
import type { Logger } from "#telemetry/logger.ts";
import { parsers, type Row } from "./decode.ts";

const lockMsMax = 10_000;
const idleInTransactionMsMax = 60_000;

/**
 * Every statement is a look-up by key: a plan that was made while a table was small and reads all of it would stay for as long as
 * the session. `local` and `off` would acknowledge what a crash of the database forgets; a stronger setting of the server stays.
 */
const settings = [
  `set lock_timeout = ${lockMsMax}`,
  `set idle_in_transaction_session_timeout = ${idleInTransactionMsMax}`,
  "set default_transaction_isolation = 'read committed'",
  "set enable_seqscan = off",
  "set enable_hashjoin = off",
  "set enable_mergejoin = off",
  "set jit = off",
  "set plan_cache_mode = force_generic_plan",
  "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'",
].join("; ");

export interface Server {
  readonly login: Login;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function openSession({ login, clock, logger }: Server): Promise<PostgresSession> {
  return PostgresSession.open({ login, clock, settings, parsers, onNotice: (message) => logger.debug({ notice: message }, "a notice of PostgreSQL") });
}

export type Value = string | number | Uint8Array;

/** Runs a prepared statement and gives its rows as arrays. */
export function run(session: PostgresSession, statement: string, values: readonly Value[], serverMsMax?: number): Promise<readonly Row[]> {
  return session.run(() => session.client.unsafe(statement, values as (string | number)[], { prepare: true }).values() as unknown as PromiseLike<readonly Row[]>, serverMsMax);
}
