import { MetaKey } from "./schema.ts";
import type { Statements } from "./statements.ts";

/** Numbers of one durable reservation; a crash skips what is left of it. */
const blockNumbers = 2 ** 20;
/** Left over: reserve the next block with the next commit. */
const lowNumbers = blockNumbers / 2;
/** Left over: reserve the next block before anything else is drawn. */
export const urgentNumbers = blockNumbers / 4;

/** The sequence numbers that the database has set aside for this process. */
export class Reservation {
  private readonly s: Statements;
  /** As the database has it, synced or not. */
  private committed: number;
  private inTransaction: number | null = null;

  constructor(statements: Statements) {
    this.s = statements;
    this.committed = (statements.meta.get(MetaKey.reserved) as { value: number }).value;
  }

  get limit(): number {
    return this.committed;
  }

  /** Where few numbers are left, sets a block aside within the open transaction. */
  extend(left: number, durableLimit: number): void {
    if (left >= lowNumbers || this.committed > durableLimit) return;
    this.inTransaction = this.committed + blockNumbers;
    this.s.putMeta.run(this.inTransaction, MetaKey.reserved);
  }

  /** The transaction was committed; true where that set numbers aside, which count once they are synced. */
  transactionCommitted(): boolean {
    if (this.inTransaction === null) return false;
    this.committed = this.inTransaction;
    this.inTransaction = null;
    return true;
  }

  transactionRolledBack(): void {
    this.inTransaction = null;
  }

  /** Commits a reservation by itself; the caller syncs it. */
  extendNow(): number {
    this.s.putMeta.run(this.committed + blockNumbers, MetaKey.reserved);
    this.committed += blockNumbers;
    return this.committed;
  }

  /** Gives back what was not drawn, at an orderly end. */
  giveBack(next: number): void {
    this.s.putMeta.run(next, MetaKey.reserved);
    this.committed = next;
  }
}
