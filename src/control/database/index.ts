/**
 * The control plane's database: users, groups, shares, stores, adapters, settings and what was done to them, in SQLite or
 * PostgreSQL behind one port (port.ts).
 *
 * The tables are declared once (tables.ts); those of each dialect are made from the declaration, and the migrations from the tables
 * (scripts/migrations). test/contract/control-database.ts is what both implementations keep.
 *
 * Invariants: a transaction is whole and durable, or nothing of it happened; it is serializable; where it can't be known whether
 * it happened, it is not run again. No message names a password or a value of a row. docs/formats/controlplane-database.md.
 */
export { backupControl, checkBackup, restoreControl } from "./backup.ts";
export type { BackupContext, BackupSummary } from "./backup-scratch.ts";
export { type ControlDatabase, DatabaseError, type Page, type Transaction, UniqueViolation, type Where } from "./port.ts";
export { type PostgresControlOptions, openPostgresControlDatabase } from "./postgres.ts";
export { type SslMode, sslModes } from "#base/postgres/dial.ts";
export { type SqliteControlOptions, openSqliteControlDatabase } from "./sqlite.ts";
