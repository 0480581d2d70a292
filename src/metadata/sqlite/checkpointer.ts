import type { Database } from "bun:sqlite";
import type { Logger } from "#telemetry/logger.ts";
import { isNoSpace } from "./database.ts";
import type { GroupSync, SyncFile } from "./group-sync.ts";
import { copyFile } from "./copy-file.ts";
import type { Statements } from "./statements.ts";

/** Commits of the store, which a checkpoint holds back for a moment. */
interface Commits {
  pause(): void;
  resume(): void;
}

interface Copy {
  readonly path: string;
  readonly taken: () => void;
  readonly resolve: (bytes: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Moves the WAL's pages into the database without a sync that holds the event loop. SQLite would sync the WAL, write the pages
 * and sync the database in one call; here commits are held back (reads are not), the WAL is synced and then the database
 * by the thread pool, and SQLite only writes the pages, with its own syncs off for that moment. Order is what keeps this safe: the WAL is
 * durable before the first page is written, and it can be overwritten only by a commit, after the database is durable.
 *
 * `databaseFd` is ours and is closed only after SQLite closed the database: closing any descriptor of that file drops the
 * POSIX locks SQLite holds on it.
 */
export class Checkpointer {
  private readonly db: Database;
  private readonly s: Statements;
  private readonly databaseFd: number;
  private readonly walSync: GroupSync;
  private readonly syncFile: SyncFile;
  private readonly syncNow: (fd: number) => void;
  private readonly commits: Commits;
  private readonly fatal: (error: Error) => void;
  private readonly makeRoom: () => boolean;
  private readonly logger: Logger;
  private readonly pagesMax: number;
  private readonly afterwards: () => void;
  private running = false;
  private idle: (() => void) | null = null;
  /** The last checkpoint took in all of the WAL. */
  private complete = false;
  /** Pages are written to the database that are not synced. */
  private unsynced = false;
  /** Somebody waits for the moment when the database is all there is, to copy it. */
  private copy: Copy | null = null;
  /** The database is being copied: nothing is written to it meanwhile. */
  private held = false;
  /** After a failure: not before the WAL is this long. */
  private notBefore = 0;

  constructor(parts: {
    db: Database;
    statements: Statements;
    databaseFd: number;
    walSync: GroupSync;
    syncFile: SyncFile;
    syncNow: (fd: number) => void;
    commits: Commits;
    fatal: (error: Error) => void;
    makeRoom: () => boolean;
    logger: Logger;
    pagesMax: number;
    /** Called when all of the WAL is durable in the database, before the next commit. */
    afterwards: () => void;
  }) {
    this.db = parts.db;
    this.s = parts.statements;
    this.databaseFd = parts.databaseFd;
    this.walSync = parts.walSync;
    this.syncFile = parts.syncFile;
    this.syncNow = parts.syncNow;
    this.commits = parts.commits;
    this.fatal = parts.fatal;
    this.makeRoom = parts.makeRoom;
    this.logger = parts.logger;
    this.pagesMax = parts.pagesMax;
    this.afterwards = parts.afterwards;
  }

  /** After a commit: starts a checkpoint where the WAL has become long. */
  committed(): void {
    if (this.running || this.held) return;
    const { log } = this.s.walPages.get() as { log: number };
    if (log < this.pagesMax) this.notBefore = 0;
    else if (log >= this.notBefore) this.start(log);
  }

  private start(walPages: number): void {
    this.running = true;
    this.commits.pause();
    const walDurable = (): void => {
      // The turn that filled the WAL may have gone on committing.
      if (!this.walSync.settled) return this.walSync.add(walDurable);
      if (!this.writePages(walPages)) {
        this.refuseCopy("the database could not take in its write-ahead log");
        return this.done();
      }
      this.guard();
      this.syncFile(this.databaseFd, (error) => {
        if (error !== null) return this.fatal(error);
        this.unguard();
        this.afterwards();
        this.beginCopy();
        this.done();
      });
    };
    this.walSync.add(walDurable);
  }

  /**
   * Copies the database as it is at one moment, when all of the WAL is in it: commits go on into the WAL, which is not taken in before the
   * copy is done. `taken` is called at that moment. Through our own descriptor: see above.
   */
  copyTo(path: string, taken: () => void): Promise<number> {
    if (this.copy !== null || this.held) return Promise.reject(new Error("the metadata is being copied already"));
    return new Promise((resolve, reject) => {
      this.copy = { path, taken, resolve, reject };
      if (!this.running) this.start(0);
    });
  }

  private refuseCopy(why: string): void {
    const { copy } = this;
    this.copy = null;
    copy?.reject(new Error(why));
  }

  private beginCopy(): void {
    const { copy } = this;
    if (copy === null) return;
    if (!this.complete) return this.refuseCopy("the database did not take in all of its write-ahead log");
    this.copy = null;
    this.held = true;
    try {
      copy.taken();
    } catch (error) {
      this.held = false;
      return copy.reject(error);
    }
    copyFile(this.databaseFd, copy.path)
      .then(copy.resolve, copy.reject)
      .finally(() => {
        this.held = false;
        this.idle?.();
      });
  }

  /**
   * Bun closes databases when the process exits, and empties the WAL then. It must not while the database is not synced; an
   * open transaction keeps it from doing so.
   */
  private guard(): void {
    this.unsynced = true;
    this.s.begin.run();
  }

  private unguard(): void {
    if (!this.unsynced) return;
    this.unsynced = false;
    this.s.rollback.run();
  }

  private done(): void {
    this.unguard();
    this.running = false;
    this.commits.resume();
    this.idle?.();
  }

  /** Resolves when no checkpoint is under way. */
  async finished(): Promise<void> {
    while (this.running || this.held) await new Promise<void>((resolve) => (this.idle = resolve));
  }

  /** False where that failed, for lack of room mostly: the WAL then keeps everything and is tried again when it has grown. */
  private writePages(walPages: number): boolean {
    this.db.run("PRAGMA synchronous = OFF");
    try {
      const { log, checkpointed } = this.copyPages();
      // Nobody else reads the database, so all of it should be there; if not, wait for as much again.
      this.complete = checkpointed >= log;
      if (!this.complete) this.notBefore = log + this.pagesMax;
      return true;
    } catch (error) {
      this.notBefore = walPages + this.pagesMax;
      this.logger.warn({ error: String(error), walPages }, "the metadata database could not take in its write-ahead log");
      return false;
    } finally {
      this.db.run("PRAGMA synchronous = NORMAL");
    }
  }

  private copyPages(): { log: number; checkpointed: number } {
    try {
      return this.s.checkpoint.get() as { log: number; checkpointed: number };
    } catch (error) {
      if (!isNoSpace(error) || !this.makeRoom()) throw error;
      return this.s.checkpoint.get() as { log: number; checkpointed: number };
    }
  }

  /** Before a commit that cannot wait for the checkpoint under way: makes its pages durable at once. */
  settle(): void {
    if (!this.unsynced) return;
    this.syncNow(this.databaseFd);
    this.unguard();
  }
}
