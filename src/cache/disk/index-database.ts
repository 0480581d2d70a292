import { Database, type Statement } from "bun:sqlite";
import fs from "node:fs";
import type { Clock, Timer } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { Entry } from "./entry.ts";

const indexVersion = 1;
const applicationId = 0x44465343; // "DFSC"
/** Changes wait so long for more of their kind. A crash forgets those that wait, never content. */
const flushMs = 1_000;
/** Rows written in one transaction, so that none holds the event loop for long and the write-ahead file stays small. */
const rowsPerFlush = 128;

interface Row {
  readonly id: number;
  readonly key: string;
  readonly bits: Uint8Array;
  readonly partial_block: number;
  readonly partial_bytes: number;
  readonly used: number;
}

/**
 * Which blocks are there and when they were last used, in SQLite (docs/formats/disk-cache.md). Nothing is synced: content that is
 * read through the cache is verified, so that an index that says too much costs a fetch.
 */
export class IndexDatabase {
  private readonly db: Database;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly put: Statement;
  private readonly remove: Statement;
  /** Rows to write; null: to remove. */
  private readonly dirty = new Map<number, Entry | null>();
  private timer: Timer | null = null;
  private broken = false;
  private closed = false;

  /** Opens what is there; anything that is no sound index of this version is thrown away for an empty one. */
  static open(path: string, clock: Clock, logger: Logger): { readonly index: IndexDatabase; readonly entries: readonly Entry[]; readonly fresh: boolean } {
    const there = fs.existsSync(path);
    if (there) {
      let db: Database | null = null;
      try {
        db = new Database(path, { create: false, readwrite: true });
        configure(db);
        check(db);
        const entries = db.query<Row, []>("SELECT id, key, bits, partial_block, partial_bytes, used FROM file ORDER BY used").all().map(restored);
        return { index: new IndexDatabase(db, clock, logger), entries, fresh: false };
      } catch (error) {
        db?.close();
        logger.warn({ path, error }, "the index of the disk cache can't be used; it is made anew");
      }
    }
    for (const suffix of ["", "-wal", "-shm", "-journal"]) fs.rmSync(path + suffix, { force: true });
    const db = new Database(path, { create: true, readwrite: true });
    configure(db);
    db.run(`PRAGMA application_id = ${applicationId}`);
    db.run(`PRAGMA user_version = ${indexVersion}`);
    db.run("CREATE TABLE file (id INTEGER PRIMARY KEY, key TEXT NOT NULL, bits BLOB NOT NULL, partial_block INTEGER NOT NULL, partial_bytes INTEGER NOT NULL, used INTEGER NOT NULL) STRICT");
    return { index: new IndexDatabase(db, clock, logger), entries: [], fresh: true };
  }

  private constructor(db: Database, clock: Clock, logger: Logger) {
    this.db = db;
    this.clock = clock;
    this.logger = logger;
    this.put = db.prepare("INSERT OR REPLACE INTO file (id, key, bits, partial_block, partial_bytes, used) VALUES (?, ?, ?, ?, ?, ?)");
    this.remove = db.prepare("DELETE FROM file WHERE id = ?");
  }

  changed(entry: Entry): void {
    this.dirty.set(entry.id, entry);
    this.schedule();
  }

  removed(entry: Entry): void {
    this.dirty.set(entry.id, null);
    this.schedule();
  }

  /** Resolves when the index says all it was told by now: a process that is killed then forgets none of it. */
  async written(): Promise<void> {
    while (this.dirty.size > 0 && !this.closed) {
      this.flush();
      await new Promise<void>((resolve) => this.clock.atTurnEnd(resolve));
    }
  }

  close(): void {
    this.timer?.cancel();
    this.closed = true;
    while (this.dirty.size > 0 && !this.broken) this.flush();
    this.put.finalize();
    this.remove.finalize();
    this.db.close();
  }

  private schedule(): void {
    if (this.closed) return;
    if (this.broken) return this.dirty.clear();
    this.timer ??= this.clock.after(flushMs, () => {
      this.timer = null;
      this.flush();
      if (this.dirty.size > 0) this.clock.atTurnEnd(() => this.schedule());
    });
  }

  private flush(): void {
    const some: [number, Entry | null][] = [];
    for (const change of this.dirty) {
      some.push(change);
      if (some.length >= rowsPerFlush) break;
    }
    for (const [id] of some) this.dirty.delete(id);
    try {
      this.db.transaction(() => {
        for (const [id, entry] of some) {
          if (entry === null) this.remove.run(id);
          else this.put.run(id, entry.key, entry.bits, entry.partialBlock, entry.partialBytes, entry.used);
        }
      })();
      this.db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (error) {
      this.broken = true;
      this.dirty.clear();
      this.logger.warn({ error }, "the index of the disk cache can't be written; what is cached from now on may be forgotten by the next start");
    }
  }
}

function configure(db: Database): void {
  db.run("PRAGMA locking_mode = EXCLUSIVE");
  db.run("PRAGMA busy_timeout = 0");
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = OFF");
}

/** Throws where the file is not a sound index of this version. */
function check(db: Database): void {
  const pragma = (name: string): unknown => Object.values(db.query<Record<string, unknown>, []>(`PRAGMA ${name}`).get() ?? {})[0];
  if (pragma("application_id") !== applicationId) throw new Error("it is not an index of a disk cache");
  if (pragma("user_version") !== indexVersion) throw new Error(`it is of version ${String(pragma("user_version"))}, not ${indexVersion}`);
  if (pragma("quick_check") !== "ok") throw new Error("it is damaged");
}

function restored(row: Row): Entry {
  return Entry.restored(row.id, row.key, row.bits, row.partial_block, row.partial_bytes, row.used);
}
