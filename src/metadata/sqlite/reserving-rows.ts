import type { Database } from "bun:sqlite";
import type { Sequence } from "../sequence.ts";
import { type Reservation, urgentNumbers } from "./reservation.ts";
import { SqliteRows } from "./rows.ts";
import type { Statements } from "./statements.ts";

/** Rows whose transactions also keep sequence numbers set aside. */
export class ReservingRows extends SqliteRows {
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
