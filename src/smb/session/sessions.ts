import type { Random } from "#base/random.ts";
import { Session } from "./session.ts";

/** Sessions there may be, those that are only begun included. */
export const sessionsMax = 65_536;

/** All sessions of the server, by the low half of their ids; the other half is the same for all, and another after each start. */
export class Sessions {
  private readonly all = new Map<number, Session>();
  private readonly high: number;
  private ids = 0;

  constructor(random: Random) {
    const [a = 0, b = 0] = random.bytes(2);
    this.high = (a << 8) | b | 1;
  }

  get size(): number {
    return this.all.size;
  }

  /** A session that is only begun; null where there are too many. */
  create(): Session | null {
    if (this.all.size >= sessionsMax) return null;
    do this.ids = (this.ids + 1) & 0x7fffffff;
    while (this.ids === 0 || this.all.has(this.ids));
    const session = new Session(this.ids, this.high);
    this.all.set(session.low, session);
    return session;
  }

  find(low: number, high: number): Session | null {
    return high === this.high ? (this.all.get(low) ?? null) : null;
  }

  remove(session: Session): void {
    this.all.delete(session.low);
  }

  list(): readonly Session[] {
    return [...this.all.values()];
  }
}
