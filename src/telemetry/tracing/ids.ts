import type { Random } from "#base/random.ts";

/** The system's generator is asked for so much at once. */
const fetchedBytes = 4096;

/** Random ids of traces and spans, in hexadecimal. */
export class Ids {
  private readonly random: Random;
  private pool: Buffer = Buffer.alloc(0);
  private at = 0;

  constructor(random: Random) {
    this.random = random;
  }

  trace(): string {
    return this.next(16);
  }

  span(): string {
    return this.next(8);
  }

  private next(length: number): string {
    if (this.at + length > this.pool.length) {
      this.pool = Buffer.from(this.random.bytes(fetchedBytes));
      this.at = 0;
    }
    const id = this.pool.toString("hex", this.at, this.at + length);
    this.at += length;
    return id;
  }
}
