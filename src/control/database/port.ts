import type { Row, Table } from "./columns.ts";

/** Equality on each named column; an array: one of these, 30,000 at most. JSON columns are not compared. */
export type Where<T extends Table> = { readonly [K in keyof Row<T>]?: Row<T>[K] | readonly Row<T>[K][] };

export interface Page<T extends Table> {
  readonly orderBy: keyof Row<T> & string;
  readonly descending: boolean;
  readonly offset: number;
  readonly limit: number;
  /** Rows whose column is at least, below. */
  readonly from?: { readonly column: keyof Row<T> & string; readonly atLeast?: number; readonly below?: number };
}

/**
 * What is read and written within one transaction. The rows of `all` come in the order of their key, those of `page` with the key as
 * the last resort; text is ordered by its bytes, null comes before everything. After an error of the database, a `UniqueViolation`
 * too, nothing of the transaction can be kept: what `work` returns is then replaced by that error.
 */
export interface Transaction {
  all<T extends Table>(table: T, where?: Where<T>): Promise<readonly Row<T>[]>;
  one<T extends Table>(table: T, where: Where<T>): Promise<Row<T> | null>;
  page<T extends Table>(table: T, where: Where<T>, page: Page<T>): Promise<{ readonly rows: readonly Row<T>[]; readonly total: number }>;
  /** Rows of a numbered table with a number above this one, in order. */
  after<T extends Table>(table: T, number: number, limit: number): Promise<readonly Row<T>[]>;
  /** Throws `UniqueViolation` where a unique column already has the value. */
  insert<T extends Table>(table: T, row: Row<T>): Promise<void>;
  /** Many rows at once; those of a numbered table keep the numbers they have. */
  insertAll<T extends Table>(table: T, rows: readonly Row<T>[]): Promise<void>;
  /** A row of a numbered table; the database gives the number. */
  append<T extends Table>(table: T, row: Omit<Row<T>, "number">): Promise<void>;
  /** Gives the number of rows changed. Throws `UniqueViolation` as `insert` does. */
  update<T extends Table>(table: T, where: Where<T>, set: Partial<Row<T>>): Promise<number>;
  delete<T extends Table>(table: T, where: Where<T>): Promise<number>;
}

/** The control plane's database: SQLite or PostgreSQL, behind the same few words. */
export interface ControlDatabase {
  readonly type: "sqlite" | "postgres";
  /**
   * Runs `work` in one serializable transaction: all of it is durable when the promise resolves, or nothing was done. `work` may run
   * again where the database found a conflict, so it must do nothing but read and write here.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Whether it answers; the reason where it doesn't. */
  health(): Promise<string | null>;
  close(): Promise<void>;
}

/** A unique column already has the value: an expected outcome of racing changes. */
export class UniqueViolation extends Error {
  override readonly name = "UniqueViolation";
  readonly table: string;
  constructor(table: string, cause: unknown) {
    super(`a row of ${table} with this value is already there`, { cause });
    this.table = table;
  }
}

/** The database can't be used as it is: what an operator has to put right. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
}

/** What is there can't be read, and never will be by this program: a backup may take its place. */
export class UnreadableDatabase extends DatabaseError {}
