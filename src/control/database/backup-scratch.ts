import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type BackupLine, backupLines, damagedBackup } from "./backup-file.ts";
import type { ColumnType } from "./columns.ts";
import { type Step, steps } from "./migrate.ts";
import { columnName } from "./naming.ts";
import { type ControlDatabase, DatabaseError } from "./port.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { SqliteControlDatabase } from "./sqlite.ts";
import { migrateSqlite } from "./sqlite-migrate.ts";
import { allTables, rowsOf } from "./table-rows.ts";
import { type Stored, fault } from "./values.ts";

export const backupFormat = "dittofs controlplane backup";
export const backupVersion = 1;

export interface BackupSummary {
  /** Milliseconds since 1970. */
  readonly madeAt: number;
  /** Number of the schema's step it was made with. */
  readonly schema: number;
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
}

/** What is in a backup, checked and brought up to date, in a database of its own. */
export interface LoadedBackup {
  readonly summary: BackupSummary;
  readonly database: ControlDatabase;
  close(): Promise<void>;
}

export interface BackupContext {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The schema's steps; those of this program unless a test brings its own. */
  readonly steps?: readonly Step[];
}

/**
 * Reads a backup into a database that vanishes with its connection: at the schema it was made with, so that what that schema demands
 * of its rows is checked, and then brought up to date by the same migrations as any database. Throws DatabaseError.
 */
