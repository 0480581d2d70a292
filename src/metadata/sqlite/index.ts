/**
 * Metadata in one SQLite database a share (docs/formats/metadata-sqlite.md). The sets of a turn share a transaction; its sync of the
 * WAL and the checkpoints run in the thread pool, so that the event loop never waits for the disk. A failed sync ends the process.
 */
import { fdatasync, fdatasyncSync, fstatSync } from "node:fs";
import { dirname } from "node:path";
import type { Database } from "bun:sqlite";
import { assert } from "#base/assert.ts";
import type { Clock } from "#base/clock.ts";
import type { PageOps } from "#base/kernel-pages.ts";
import type { Random } from "#base/random.ts";
import type { ApplyResult } from "#model/change-set.ts";
import type { HistoryMark, Journal, TurnEncoder } from "#model/history.ts";
import type { ShareIdentity } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { Committer, type Pending } from "../committer.ts";
import { EngineStore } from "../engine-store.ts";
import { asError, endProcess } from "../fatal.ts";
import type { Totals } from "../rows.ts";
import { Sequence } from "../sequence.ts";
import { syncSpans } from "../traced.ts";
import { Checkpointer } from "./checkpointer.ts";
import { explain, isNoSpace, keepWalAtClose, openDatabase, readWalFromDisk, syncDirectory } from "./database.ts";
import { GroupSync, type SyncFile } from "./group-sync.ts";
import { endJournal, readMark, SqliteJournal } from "./journal.ts";
import { OpenFiles } from "./open-files.ts";
import { Reservation } from "./reservation.ts";
import { ReservingRows } from "./reserving-rows.ts";
import { MetaKey, pageBytes } from "./schema.ts";
import { SpaceReserve, extendWithZeros } from "./space-reserve.ts";
import type { Statements } from "./statements.ts";

const defaultCheckpointPages = 4096;
/** A page in the WAL: its header, then the page (SQLite file format §4.1). */
const walFrameBytes = 24 + pageBytes;
/** Room the WAL has at once, by the length it is checkpointed at: a batch may begin just below that. */
const walRoom = 1.5;
/** A WAL that one huge set made this many times as long is cut back. */
const walKeptTimes = 8;

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
  /** Has the kernel forget what it takes for written; tests put their own here. */
  readonly drop?: PageOps["drop"];
  /** Keeps what is applied until it is published, written down by this. Absent: nothing is kept. */
  readonly journal?: TurnEncoder;
  /** Length of the WAL, in pages, at which it is taken into the database. */
  readonly checkpointPages?: number;
}

/**
 * Opens or makes a share's metadata in an SQLite database. Throws a MetadataStoreError where the file is not ours, is newer
 * than this program, or is in use by another process.
 */
export function openSqliteStore(options: SqliteStoreOptions): SqliteStore {
  readWalFromDisk(options.path, { ...(options.syncNow && { sync: options.syncNow }), ...(options.drop && { drop: options.drop }) });
  const db = openDatabase(options.path, options.writer ?? "DittoFS", options.random);
  const files = new OpenFiles(db);
  try {
    const parts = new Parts(db, files, options);
    return new SqliteStore(parts.identity(), parts.rows, parts.sequence, parts.committer, () => parts.release(), parts.journal, () => readMark(files.statements));
  } catch (error) {
    files.close();
    throw explain(options.path, error);
  }
}

/** A store on SQLite, with what it keeps for the share's history. */
export class SqliteStore extends EngineStore {
  readonly journal: Journal | null;
  /** How far the share's history is published, as the database has it. */
  readonly historyMark: () => HistoryMark | null;
  constructor(identity: ShareIdentity, rows: ReservingRows, sequence: Sequence, committer: Committer, release: () => Promise<void>, journal: Journal | null, mark: () => HistoryMark | null) {
    super(identity, rows, sequence, committer, release);
    this.journal = journal;
    this.historyMark = mark;
  }
}

/** What a store on SQLite is put together from. */
class Parts {
  readonly rows: ReservingRows;
  readonly sequence: Sequence;
  readonly committer: Committer;
  readonly journal: SqliteJournal | null;
  private readonly options: SqliteStoreOptions;
  private readonly db: Database;
  private readonly files: OpenFiles;
  private readonly walFd: number;
  private readonly walBytes: number;
  private readonly walSync: GroupSync;
  private readonly reservation: Reservation;
  private readonly reserve: SpaceReserve;
  private readonly checkpointer: Checkpointer;
  private readonly syncNow: (fd: number) => void;
  private broken = false;

