import { sql } from "drizzle-orm";
import { assert } from "#base/assert.ts";
import type { Clock } from "#base/clock.ts";
import { nameOf } from "#base/postgres/dial.ts";
import { loginError } from "#base/postgres/errors.ts";
import type { Login, PostgresPlace } from "#base/postgres/session.ts";
import { ConnectionLost } from "#base/postgres/terms.ts";
import type { Logger } from "#telemetry/logger.ts";
import { columnName } from "./naming.ts";
import { type Dialect, DrizzleTransaction } from "./drizzle-transaction.ts";
import { IdleWatch } from "./idle-watch.ts";
import { Lane } from "./lane.ts";
import { type Step, steps } from "./migrate.ts";
import { type ControlDatabase, DatabaseError, type Transaction } from "./port.ts";
import { PostgresConnection } from "./postgres-connection.ts";
import { Conflict, databaseTerms, isRefusal, postgresError } from "./postgres-errors.ts";
import { migratePostgres } from "./postgres-migrate.ts";
import { type PoolLimits, PostgresPool } from "./postgres-pool.ts";
import { postgresTables } from "./postgres-tables.ts";

/** Runs of one transaction that others got in the way of. */
const conflictsMax = 20;
/** Pause before each further run, times its number. */
const conflictPauseMs = 5;
/** Runs of one transaction whose connection broke before it was committed. */
const lossesMax = 3;
const waitingMax = 1000;

export interface PostgresControlOptions extends PoolLimits, PostgresPlace {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The schema's steps; those of this program unless a test brings its own. */
  readonly steps?: readonly Step[];
}

/** Opens the control plane's database on a PostgreSQL server and brings its tables up to date; throws DatabaseError. */
export async function openPostgresControlDatabase(options: PostgresControlOptions): Promise<ControlDatabase> {
  const { clock, logger, maxOpen, maxIdle, steps: known = steps("postgres"), ...account } = options;
  const login: Login = { ...account, terms: databaseTerms };
  assert(maxOpen >= 1 && maxIdle >= 0, "the pool has room for a connection");
  const pool = new PostgresPool(() => PostgresConnection.open(login, clock, logger), { maxOpen, maxIdle }, clock);
  const connection = await pool.take();
  try {
    await migratePostgres(connection, login, known, clock, logger);
  } catch (error) {
    connection.destroy();
    const explained = postgresError(login, "the database", error);
    throw explained instanceof ConnectionLost ? new DatabaseError(loginError(login, explained).message) : explained;
  } finally {
    pool.give(connection);
  }
  return new PostgresControlDatabase(pool, login, clock);
}

class PostgresControlDatabase implements ControlDatabase {
  readonly type = "postgres";
  private readonly pool: PostgresPool;
  private readonly login: Login;
  private readonly clock: Clock;
  /** Those that met a conflict try again one after another: they would meet each other. */
  private readonly again = new Lane(waitingMax);

  constructor(pool: PostgresPool, login: Login, clock: Clock) {
    this.pool = pool;
    this.login = login;
    this.clock = clock;
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    try {
      return await this.connected(work);
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
    const result = this.again.run(() => this.repeatedly(work));
    if (result === null) throw this.contended();
    return await result;
  }

  private async repeatedly<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; attempt < conflictsMax; attempt++) {
      try {
        return await this.connected(work);
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
      await new Promise<void>((resolve) => this.clock.after(conflictPauseMs * attempt, resolve));
    }
    throw this.contended();
  }

  private contended(): DatabaseError {
    return new DatabaseError(`too many changes at once in database "${this.login.database}" at ${nameOf(this.login)}. Nothing was changed. Try again in a moment`);
  }

  /** Runs again what lost its connection before it was committed: a server that was restarted leaves dead ones in the pool. */
  private async connected<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.attempt(work);
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        if (attempt === lossesMax) throw new DatabaseError(`the connection to PostgreSQL at ${nameOf(this.login)} keeps breaking (${error.message}). Nothing was changed. Look into its log`);
        this.pool.dropIdle();
      }
    }
  }

  private async attempt<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const connection = await this.pool.take();
    const watch = new IdleWatch(this.clock);
    const tx = new DrizzleTransaction(this.dialect(connection, watch));
    let over = false;
    try {
      await this.execute(connection, "begin isolation level serializable");
      const result = await watch.over(() => work(tx));
      tx.end();
      if (tx.failure !== null) throw tx.failure;
      over = true;
      await this.commit(connection);
      return result;
    } catch (error) {
      const { failure } = tx;
      throw failure instanceof Conflict || failure instanceof ConnectionLost ? failure : error;
    } finally {
      tx.end();
      if (!over) await this.rollBack(connection);
      this.pool.give(connection);
    }
  }

  private async commit(connection: PostgresConnection): Promise<void> {
    // Not sent, it did not happen.
    if (connection.lost) throw new ConnectionLost("the connection was lost");
    let answer: { readonly command: string };
    try {
      answer = await connection.execute("commit");
    } catch (error) {
      if (isRefusal(error)) throw postgresError(this.login, "the database", error);
      connection.destroy();
      throw new DatabaseError(
        `the connection to PostgreSQL at ${nameOf(this.login)} was lost while a change was being committed: it may have been made or not. It was not tried again; look before you do`,
      );
    }
    // The answer to COMMIT of a transaction that failed is no error (PostgreSQL, COMMIT).
    assert(answer.command === "COMMIT", `COMMIT was answered with ${answer.command}`);
  }

  private async rollBack(connection: PostgresConnection): Promise<void> {
    try {
      await connection.execute("rollback");
    } catch {
      // The end of the session rolls back as well.
      connection.destroy();
    }
  }

  private async execute(connection: PostgresConnection, statement: string): Promise<void> {
    try {
      await connection.execute(statement);
    } catch (error) {
      throw postgresError(this.login, "the database", error);
    }
  }

  private dialect(connection: PostgresConnection, watch: IdleWatch): Dialect {
    return {
      builder: connection.builder,
      tables: postgresTables,
      run: async (table, statement) => {
        try {
          return await watch.during(() => connection.run(statement));
        } catch (error) {
          throw postgresError(this.login, table, error);
        }
      },
      changed: (result) => (result as { readonly count: number }).count,
      // The collation of the database may be any.
      byBytes: (column) => sql`${column} collate "C"`,
      renumber: async ({ name }) => {
        const number = columnName("number");
        // Nobody draws a number meanwhile; never back, since a sequence isn't rolled back with the transaction.
        await connection.execute(`lock table "${name}" in exclusive mode`);
        await connection.execute(
          `select setval(s, greatest((select max("${number}") from "${name}"), pg_sequence_last_value(s::regclass))) from pg_get_serial_sequence('"${name}"', '${number}') as s`,
        );
      },
    };
  }

  othersVersion(): null {
    return null;
  }

  async health(): Promise<string | null> {
    try {
      await this.transaction(async () => {});
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}