export async function loadBackup(file: string, context: BackupContext): Promise<LoadedBackup> {
  const { clock, logger, steps: known = steps("sqlite") } = context;
  const lines = backupLines(file);
  const header = headerOf(file, lines.next().value ?? null, known.length);
  const connection = openVanishing(clock);
  try {
    await migrateSqlite(connection, known.slice(0, header.schema), clock, logger);
    const rows = new Loading(file, connection, header.schema === known.length).all(lines);
    await migrateSqlite(connection, known, clock, logger);
    connection.run("PRAGMA foreign_keys = ON");
    const database = new SqliteControlDatabase(connection, clock);
    await readable(file, database);
    return { summary: { ...header, rows }, database, close: () => database.close() };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Whether every row is one this program reads, before any is restored. */
async function readable(file: string, database: ControlDatabase): Promise<void> {
  await database.transaction(async (tx) => {
    for (const table of allTables) {
      try {
        for await (const rows of rowsOf(tx, table)) void rows;
      } catch {
        throw damagedBackup(file, `a row of ${table.name} holds what the table doesn't`);
      }
    }
  });
}

/** Its file has no name any more; SQLite keeps the journal in memory, so that it makes no other. */
function openVanishing(clock: Clock): SqliteConnection {
  const directory = mkdtempSync(join(tmpdir(), "dittofs-restore-"));
  try {
    const connection = new SqliteConnection(join(directory, "scratch.db"), clock, true);
    connection.run("PRAGMA locking_mode = EXCLUSIVE");
    connection.run("PRAGMA journal_mode = MEMORY");
    connection.run("PRAGMA synchronous = OFF");
    connection.run("PRAGMA temp_store = MEMORY");
    // The first write opens the file for good.
    connection.run("BEGIN EXCLUSIVE; COMMIT");
    return connection;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function headerOf(file: string, line: BackupLine | null, schemaMax: number): { readonly madeAt: number; readonly schema: number } {
  const header = line?.value;
  if (!isObject(header) || header["format"] !== backupFormat) throw damagedBackup(file, "it does not begin as one");
  const { version, schema, madeAt } = header;
  const newer = (what: string, has: unknown, max: number) =>
    new DatabaseError(`the backup ${file} has ${what} ${String(has)}, and this program knows those up to ${max}. Nothing was changed. Restore it with the newer program that made it`);
  if (!Number.isSafeInteger(version) || !Number.isSafeInteger(schema) || !Number.isSafeInteger(madeAt) || Number(version) < 1 || Number(schema) < 1) throw damagedBackup(file, "line 1 is not right");
  if (Number(version) > backupVersion) throw newer("format", version, backupVersion);
  if (Number(schema) > schemaMax) throw newer("schema", schema, schemaMax);
  return { madeAt: Number(madeAt), schema: Number(schema) };
}

interface LoadingTable {
  readonly name: string;
  readonly columns: readonly (readonly [string, ColumnType])[];
  insert(values: readonly Stored[]): void;
  close(): void;
}

const columnTypes: readonly string[] = ["id", "text", "integer", "boolean", "time", "json"] satisfies readonly ColumnType[];

/** Takes the lines after the header into the tables. */
class Loading {
  private readonly file: string;
  private readonly connection: SqliteConnection;
  /** Whether the tables are those that are declared now, so that the columns' types are known, too. */
  private readonly current: boolean;
  private readonly rows: Record<string, number> = {};
  private table: LoadingTable | null = null;
  private total = 0;
  private ended = false;

  constructor(file: string, connection: SqliteConnection, current: boolean) {
    this.file = file;
    this.connection = connection;
    this.current = current;
  }

  all(lines: Iterable<BackupLine>): Readonly<Record<string, number>> {
    this.connection.run("BEGIN");
    for (const line of lines) this.take(line);
    this.table?.close();
    if (!this.ended) throw damagedBackup(this.file, "its end is missing");
    const absent = this.tables().find((name) => this.rows[name] === undefined);
    if (absent !== undefined) throw damagedBackup(this.file, `the table ${absent} is missing`);
    const [orphan] = this.connection.rows<{ table: string }>("PRAGMA foreign_key_check");
    if (orphan !== undefined) throw damagedBackup(this.file, `a row of ${orphan.table} belongs to a row that is not there`);
    this.connection.run("COMMIT");
    return this.rows;
  }

  private tables(): readonly string[] {
    return this.connection.rows<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations'").map(({ name }) => name);
  }

  private take(line: BackupLine): void {
    const { number, value } = line;
    if (this.ended) throw damagedBackup(this.file, `line ${number} comes after its end`);
    if (Array.isArray(value)) return this.row(number, value);
    if (!isObject(value)) throw damagedBackup(this.file, `line ${number} is not right`);
    if (value["end"] === true) {
      if (value["sha256"] !== line.sha256Before()) throw damagedBackup(this.file, "its checksum does not match");
      if (value["rows"] !== this.total) throw damagedBackup(this.file, "rows are missing");
      this.ended = true;
      return;
    }
    this.table?.close();
    this.table = this.begin(number, value);
  }

  private begin(number: number, line: Readonly<Record<string, unknown>>): LoadingTable {
    const { table: name, columns } = line;
    if (typeof name !== "string" || !this.tables().includes(name) || this.rows[name] !== undefined || !isObject(columns)) throw damagedBackup(this.file, `line ${number} begins no table of it`);
    const given = Object.entries(columns) as [string, ColumnType][];
    const there = this.connection.rows<{ name: string }>(`PRAGMA table_info("${name}")`).map((column) => column.name);
    const declared = this.current ? allTables.find((one) => one.name === name)?.columns : undefined;
    const same =
      there.length === given.length &&
      there.every((column) => given.some(([one]) => columnName(one) === column)) &&
      given.every(([one, type]) => columnTypes.includes(type) && (declared === undefined || declared[one]?.type === type));
    if (!same) throw damagedBackup(this.file, `the columns of ${name} are not those of its schema`);
    this.rows[name] = 0;
    const list = given.map(([one]) => `"${columnName(one)}"`).join(", ");
    const statement = this.connection.database.query<void, Stored[]>(`INSERT INTO "${name}" (${list}) VALUES (${given.map(() => "?").join(", ")})`);
    return { name, columns: given, insert: (values) => void statement.run(...values), close: () => statement.finalize() };
  }

  private row(number: number, values: readonly unknown[]): void {
    const { table } = this;
    if (table === null || values.length !== table.columns.length) throw damagedBackup(this.file, `line ${number} is no row of its table`);
    const stored = table.columns.map(([name, type], i): Stored => {
      const value = values[i];
      // Whether it may be null, the table says.
      const wrong = fault({ type, nullable: true, unique: false, belongsTo: null, index: false }, value);
      if (wrong !== null) throw damagedBackup(this.file, `in line ${number}, ${table.name}.${name} ${wrong}`);
      if (value === null) return null;
      return type === "json" ? JSON.stringify(value) : type === "boolean" ? Number(value) : (value as Stored);
    });
    try {
      table.insert(stored);
    } catch {
      throw damagedBackup(this.file, `line ${number} is a row that ${table.name} does not take beside the others`);
    }
    this.rows[table.name] = (this.rows[table.name] as number) + 1;
    this.total++;
  }
}
