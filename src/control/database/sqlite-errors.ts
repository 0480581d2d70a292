import { SQLiteError } from "bun:sqlite";
import { DrizzleQueryError } from "drizzle-orm";
import { DatabaseError, UniqueViolation, UnreadableDatabase } from "./port.ts";

const Code = { perm: 3, busy: 5, locked: 6, readOnly: 8, io: 10, corrupt: 11, full: 13, cannotOpen: 14, notADatabase: 26 } as const;
const unreadable: readonly number[] = [Code.corrupt, Code.notADatabase];
const constraintUnique = 2067;
const constraintPrimaryKey = 1555;
const constraintRowId = 2579;
const constraintForeignKey = 787;

/** What SQLite threw, from under what drizzle puts around it (which prints every parameter, password hashes too). */
function cause(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error;
}

/** Whether another process is at it: later it may do. */
export function isBusy(error: unknown): boolean {
  const thrown = cause(error);
  if (!(thrown instanceof SQLiteError)) return false;
  const primary = thrown.errno & 0xff;
  return primary === Code.busy || primary === Code.locked;
}

/** What SQLite throws, as an error of the port; what is none of SQLite's stays what it is. */
export function sqliteError(path: string, table: string, error: unknown): unknown {
  const thrown = cause(error);
  if (!(thrown instanceof SQLiteError)) return thrown;
  switch (thrown.errno) {
    case constraintUnique:
    case constraintPrimaryKey:
    case constraintRowId:
      return new UniqueViolation(table, thrown);
    case constraintForeignKey:
      return new Error(`a row of ${table} belongs to a row that is not there`, { cause: thrown });
    default:
      if (isBusy(thrown)) return thrown;
      return unreadable.includes(thrown.errno & 0xff) ? new UnreadableDatabase(explain(path, thrown)) : new DatabaseError(explain(path, thrown));
  }
}

function explain(path: string, error: SQLiteError): string {
  const said = `SQLite says: ${error.message}`;
  switch (error.errno & 0xff) {
    case Code.full:
      return `the disk of the control plane's database ${path} is full: nothing was changed. Make room and try again`;
    case Code.perm:
    case Code.readOnly:
    case Code.cannotOpen:
      return `the control plane's database ${path} can't be opened or written by this user (${said}). Check the owner and mode of the file, its -wal and its directory`;
    case Code.notADatabase:
      return `${path} is no SQLite database (${said}). Name another place for the control plane's database, or move that file away`;
    case Code.corrupt:
      return `the control plane's database ${path} is damaged (${said}). Stop the server and restore a backup`;
    case Code.io:
      return `the disk of the control plane's database ${path} fails (${said}). Look at the kernel's log, and have a backup at hand`;
    default:
      return `the control plane's database ${path} can't do it (${said})`;
  }
}
