import type { ChangeSet } from "#model/change-set.ts";
import type { HistoryMark, Journal, TurnEncoder } from "#model/history.ts";
import type { TurnKeeper } from "../committer.ts";
import type { Sequence } from "../sequence.ts";
import { MetaKey } from "./schema.ts";
import type { Statements } from "./statements.ts";

/** What the journal needs of the store around it. */
export interface JournalHooks {
  /** Resolves when every commit so far is on stable storage. */
  durable(): Promise<void>;
  /** A commit of nothing. */
  commit(): Promise<unknown>;
  copyTo(path: string, taken: () => void): Promise<number>;
}

/** What each transaction applied, in a row of its own that the same transaction inserts, until it is published. */
export class SqliteJournal implements Journal, TurnKeeper {
  turn: number;
  mark: HistoryMark | null;
  private readonly s: Statements;
  private readonly encoder: TurnEncoder;
  private readonly sequence: Sequence;
  private readonly hooks: JournalHooks;
  private listener: (turn: number, bytes: Uint8Array) => void = () => {};
  private written: Uint8Array | null = null;
  /** The mark is newer than the database's. */
  private unwritten = false;
  private writing: HistoryMark | null = null;

  constructor(statements: Statements, encoder: TurnEncoder, sequence: Sequence, hooks: JournalHooks) {
    this.s = statements;
    this.encoder = encoder;
    this.sequence = sequence;
    this.hooks = hooks;
    this.mark = readMark(statements);
    this.turn = Math.max((statements.journalEnd.get() as { turn: number }).turn, this.mark?.turn ?? 0);
  }

  begin(): void {
    this.written = null;
    this.writing = null;
    this.encoder.begin(this.turn + 1, this.sequence.peek());
  }

  add(set: ChangeSet): void {
    if (set.changes.length > 0) this.encoder.add(set);
  }

  write(): void {
    this.written = this.encoder.end();
    if (this.written !== null) this.s.insertTurn.run(this.turn + 1, this.written);
    if (!this.unwritten || this.mark === null) return;
    this.writing = this.mark;
    writeMark(this.s, this.mark);
  }

  committed(): void {
    if (this.writing === this.mark) this.unwritten = false;
    const bytes = this.written;
    if (bytes === null) return;
    this.written = null;
    this.turn++;
    this.listener(this.turn, bytes);
  }

  after(turn: number, limit: number): readonly { readonly turn: number; readonly bytes: Uint8Array }[] {
    return (this.s.journalAfter.all(turn, limit) as { turn: number; sets: Uint8Array }[]).map((row) => ({ turn: row.turn, bytes: row.sets }));
  }

  onTurn(listener: (turn: number, bytes: Uint8Array) => void): void {
    this.listener = listener;
  }

  durable(): Promise<void> {
    return this.hooks.durable();
  }

  setMark(mark: HistoryMark): void {
    this.mark = mark;
    this.unwritten = true;
    // Of a copy that was made elsewhere, or one that kept nothing for a while, the bucket may know of more transactions: their numbers are taken.
    if (mark.turn > this.turn) this.turn = mark.turn;
  }

  async keepMark(): Promise<void> {
    if (this.unwritten) await this.hooks.commit();
    // Written with somebody's commit, which need not be synced yet.
    else await this.hooks.durable();
  }

  copyTo(path: string, taken: (turn: number) => void): Promise<number> {
    return this.hooks.copyTo(path, () => taken(this.turn));
  }
}

interface StoredMark extends Omit<HistoryMark, "tokens"> {
  readonly tokens: readonly string[];
}

export function readMark(s: Statements): HistoryMark | null {
  const row = s.meta.get(MetaKey.history) as { value: string } | null;
  return row === null ? null : parseMark(row.value);
}

/** A mark as it lies in the database. */
export function parseMark(value: string): HistoryMark {
  const stored = JSON.parse(value) as StoredMark;
  return { ...stored, tokens: stored.tokens.map((token) => new Uint8Array(Buffer.from(token, "hex"))) };
}

/** The mark, and the rows that it makes superfluous. */
export function writeMark(s: Statements, mark: HistoryMark): void {
  const stored: StoredMark = { ...mark, tokens: mark.tokens.map((token) => Buffer.from(token).toString("hex")) };
  s.replaceMeta.run(MetaKey.history, JSON.stringify(stored));
  s.deleteTurns.run(mark.turn);
}

/** Nothing is kept from here on: what was published can't be gone on with. */
export function endJournal(s: Statements): void {
  const mark = readMark(s);
  if (mark === null || !mark.continues) return;
  writeMark(s, { ...mark, continues: false });
  s.deleteTurns.run(Number.MAX_SAFE_INTEGER);
}
