import { drizzle } from "drizzle-orm/postgres-js";
import type postgres from "postgres";
import type { Clock } from "#base/clock.ts";
import { answerMsMore, type Login, PostgresSession } from "#base/postgres/session.ts";
import { PostgresFailure } from "#base/postgres/terms.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Builder } from "./drizzle-transaction.ts";
import { idleMsMax } from "./idle-watch.ts";
import { DatabaseError } from "./port.ts";

/** One session of the server, for transactions of drizzle's builder. */
export class PostgresConnection {
  readonly builder: Builder;
  private readonly session: PostgresSession;

  private constructor(session: PostgresSession) {
    this.session = session;
    this.builder = drizzle(session.client) as unknown as Builder;
  }

  /** Connects, logs in and sets the session's limits; throws DatabaseError. */
  static async open(login: Login, clock: Clock, logger: Logger): Promise<PostgresConnection> {
    try {
      const session = await PostgresSession.open({
        login,
        clock,
        settings: `set idle_in_transaction_session_timeout = ${idleMsMax + answerMsMore}`,
        onNotice: (message) => logger.debug({ notice: message }, "a notice of PostgreSQL"),
      });
      return new PostgresConnection(session);
    } catch (error) {
      throw error instanceof PostgresFailure ? new DatabaseError(error.message) : error;
    }
  }

  /** Whether no statement can be run here any more. */
  get lost(): boolean {
    return this.session.lost;
  }

  /** As PostgresSession's. */
  run<T>(statement: () => PromiseLike<T>, serverMsMax?: number): Promise<T> {
    return this.session.run(statement, serverMsMax);
  }

  /** Runs SQL of ours, without values. */
  execute(sql: string, serverMsMax?: number): Promise<postgres.RowList<postgres.Row[]>> {
    return this.session.execute(sql, serverMsMax);
  }

  destroy(): void {
    this.session.destroy();
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
