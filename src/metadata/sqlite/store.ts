import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { Database } from "bun:sqlite";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { ApplyResult } from "#model/change-set.ts";
import type { MetadataStore, ShareIdentity } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { Committer, type Pending } from "../committer.ts";
import { EngineStore } from "../engine-store.ts";
import { asError, endProcess } from "../fatal.ts";
import type { Totals } from "../rows.ts";
import { Sequence } from "../sequence.ts";
import { Checkpointer } from "./checkpointer.ts";
import { isNoSpace, openDatabase } from "./database.ts";
import { GroupSync, type SyncFile } from "./group-sync.ts";
import { Reservation, urgentNumbers } from "./reservation.ts";
import { SqliteRows } from "./rows.ts";
import { MetaKey } from "./schema.ts";
import { type Statements, finalizeAll, prepareAll } from "./statements.ts";

/** Length of the WAL, in pages, at which it is taken into the database. */
const defaultCheckpointPages = 4096;

export interface SqliteStoreOptions {
  /** The database file; its directory must exist. A WAL lies beside it while the store is open. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What a newer database says it was written by; default "DittoFS". */
  readonly writer?: string;
  /**
   * Called when the store cannot go on without risk to what was acknowledged (a failed sync above all). It must end the
   * process, as the default does; nothing is resolved after it.
   */
  readonly fatal?: (error: Error) => void;
  /** fdatasync of the WAL and of the database, off the event loop; tests put their own here. */
  readonly sync?: SyncFile;
  /** fdatasync on the event loop, for the rare moments that cannot wait. */
  readonly syncNow?: (fd: number) => void;
  readonly checkpointPages?: number;
}

/**
 * Opens or makes a share's metadata in an SQLite database. Throws a MetadataStoreError where the file is not ours, is newer
 * than this program, or is in use by another process.
 */
export function openSqliteStore(options: SqliteStoreOptions): MetadataStore {
  const db = openDatabase(options.path, options.writer ?? "DittoFS", options.random);
  let opening: Opening | null = null;
  try {
    opening = new Opening(db, options);
    return opening.store();
  } catch (error) {
    if (opening === null) db.close();
    else opening.letGo();
    throw error;
  }
}

/** The parts of a store on an open database. */
class Opening {
  private readonly db: Database;
  private readonly options: SqliteStoreOptions;
  private readonly statements: Statements;
  private readonly sync: SyncFile;
  private readonly syncNow: (fd: number) => void;
  private fds: number[] = [];

  constructor(db: Database, options: SqliteStoreOptions) {
    this.db = db;
    this.options = options;
    this.statements = prepareAll(db);
    this.sync = options.sync ?? fdatasync;
    this.syncNow = options.syncNow ?? fdatasyncSync;
  }

  store(): MetadataStore {
    const { db, statements } = this;
    const reservation = new Reservation(statements);
    const next = reservation.limit;
    const limit = reservation.extendNow();
    // That commit made the WAL exist; from here on it is synced through our own descriptor.
    const walFd = this.openFile(`${this.options.path}-wal`);
    const databaseFd = this.openFile(this.options.path);
    this.syncNow(walFd);
    this.syncDirectory();

    let committer: Committer;
    let checkpointer: Checkpointer;
    let broken = false;
    const fatal = (error: unknown): void => {
      broken = true;
      committer.fail(error);
      this.options.logger.error({ error: String(error), path: this.options.path }, "the metadata store cannot go on");
      (this.options.fatal ?? endProcess)(asError(error));
    };
    const walSync = new GroupSync(walFd, this.sync, fatal);
    const reserveNow = (): number => {
      checkpointer.settle();
      const raised = reservation.extendNow();
      this.syncNow(walFd);
      return raised;
    };
    const sequence = new Sequence(next, limit, reserveNow);
    const rows = new ReservingRows(db, statements, sequence, reservation, reserveNow, (raised) =>
      walSync.add(() => sequence.raise(raised)),
    );
    committer = new Committer(rows, sequence, this.totals(), this.options.clock, {
      isNoSpace,
      committed(applied: Pending[]) {
        walSync.add(() => {
          for (let i = 0; i < applied.length; i++) (applied[i] as Pending).resolve((applied[i] as Pending).result as ApplyResult);
        });
        checkpointer.committed();
      },
      fatal,
    });
    checkpointer = new Checkpointer({
      db,
      statements,
      databaseFd,
      walSync,
      syncFile: this.sync,
      syncNow: this.syncNow,
      commits: committer,
      fatal,
      logger: this.options.logger,
      pagesMax: this.options.checkpointPages ?? defaultCheckpointPages,
    });
    return new EngineStore(this.identity(), rows, sequence, committer, async () => {
      // An orderly close would delete the WAL, which may be all there is after a failed sync.
      if (broken) return;
      await checkpointer.finished();
      reservation.giveBack(sequence.peek());
      await new Promise<void>((resolve) => walSync.add(resolve));
      this.letGo();
    });
  }

  private openFile(path: string): number {
    const fd = openSync(path, "r+");
    this.fds.push(fd);
    return fd;
  }

  private syncDirectory(): void {
    const fd = openSync(dirname(this.options.path), "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  private meta<T>(key: MetaKey): T {
    return (this.statements.meta.get(key) as { value: T }).value;
  }

  private identity(): ShareIdentity {
    return { instance: this.meta(MetaKey.instance), handleKey: this.meta(MetaKey.handleKey) };
  }

  private totals(): Totals {
    return { treeVersion: this.meta(MetaKey.treeVersion), inodes: this.meta(MetaKey.inodes), bytes: this.meta(MetaKey.bytes) };
  }

  /** SQLite first, then our descriptors: see Checkpointer. */
  letGo(): void {
    finalizeAll(this.statements);
    this.db.close(true);
    for (const fd of this.fds) closeSync(fd);
    this.fds = [];
  }
}

/** Rows whose transactions also keep sequence numbers set aside. */
class ReservingRows extends SqliteRows {
  private readonly sequence: Sequence;
  private readonly reservation: Reservation;
  private readonly reserveNow: () => number;
  private readonly onReserved: (limit: number) => void;

  constructor(
    db: Database,
    statements: Statements,
    sequence: Sequence,
    reservation: Reservation,
    reserveNow: () => number,
    onReserved: (limit: number) => void,
  ) {
    super(db, statements);
    this.sequence = sequence;
    this.reservation = reservation;
    this.reserveNow = reserveNow;
    this.onReserved = onReserved;
  }

  override begin(): void {
    if (this.sequence.left() < urgentNumbers) this.sequence.raise(this.reserveNow());
    super.begin();
    this.reservation.extend(this.sequence.left(), this.sequence.limit);
  }

  override commit(): void {
    super.commit();
    if (this.reservation.transactionCommitted()) this.onReserved(this.reservation.limit);
  }

  override rollback(): void {
    this.reservation.transactionRolledBack();
    super.rollback();
  }
}
