import { InvariantError } from "#base/assert.ts";
import type { Column, Table } from "./columns.ts";
import { DatabaseError } from "./port.ts";

/** A value as both dialects' tables take it: JSON as its text, everything else as it is. */
export type Stored = string | number | boolean | null;

/** What is wrong with a value for a column, or null. SQLite would store anything anywhere, and PostgreSQL no U+0000. */
export function fault(column: Column<unknown>, value: unknown): string | null {
  if (value === null) return column.nullable ? null : "is null";
  switch (column.type) {
    case "id":
    case "text":
      if (typeof value !== "string") return "is no text";
      return value.includes("\0") || !value.isWellFormed() ? "holds U+0000 or half a surrogate pair, which a database can't keep" : null;
    case "integer":
    case "time":
      return Number.isSafeInteger(value) ? null : "is no integer below 2^53";
    case "boolean":
      return typeof value === "boolean" ? null : "is neither true nor false";
    case "json":
      return JSON.stringify(value) === undefined ? "can't be written as JSON" : null;
  }
}

export function columnOf(table: Table, name: string): Column<unknown> {
  const column = Object.hasOwn(table.columns, name) ? table.columns[name] : undefined;
  if (column === undefined) throw new InvariantError(`${table.name} has no column ${name}`);
  return column;
}

export function encode(table: Table, name: string, value: unknown): Stored {
  const column = columnOf(table, name);
  const wrong = fault(column, value);
  if (wrong !== null) throw new InvariantError(`${table.name}.${name} ${wrong}`);
  return column.type === "json" && value !== null ? JSON.stringify(value) : (value as Stored);
}

/** The values to store of a row, all columns but those in `without`. */
export function encodeRow(table: Table, row: object, without: readonly string[] = []): Record<string, Stored> {
  const given = row as Readonly<Record<string, unknown>>;
  const stored: Record<string, Stored> = {};
  for (const name of Object.keys(table.columns)) {
    if (!without.includes(name)) stored[name] = encode(table, name, given[name] === undefined ? missing(table, name) : given[name]);
  }
  for (const name of Object.keys(row)) if (!Object.hasOwn(stored, name)) throw new InvariantError(`${table.name} takes no ${name} here`);
  return stored;
}

function missing(table: Table, name: string): never {
  throw new InvariantError(`a row of ${table.name} lacks ${name}`);
}

/** A row as it was stored; throws DatabaseError where somebody else wrote what no row of ours holds. */
export function decodeRow(table: Table, stored: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const [name, column] of Object.entries(table.columns)) {
    const value = column.type === "json" ? parsed(table, name, stored[name]) : stored[name];
    const wrong = fault(column, value);
    if (wrong !== null) throw damaged(table, name, wrong);
    row[name] = value;
  }
  return row;
}

function parsed(table: Table, name: string, value: unknown): unknown {
  if (value === null) return null;
  try {
    return JSON.parse(String(value));
  } catch {
    throw damaged(table, name, "is no JSON");
  }
}

function damaged(table: Table, name: string, wrong: string): DatabaseError {
  return new DatabaseError(
    `the control plane's database is damaged: a value of ${table.name}.${name} ${wrong}. Something else than DittoFS wrote it; restore a backup, or correct the row`,
  );
}
