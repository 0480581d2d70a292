import type { Random } from "#base/random.ts";
import { i32 } from "#wire/le.ts";
import { Session } from "./session.ts";

/** Sessions there may be, those that are only begun included. */
const sessionsMax = 65_536;
/** Of them, those whose log-in is under way: whoever begins many keeps nobody out who ends his in time. */
export const begunMax = 4096;

/** Sessions one user may have, guests all together: no password is good for keeping everybody else out. */
export const userSessionsMax = 4096;

/** All sessions of the server, by their ids. They begin anywhere, so that what a client remembers of a server before names nobody else. */
export class Sessions {
  private readonly all = new Map<number, Session>();
  /** Those that are only begun, the oldest first, and what gives them up. */
  private readonly begun = new Map<Session, () => void>();
  /** Whose each session is that is more than begun, and how many everybody has. */
  private readonly owners = new Map<Session, number>();
  private readonly owned = new Map<number, number>();
  /** 31 bits, another after each start: what tells ids of files that were open before from those that are open now. */
  private readonly salt: number;
  private ids: number;

  constructor(random: Random) {
    this.salt = i32(random.bytes(4), 0) & 0x7fffffff;
    this.ids = i32(random.bytes(4), 0) & 0x7fffffff;
  }

  get size(): number {
    return this.all.size;
  }

  /** A session that is only begun; null where there are too many. */
  create(): Session | null {
    if (this.all.size >= sessionsMax) return null;
    do this.ids = (this.ids + 1) & 0x7fffffff;
    while (this.ids === 0 || this.all.has(this.ids));
    const session = new Session(this.ids, this.salt);
    this.all.set(session.id, session);
    return session;
  }

  /** The log-in of `session` is under way, till it is done or `giveUp` was called: of too many the oldest is given up. */
  begin(session: Session, giveUp: () => void): void {
    if (this.begun.size >= begunMax) this.begun.values().next().value!();
    this.begun.set(session, giveUp);
  }

  /** The log-in of `session` is done, whatever it came to. */
  done(session: Session): void {
    this.begun.delete(session);
  }

  /** A session is to be this user's; false: he has as many as he may. */
  give(session: Session, uid: number): boolean {
    if (this.owners.get(session) === uid) return true;
    const count = this.owned.get(uid) ?? 0;
    if (count >= userSessionsMax) return false;
    this.disown(session);
    this.owners.set(session, uid);
    this.owned.set(uid, count + 1);
    return true;
  }

  private disown(session: Session): void {
    const uid = this.owners.get(session);
    if (uid === undefined) return;
    this.owners.delete(session);
    const left = this.owned.get(uid)! - 1;
    if (left === 0) this.owned.delete(uid);
    else this.owned.set(uid, left);
  }

  find(low: number, high: number): Session | null {
    return high === 0 ? (this.all.get(low) ?? null) : null;
  }

  remove(session: Session): void {
    this.all.delete(session.id);
    this.disown(session);
  }

  list(): readonly Session[] {
    return [...this.all.values()];
  }
}
