/** Entries of a client's table of lock sequences (MS-SMB2 2.2.26: indices 1 to 64). */
const entries = 64;
const none = 0xff;

/** The LOCK requests of an open that were done, so that one sent again is not done again (MS-SMB2 3.3.5.14, Open.LockSequenceArray). */
export class LockReplay {
  private readonly numbers = new Uint8Array(entries + 1).fill(none);

  /** Whether the request of this sequence was done already; if not, its entry is free until it is. An index of 0 or beyond the table is not looked at. */
  isDone(sequence: number): boolean {
    const index = sequence >>> 4;
    if (index === 0 || index > entries) return false;
    if (this.numbers[index] === (sequence & 0xf)) return true;
    this.numbers[index] = none;
    return false;
  }

  done(sequence: number): void {
    const index = sequence >>> 4;
    if (index > 0 && index <= entries) this.numbers[index] = sequence & 0xf;
  }
}