  constructor(db: Database, files: OpenFiles, options: SqliteStoreOptions) {
    this.options = options;
    this.db = db;
    this.files = files;
    const { statements } = files;
    const syncNow = options.syncNow ?? fdatasyncSync;
    this.syncNow = (fd) => this.orEnd(() => syncNow(fd));
    const sync = options.sync ?? fdatasync;
    const pagesMax = options.checkpointPages ?? defaultCheckpointPages;

    this.reservation = new Reservation(statements);
    const next = this.reservation.limit;
    const limit = this.reservation.extendNow();
    // That commit made the WAL exist; from here on it is synced through our own descriptor.
    this.walFd = files.open(`${options.path}-wal`);
    const databaseFd = files.open(options.path);
    this.walBytes = Math.ceil(pagesMax * walRoom) * walFrameBytes;
    this.reserve = this.reserveRoom(this.walBytes);
    files.reserve = this.reserve;
    syncNow(this.walFd);
    // What an earlier start wrote and did not live to sync: the share's identity above all.
    syncNow(databaseFd);
    syncDirectory(dirname(options.path));

    this.walSync = new GroupSync(this.walFd, sync, options.clock, this.fatal);
    this.sequence = new Sequence(next, limit, this.reserveNow);
    this.rows = new ReservingRows(db, statements, this.sequence, this.reservation, this.reserveNow, (raised) =>
      this.walSync.add(() => this.sequence.raise(raised)),
    );
    this.journal = this.openJournal(statements);
    this.committer = new Committer(this.rows, this.sequence, this.totals(), options.clock, {
      isNoSpace,
      makeRoom: this.makeRoom,
      admits: (set) => this.reserve.admits(set),
      committed: (applied) => this.committed(applied),
      fatal: this.fatal,
    }, this.journal);
    this.walSync.durations = this.committer.stats.syncs;
    this.checkpointer = new Checkpointer({
      db,
      statements,
      databaseFd,
      walSync: this.walSync,
      syncFile: sync,
      syncNow: this.syncNow,
      commits: this.committer,
      fatal: this.fatal,
      makeRoom: this.makeRoom,
      logger: options.logger,
      pagesMax,
      afterwards: () => this.shortenWal(),
    });
  }

  private openJournal(statements: Statements): SqliteJournal | null {
    const encoder = this.options.journal;
    if (encoder === undefined) {
      endJournal(statements);
      return null;
    }
    return new SqliteJournal(statements, encoder, this.sequence, {
      durable: () => new Promise<void>((resolve) => this.walSync.add(resolve)),
      commit: () => this.committer.apply({ conditions: [], changes: [] }),
      copyTo: (path, taken) => this.checkpointer.copyTo(path, taken),
    });
  }

  /** Room for the WAL and for what it brings into the database, taken now where the disk has it. */
  private reserveRoom(bytes: number): SpaceReserve {
    const { path, clock, logger } = this.options;
    try {
      extendWithZeros(this.walFd, bytes);
    } catch (error) {
      logger.warn({ error: String(error), path }, "no room to reserve for the metadata's write-ahead log");
    }
    const { freePages } = this.files.statements;
    return new SpaceReserve({
      path: `${path}-reserve`,
      bytes,
      freePages: () => (freePages.get() as { freelist_count: number }).freelist_count,
      pagesEnough: Math.ceil(bytes / pageBytes),
      clock,
      logger,
    });
  }

  /** Every page of the WAL is durable in the database: the moment to cut back what one huge set made long. */
  private shortenWal(): void {
    if (fstatSync(this.walFd).size <= walKeptTimes * this.walBytes) return;
    try {
      this.files.statements.truncateWal.get();
      extendWithZeros(this.walFd, this.walBytes);
    } catch (error) {
      this.options.logger.warn({ error: String(error) }, "the metadata's write-ahead log could not be shortened");
    }
  }

  private readonly makeRoom = (): boolean => this.reserve.release();

  private readonly fatal = (error: unknown): void => {
    this.broken = true;
    this.keepWalAtExit();
    this.committer.fail(error);
    this.options.logger.error({ error: String(error), path: this.options.path }, "the metadata store cannot go on");
    (this.options.fatal ?? endProcess)(asError(error));
  };

  /** Who asked for a number may survive an error of its sync; the store must not, as a later sync would succeed without what this one was for. */
  private orEnd(sync: () => void): void {
    try {
      sync();
    } catch (error) {
      this.fatal(error);
      throw error;
    }
  }

  /** Bun closes databases when the process exits, and empties the WAL, which may be all there is; not within a transaction. */
  private keepWalAtExit(): void {
    try {
      if (!this.db.inTransaction) this.files.statements.begin.run();
    } catch {
      // What made the store break keeps it from being closed in order, too.
    }
  }

  private readonly reserveNow = (): number => {
    this.checkpointer.settle();
    // ReservingRows leaves a transaction plenty; what a transaction reserves is not durable before its end.
    assert(!this.db.inTransaction, "one transaction drew too many numbers");
    const raised = this.extendReservation();
    this.syncNow(this.walFd);
    return raised;
  };

  private extendReservation(): number {
    try {
      return this.reservation.extendNow();
    } catch (error) {
      if (!isNoSpace(error) || !this.makeRoom()) throw error;
      return this.reservation.extendNow();
    }
  }

  private committed(applied: Pending[]): void {
    const spans = syncSpans(applied);
    this.walSync.add(() => {
      if (spans !== null) for (const span of spans) span.end();
      for (let i = 0; i < applied.length; i++) {
        const one = applied[i] as Pending;
        one.resolve(one.result as ApplyResult);
      }
    });
    this.checkpointer.committed();
  }

  private meta<T>(key: MetaKey): T {
    return (this.files.statements.meta.get(key) as { value: T }).value;
  }

  identity(): ShareIdentity {
    return { instance: this.meta(MetaKey.instance), handleKey: this.meta(MetaKey.handleKey) };
  }

  private totals(): Totals {
    return { treeVersion: this.meta(MetaKey.treeVersion), inodes: this.meta(MetaKey.inodes), bytes: this.meta(MetaKey.bytes) };
  }

  /** At an orderly end. After a failed sync there is none: the WAL may be all there is. */
  async release(): Promise<void> {
    if (this.broken) return;
    await this.checkpointer.finished();
    try {
      this.reservation.giveBack(this.sequence.peek());
    } catch (error) {
      this.options.logger.debug({ error: String(error) }, "what is left of the sequence's reservation is skipped");
    }
    await new Promise<void>((resolve) => this.walSync.add(resolve));
    keepWalAtClose(this.db, false);
    this.files.close();
  }
}
