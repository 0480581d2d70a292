import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import type { Clock } from "#base/clock.ts";
import { type PageOps, readFromDisk } from "#base/kernel-pages.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type Builder, type Dialect, DrizzleTransaction } from "./drizzle-transaction.ts";
import { IdleWatch } from "./idle-watch.ts";
import { Lane } from "./lane.ts";
import { type Step, steps } from "./migrate.ts";
import { type ControlDatabase, DatabaseError, type Transaction } from "./port.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { isBusy, sqliteError } from "./sqlite-errors.ts";
import { prepareFile } from "./sqlite-files.ts";
import { migrateSqlite, missingSteps } from "./sqlite-migrate.ts";
import { sqliteTables } from "./sqlite-tables.ts";

/** Transactions that may wait for the one that runs. */
const waitingMax = 1000;
/** Runs of one transaction that other processes got in the way of. */
const attemptsMax = 5;

export interface SqliteControlOptions {
  /** The file; it and its directory are made where they are not there. */
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The schema's steps; those of this program unless a test brings its own. */
  readonly steps?: readonly Step[];
  /** Has the kernel forget what it has of a file and takes for written; tests put their own here. */
  readonly drop?: PageOps["drop"];
}

/** Opens the control plane's database in an SQLite file, makes it where there is none, and brings its tables up to date. */
export async function openSqliteControlDatabase(options: SqliteControlOptions): Promise<ControlDatabase> {
  const { path, clock, logger, drop } = options;
  prepareFile(path, logger);
  let connection: SqliteConnection;
  try {
    // A commit whose sync failed is in the kernel's memory still, and SQLite would take it for one and go on behind it.
    readFromDisk(`${path}-wal`, drop && { drop });
    connection = new SqliteConnection(path, clock);
  } catch (error) {
    throw sqliteError(path, "", error);
  }
  try {
    await migrate(connection, options);
    return new SqliteControlDatabase(connection, clock);
  } catch (error) {
    connection.close();
    throw sqliteError(path, "", error);
  }
}

async function migrate(connection: SqliteConnection, { clock, logger, steps: known = steps("sqlite") }: SqliteControlOptions): Promise<void> {
  // Looks before the first change, the journal's mode included: what is not ours or newer stays as it is.
  await missingSteps(connection, known);
  await connection.patiently(() => connection.run("PRAGMA journal_mode = WAL"));
  connection.run("PRAGMA synchronous = FULL");
  await migrateSqlite(connection, known, clock, logger);
  connection.run("PRAGMA foreign_keys = ON");
}

/** The port over a connection whose tables are up to date. */
export class SqliteControlDatabase implements ControlDatabase {
  readonly type = "sqlite";
  private readonly connection: SqliteConnection;
  private readonly dialect: Dialect;
  private readonly watch: IdleWatch;
  /** One transaction at a time: the connection has one, and `work` awaits within it. */
  private readonly lane = new Lane(waitingMax);
  private closed = false;

  constructor(connection: SqliteConnection, clock: Clock) {
    this.connection = connection;
    this.watch = new IdleWatch(clock);
    this.dialect = {
      builder: drizzle(connection.database) as unknown as Builder,
      tables: sqliteTables,
      run: async (table, statement) => {
        try {
          return await this.watch.during(statement);
        } catch (error) {
          throw sqliteError(connection.path, table, error);
        }
      },
      changed: (result) => (result as { readonly changes: number }).changes,
      byBytes: (column) => sql`${column}`,
      // AUTOINCREMENT has seen them.
      renumber: async () => {},
    };
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    if (this.closed) throw new DatabaseError(`the control plane's database ${this.connection.path} is closed: the server is stopping`);
    const result = this.lane.run(() => this.attempts(work));
    if (result === null) throw new DatabaseError(`more than ${waitingMax} changes wait for the control plane's database ${this.connection.path}. Try again in a moment`);
    return await result;
  }

  private async attempts<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        // A transaction that only reads never waits for another process, nor it for us; one that writes finds out and waits its turn.
        return await this.attempt(work, attempt === 1 ? "BEGIN" : "BEGIN IMMEDIATE");
      } catch (error) {
        if (!isBusy(error)) throw sqliteError(this.connection.path, "the database", error);
        if (attempt === attemptsMax) throw new DatabaseError(`other processes keep changing the control plane's database ${this.connection.path}. Try again in a moment`);
      }
    }
  }

  private async attempt<T>(work: (tx: Transaction) => Promise<T>, begin: string): Promise<T> {
    await this.connection.patiently(() => this.connection.run(begin));
    const tx = new DrizzleTransaction(this.dialect);
    try {
      const result = await this.watch.over(() => work(tx));
      tx.end();
      if (tx.failure !== null) throw tx.failure;
      this.connection.run("COMMIT");
      return result;
    } catch (error) {
      throw isBusy(tx.failure) ? tx.failure : error;
    } finally {
      tx.end();
      this.connection.rollBack();
    }
  }

  othersVersion(): number | null {
    return this.closed ? null : this.connection.number("data_version");
  }

  async health(): Promise<string | null> {
    if (this.closed) return "the control plane's database is closed";
    try {
      this.connection.rows("SELECT count(*) FROM sqlite_schema");
      return null;
    } catch (error) {
      return isBusy(error) ? null : String((sqliteError(this.connection.path, "the database", error) as Error).message);
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.lane.drained();
    this.connection.close();
  }
}
