import type { Logger } from "#telemetry/logger.ts";
import { Sequence } from "../sequence.ts";
import type { Reader } from "./readers.ts";
import { statements } from "./statements.ts";

/**
 * Numbers set aside at a time. Many, since a draw can't wait for a database that is away: what is left when the next are asked for
 * lasts for days. 2^53 is eight million times as many.
 */
export const reservedNumbers = 2 ** 30;

/** Keeps numbers of the share's sequence set aside durably, ahead of those that draw them. */
export class Reservation {
  readonly sequence: Sequence;
  private readonly reader: Reader;
  private readonly share: number;
  private readonly epoch: number;
  private readonly logger: Logger;
  private under = false;

  constructor(next: number, reader: Reader, share: number, epoch: number, logger: Logger) {
    this.sequence = new Sequence(next, next + reservedNumbers, () => {
      throw new Error("the share's sequence ran out of the numbers that were set aside");
    });
    this.reader = reader;
    this.share = share;
    this.epoch = epoch;
    this.logger = logger;
  }

  /** Sets more aside where half is used up. */
  keep(): void {
    if (this.under || this.sequence.left() > reservedNumbers / 2) return;
    this.under = true;
    const limit = this.sequence.limit + reservedNumbers;
    this.reader.rows(statements.reserve, [this.share, limit, this.epoch]).then(
      (rows) => {
        this.under = false;
        if (rows.length > 0) this.sequence.raise(limit);
      },
      (error: unknown) => {
        this.under = false;
        this.logger.debug({ error: String(error) }, "no numbers could be set aside; tried again");
      },
    );
  }

  /** At an orderly end: what was not drawn. */
  async giveBack(): Promise<void> {
    await this.reader.rows(statements.giveBack, [this.share, this.sequence.peek(), this.sequence.limit, this.epoch]);
  }
}
