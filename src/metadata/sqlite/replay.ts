import { closeSync, fdatasyncSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { Database } from "bun:sqlite";
import type { Random } from "#base/random.ts";
import type { ChangeSet, Pack } from "#model/change-set.ts";
import type { HistoryMark } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { Batch } from "../batch.ts";
import { evaluate } from "../engine.ts";
import { MetadataStoreError } from "../errors.ts";
import type { Totals } from "../rows.ts";
import { Sequence } from "../sequence.ts";
import { keepWalAtClose, openDatabase } from "./database.ts";
import { writeMark } from "./journal.ts";
import { SqliteRows } from "./rows.ts";
import { MetaKey } from "./schema.ts";
import { finalizeAll, prepareAll, type Statements } from "./statements.ts";

/** Numbers of the share's sequence that a recovery skips: more than anybody can have been given that is not known of. */
const skippedNumbers = 2 ** 32;
/** Transactions between two looks at the length of the WAL. */
const turnsPerCheckpoint = 512;
const walPagesMax = 65_536;

/**
 * A copy of a share's database to which the transactions that followed are applied again. They draw the numbers they drew: cookies and change
 * numbers come out as they were. Nothing of it is durable before `finish`.
 */
export class SqliteReplay {
  private readonly db: Database;
  private readonly s: Statements;
  private readonly rows: SqliteRows;
  private readonly path: string;
  private readonly sequence: Sequence;
  private totals: Totals;
  private highest: number;
  private turns = 0;

  constructor(path: string, random: Random) {
    this.path = path;
    this.db = openDatabase(path, "DittoFS", random);
    this.db.run("PRAGMA synchronous = OFF");
    this.s = prepareAll(this.db);
    this.rows = new SqliteRows(this.db, this.s);
    this.highest = this.meta(MetaKey.reserved);
    const unbounded = Number.MAX_SAFE_INTEGER;
    this.sequence = new Sequence(this.highest, unbounded, () => unbounded);
    this.totals = { treeVersion: this.meta(MetaKey.treeVersion), inodes: this.meta(MetaKey.inodes), bytes: this.meta(MetaKey.bytes) };
  }

  get instance(): Uint8Array {
    return this.meta(MetaKey.instance);
  }

  get usage(): { readonly inodes: number; readonly bytes: number } {
    return this.totals;
  }

  inode(id: FileId): Inode | null {
    return this.rows.inode(id);
  }

  pack(id: PackId): Pack | null {
    return this.rows.pack(id);
  }

  putPack(pack: Pack): void {
    if (this.rows.pack(pack.id) === null) this.rows.insertPack(pack);
    else this.rows.updatePack(pack);
  }

  /** The sets of one transaction, which drew from `firstDrawn` on. */
  apply(firstDrawn: number, sets: readonly ChangeSet[]): void {
    this.sequence.goTo(firstDrawn);
    this.rows.begin();
    try {
      const batch = new Batch(this.rows, this.sequence, this.totals);
      for (const set of sets) evaluate(set, batch);
      batch.flush();
      this.rows.commit();
      this.totals = batch.totals();
    } catch (error) {
      this.rows.rollback();
      throw new MetadataStoreError(`the share's history doesn't fit its snapshot: ${(error as Error).message}`);
    }
    this.highest = Math.max(this.highest, this.sequence.peek());
    if (++this.turns % turnsPerCheckpoint === 0) this.shorten();
  }

  private shorten(): void {
    const { log } = this.s.walPages.get() as { log: number };
    if (log > walPagesMax) this.s.checkpoint.get();
  }

  /** Makes it the durable database of a share that goes on at `mark`, far above every number that may have been given. */
  finish(mark: HistoryMark): void {
    this.s.begin.run();
    this.s.putMeta.run(this.highest + skippedNumbers, MetaKey.reserved);
    this.s.deleteTurns.run(Number.MAX_SAFE_INTEGER);
    writeMark(this.s, mark);
    this.s.commit.run();
    this.close();
    for (const [path, sync] of [[this.path, fdatasyncSync], [dirname(this.path), fsyncSync]] as const) {
      const fd = openSync(path, "r");
      sync(fd);
      closeSync(fd);
    }
  }

  close(): void {
    this.s.truncateWal.get();
    keepWalAtClose(this.db, false);
    finalizeAll(this.s);
    this.db.close(true);
  }

  private meta<T>(key: MetaKey): T {
    return (this.s.meta.get(key) as { value: T }).value;
  }
}
