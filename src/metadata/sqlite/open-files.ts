import { closeSync, openSync } from "node:fs";
import type { Database } from "bun:sqlite";
import type { SpaceReserve } from "./space-reserve.ts";
import { finalizeAll, prepareAll, type Statements } from "./statements.ts";

/** The database with its statements, and our own descriptors of its files. */
export class OpenFiles {
  readonly statements: Statements;
  private readonly db: Database;
  private readonly fds: number[] = [];
  reserve: SpaceReserve | null = null;

  constructor(db: Database) {
    this.db = db;
    this.statements = prepareAll(db);
  }

  open(path: string): number {
    const fd = openSync(path, "r+");
    this.fds.push(fd);
    return fd;
  }

  /** SQLite first, then our descriptors: see Checkpointer. */
  close(): void {
    finalizeAll(this.statements);
    this.db.close(true);
    for (const fd of this.fds) closeSync(fd);
    this.reserve?.close();
  }
}
