/** Message ids a client may have open at once; more credits are never granted (MS-SMB2 3.3.1.1). */
const creditsMax = 8192;

/**
 * The message ids a client may use: `first` is the lowest not used, `end` the first not granted. A request takes as many as its
 * credit charge says, in any order, each once.
 */
export class CreditWindow {
  private first = 0;
  private end = 1;
  /** One bit an id, used or not, in a ring of twice the window. */
  private readonly used = new Uint8Array(creditsMax * 2);

  /** Takes `charge` ids from `id` on; false where one of them was not granted or is used. */
  take(id: number, charge: number): boolean {
    if (id < this.first || id + charge > this.end) return false;
    for (let i = id; i < id + charge; i++) if (this.used[i % this.used.length] !== 0) return false;
    for (let i = id; i < id + charge; i++) this.used[i % this.used.length] = 1;
    while (this.first < this.end && this.used[this.first % this.used.length] !== 0) this.used[this.first++ % this.used.length] = 0;
    return true;
  }

  /** Grants up to `asked` credits, at least one as long as the window has room; gives how many. */
  grant(asked: number): number {
    const room = creditsMax - (this.end - this.first);
    const granted = Math.min(room, Math.max(1, asked));
    this.end += granted;
    return granted;
  }
}
