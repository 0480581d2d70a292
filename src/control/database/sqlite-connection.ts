import { Database, type Statement } from "bun:sqlite";
import type { Clock } from "#base/clock.ts";
import { DatabaseError } from "./port.ts";
import { isBusy } from "./sqlite-errors.ts";

/** How long SQLite itself waits for another process: it holds up everything in this one, so not for long at a time. */
const busyMsAtATime = 10;
/** How long another process may hold the database locked before we give up. */
const busyMsMax = 15_000;
const statementsMax = 200;

/** A connection that prepares each statement once: drizzle asks anew each time, and what it gets it never lets go. */
class PreparingDatabase extends Database {
  private readonly prepared = new Map<string, Statement>();

  // biome-ignore lint: the signature of the class above
  override prepare(sql: string): any {
    const known = this.prepared.get(sql);
    if (known !== undefined) return known;
    if (this.prepared.size >= statementsMax) this.forget();
    const statement = super.prepare(sql);
    this.prepared.set(sql, statement);
    return statement;
  }

  forget(): void {
    for (const statement of this.prepared.values()) statement.finalize();
    this.prepared.clear();
  }
}

/** One connection to the file, and its patience with other processes. */
export class SqliteConnection {
  readonly path: string;
  readonly database: PreparingDatabase;
  private readonly clock: Clock;

  /** `create`: a database that wasn't there; prepareFile makes lasting ones. */
  constructor(path: string, clock: Clock, create = false) {
    this.path = path;
    this.clock = clock;
    this.database = new PreparingDatabase(path, { readwrite: true, create });
    this.database.run(`PRAGMA busy_timeout = ${busyMsAtATime}`);
  }

  run(sql: string): void {
    this.database.run(sql);
  }

  rows<T>(sql: string): readonly T[] {
    const statement = this.database.query<T, []>(sql);
    try {
      return statement.all();
    } finally {
      statement.finalize();
    }
  }

  number(pragma: string): number {
    const [row] = this.rows<Record<string, number>>(`PRAGMA ${pragma}`);
    return Object.values(row ?? {})[0] ?? 0;
  }

  /** Tries again while another process holds the database, letting this process's other work have its turns. */
  async patiently<T>(attempt: () => T): Promise<T> {
    const deadline = this.clock.monotonicMs() + busyMsMax;
    for (;;) {
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error)) throw error;
        if (this.clock.monotonicMs() >= deadline) {
          throw new DatabaseError(
            `another process has held the control plane's database ${this.path} locked for ${busyMsMax / 1000} s. End what works on it (a restore, an offline command, sqlite3) and try again`,
          );
        }
        await new Promise<void>((resolve) => this.clock.atTurnEnd(resolve));
      }
    }
  }

  rollBack(): void {
    // SQLite has rolled back by itself after some errors (a full disk among them).
    if (this.database.inTransaction) this.database.run("ROLLBACK");
  }

  close(): void {
    this.database.forget();
    this.database.close();
  }
}
