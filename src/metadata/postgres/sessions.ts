import type { Clock } from "#base/clock.ts";
import { type Login, PostgresSession } from "#base/postgres/session.ts";
import type { Logger } from "#telemetry/logger.ts";
import { childSpan, Kind, spanned } from "#telemetry/tracing/index.ts";
import { parsers, type Row } from "./decode.ts";
import { statements } from "./statements.ts";

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
  const span = childSpan("postgresql", { "db.system.name": "postgresql" }, Kind.client);
  const answer = (): Promise<readonly Row[]> => session.run(() => session.client.unsafe(statement, values as (string | number)[], { prepare: true }).values() as unknown as PromiseLike<readonly Row[]>, serverMsMax);
  if (span === null) return answer();
  const name = nameOf(statement);
  span.rename(`postgresql.${name}`);
  span.set("db.operation.name", name);
  return spanned(span, answer);
}

/** A statement's name in our table of them, else what it begins with. */
function nameOf(statement: string): string {
  const [name] = Object.entries(statements).find(([, each]) => each === statement) ?? [];
  return name ?? (/^\w+/.exec(statement)?.[0] ?? "statement").toLowerCase();
}
