/** Revoked sessions that are kept by name. */
const revokedSessionsMax = 65_536;

/**
 * Sessions that ended before their access tokens did. Bounded: when it is full, the one revoked first is forgotten, and in its stead
 * every token made up to that moment is refused: whose session is good then just has to refresh.
 */
export class RevokedSessions {
  private readonly capacity: number;
  /** How long a token can outlive its session. */
  private readonly keepMs: number;
  private readonly revokedAt = new Map<string, number>();
  private floorSec = -1;

  constructor(keepMs: number, capacity: number = revokedSessionsMax) {
    this.keepMs = keepMs;
    this.capacity = capacity;
  }

  get size(): number {
    return this.revokedAt.size;
  }

  add(sessionId: string, revokedAtMs: number, nowMs: number): void {
    this.forget(nowMs);
    if (revokedAtMs + this.keepMs < nowMs || this.revokedAt.has(sessionId)) return;
    this.revokedAt.set(sessionId, revokedAtMs);
    if (this.revokedAt.size <= this.capacity) return;
    const [first] = this.revokedAt;
    if (first === undefined) return;
    this.revokedAt.delete(first[0]);
    this.floorSec = Math.max(this.floorSec, Math.floor(first[1] / 1000));
  }

  refuses(sessionId: string, issuedAtSec: number): boolean {
    return this.revokedAt.has(sessionId) || issuedAtSec <= this.floorSec;
  }

  private forget(nowMs: number): void {
    for (const [sessionId, at] of this.revokedAt) {
      if (at + this.keepMs >= nowMs) return;
      this.revokedAt.delete(sessionId);
    }
  }
}
