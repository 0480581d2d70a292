import { existsSync, rmSync } from "node:fs";
import { temporary } from "../../support/temporary.ts";

export interface TemporaryDirectory {
  readonly path: string;
  remove(): void;
}

export function temporaryDirectory(): TemporaryDirectory {
  const path = temporary("metadata");
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Copies by another process; see copyDatabase. */
export function copyFile(from: string, to: string): void {
  const { exitCode, stderr } = Bun.spawnSync(["cp", from, to]);
  if (exitCode !== 0) throw new Error(`cp of ${from} failed: ${stderr.toString()}`);
}

/**
 * Copies a database with its WAL, by another process: closing a descriptor of the database in this one would drop the locks
 * that SQLite holds.
 */
export function copyDatabase(from: string, to: string): void {
  for (const ending of ["", "-wal"]) {
    if (existsSync(from + ending)) copyFile(from + ending, to + ending);
  }
}
