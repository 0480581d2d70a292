import { Writes } from "./writes.ts";

/** An evaluation under way: what it writes, and how to undo what it did to the view. */
export class Transaction {
  private journal: (() => void)[] = [];
  writes = new Writes();

  begin(): void {
    this.journal = [];
    this.writes = new Writes();
  }

  /** `undo` puts back what was before a step. */
  note(undo: () => void): void {
    this.journal.push(undo);
  }

  /** What was done stays. */
  end(): Writes {
    this.journal = [];
    return this.writes;
  }

  rollback(): void {
    for (let i = this.journal.length - 1; i >= 0; i--) this.journal[i]?.();
    this.begin();
  }
}
