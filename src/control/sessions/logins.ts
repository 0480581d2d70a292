import { createHash } from "node:crypto";
import type { Clock } from "#base/clock.ts";
import type { LoginAttempt, LoginAttempts } from "#model/identity.ts";
import type { Random } from "#base/random.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { ControlDatabase } from "../database/port.ts";
import { ControlError } from "../errors.ts";
import type { User } from "../nouns.ts";
import { type Passwords, checkPassword } from "../passwords/index.ts";
import type { Caller, Logins, TokenPair } from "../services.ts";
import { Background } from "./background.ts";
import { BoundedMap } from "./bounded-map.ts";
import { newId } from "./ids.ts";
import type { LoginDirectory, LoginEvent, LoginUser } from "./port.ts";
import { RevokedSessions } from "./revoked.ts";
import { type SessionRow, SessionTable } from "./session-table.ts";
import { Throttle } from "./throttle.ts";
import { type Claims, type Lifetimes, Tokens, accessLifetimeSec, clockSkewSecMax, notGood, refreshLifetimeSec } from "./tokens.ts";

/**
 * How long a refresh token that was just replaced still gives its successor, the same one again. Two tabs, or two commands of a
 * script, refresh at the same moment, and a reply gets lost on its way: neither should cost the session. It gives a thief nothing
 * that lasts: the successor is one and the same token, so whoever of the two uses it second, later than this, ends the session. The
 * successor is not kept anywhere; it follows from the old token and the time of the session's row, so this holds on every node.
 */
export const refreshGraceMs = 10_000;
/** Access tokens that are known to be good. */
const verifiedTokensMax = 10_000;
/** How often what others revoked is read: other nodes, or whoever restores a backup. */
const reloadEveryMs = 500;
/** Clocks of nodes differ, and a transaction ends later than the time it writes. */
const reloadOverlapMs = 30_000;
const sweepEveryMs = 10 * 60_000;

export interface LoginOptions {
  readonly db: ControlDatabase;
  readonly directory: LoginDirectory;
  readonly passwords: Passwords;
  readonly tokenKey: Uint8Array;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Writes to the audit log. */
  readonly audit: (event: LoginEvent) => Promise<void>;
  readonly lifetimes?: Lifetimes;
}

export interface OpenLogins extends Logins {
  /** Log-ins to other protocols count with those here. */
  readonly attempts: LoginAttempts;
  /** Signs with another key from now on: every token given out so far is refused. */
  useKey(tokenKey: Uint8Array): Promise<void>;
  /** Reads what was revoked elsewhere. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

export async function openLogins(options: LoginOptions): Promise<OpenLogins> {
  const lifetimes = options.lifetimes ?? { accessSec: accessLifetimeSec, refreshSec: refreshLifetimeSec };
  const logins = new SessionLogins(options, await Tokens.open(options.tokenKey, options.clock, lifetimes));
  await logins.reload();
  logins.start();
  return logins;
}

class SessionLogins implements OpenLogins {
  private readonly options: LoginOptions;
  private readonly table: SessionTable;
  readonly attempts: LoginAttempts;
  private readonly throttle: Throttle;
  private readonly revoked: RevokedSessions;
  /** How long after its revocation a session may still be named by a token. */
  private readonly afterlifeMs: number;
  private tokens: Tokens;
  /** Good access tokens by their hash; another key begins another map. */
  private verified = new BoundedMap<Claims>(verifiedTokensMax);
  private reloadedMs = 0;
  /** What `othersVersion` was before what others revoked was last read. */
  private seenVersion: number | null = null;
  private background: readonly Background[] = [];

  constructor(options: LoginOptions, tokens: Tokens) {
    this.options = options;
    this.tokens = tokens;
    this.afterlifeMs = (tokens.lifetimes.accessSec + 2 * clockSkewSecMax) * 1000;
    this.table = new SessionTable(options.db, this.afterlifeMs);
    this.revoked = new RevokedSessions(this.afterlifeMs);
    this.throttle = new Throttle(options.clock);
    this.attempts = { begin: (name, address) => beginAttempt(this.throttle, name, address) };
  }

  start(): void {
    const { clock, logger } = this.options;
    const sweep = new Background(clock, logger, sweepEveryMs, "deleting expired sessions", () => this.sweep());
    const reload = new Background(clock, logger, reloadEveryMs, "reading which sessions others ended", () => this.follow());
    this.background = [sweep, reload];
  }

  async login(name: string, password: string, address: string): Promise<TokenPair> {
    const attempt = this.throttle.begin(name, address);
    const { directory } = this.options;
    const user = directory.byName(name);
    let right: boolean;
    try {
      right = await this.options.passwords.verify(password, user?.passwordHash ?? null);
    } catch (error) {
      attempt.withdraw();
      throw error;
    }
    // Waiting for its turn takes seconds: what was compared has to be the password still.
    const now = user === null ? null : directory.byId(user.id);
    if (!right || user === null || now === null || !now.enabled || now.passwordHash !== user.passwordHash) {
      await this.audit({ action: "login_failed", user: user?.name ?? null, address, sessionId: null });
      throw new ControlError("wrong_credentials", "Wrong user name or password, or the user is disabled.");
    }
    attempt.succeeded();
    return await this.openSession(now, address, false);
  }

  async refresh(refreshToken: string, address: string): Promise<TokenPair> {
    const claims = await this.tokens.verify(refreshToken, "refresh");
    const user = this.userOf(claims);
    if (user === null) throw notGood("refresh");
    const nowMs = this.nowMs();
    const next = await this.successor(claims, user, nowMs);
    const rotation = await this.table.rotate(claims.sessionId, hashOf(refreshToken), {
      tokenHash: hashOf(next),
      at: nowMs,
      expiresAt: nowMs + this.tokens.lifetimes.refreshSec * 1000,
    });
    if (rotation.result === "rotated") return await this.pair(user, claims.sessionId, next);
    if (rotation.result === "absent") throw notGood("refresh");
    const again = await this.successor(claims, user, rotation.row.usedAt);
    if (nowMs - rotation.row.usedAt <= refreshGraceMs && hashOf(again) === rotation.row.tokenHash) return await this.pair(user, claims.sessionId, again);
    await this.revoke(claims.sessionId);
    this.options.logger.warn({ user: user.name, address }, "A refresh token was used a second time: its session is ended, somebody else may have had it");
    await this.audit({ action: "session_revoked", user: user.name, address, sessionId: claims.sessionId });
    throw notGood("refresh");
  }

  async logout(caller: Caller): Promise<void> {
    const row = await this.revoke(caller.sessionId);
    if (row !== null) await this.audit({ action: "logout", user: caller.user.name, address: row.address, sessionId: row.id });
  }

  async authenticate(accessToken: string): Promise<Caller> {
    const key = hashOf(accessToken);
    const { verified } = this;
    let claims = verified.get(key);
    if (claims === undefined || claims.expiresAtSec <= this.options.clock.now().sec) {
      // One that expired meanwhile is checked again, and fails with the right error.
      verified.delete(key);
      claims = await this.tokens.verify(accessToken, "access");
      verified.set(key, claims);
    }
    const user = this.userOf(claims);
    const view = user === null ? null : this.options.directory.view(user.id);
    if (view === null) throw notGood("access");
    return { user: view, sessionId: claims.sessionId };
  }

  async changeOwnPassword(caller: Caller, current: string, next: string, address: string): Promise<TokenPair> {
    checkPassword(next, "new_password");
    const { directory, passwords } = this.options;
    const user = directory.byName(caller.user.name);
    if (user === null) throw notGood("access");
    const attempt = this.throttle.begin(user.name, address);
    let right: boolean;
    try {
      right = await passwords.verify(current, user.passwordHash);
    } catch (error) {
      attempt.withdraw();
      throw error;
    }
    if (!right) {
      await this.audit({ action: "login_failed", user: user.name, address, sessionId: caller.sessionId });
      throw new ControlError("wrong_credentials", "The current password is wrong.");
    }
    attempt.succeeded();
    if (next === current) throw new ControlError("invalid_value", "The new password is the old one.", { fields: [{ field: "new_password", message: "must differ from the current password" }] });
    const hashed = await passwords.hash(next);
    const before = directory.byId(user.id);
    if (before === null || !before.enabled || before.passwordHash !== user.passwordHash) throw notGood("access");
    await directory.setPassword({ name: user.name, address }, user.id, hashed, false);
    const now = directory.byId(user.id);
    if (now === null || !now.enabled) throw notGood("access");
    return await this.openSession(now, address, true);
  }

  async useKey(tokenKey: Uint8Array): Promise<void> {
    this.tokens = await Tokens.open(tokenKey, this.options.clock, this.tokens.lifetimes);
    this.verified = new BoundedMap(verifiedTokensMax);
  }

  async reload(): Promise<void> {
    const now = this.nowMs();
    const since = Math.max(now - this.afterlifeMs, this.reloadedMs - reloadOverlapMs);
    for (const { id, at } of await this.table.revokedSince(since)) this.revoked.add(id, at, now);
    this.reloadedMs = now;
  }

  private async follow(): Promise<void> {
    const version = this.options.db.othersVersion();
    if (version !== null && version === this.seenVersion) return;
    await this.reload();
    this.seenVersion = version;
  }

  async close(): Promise<void> {
    await Promise.all(this.background.map((one) => one.close()));
  }

  private async sweep(): Promise<void> {
    while (await this.table.sweep(this.nowMs()));
  }

  private nowMs(): number {
    const now = this.options.clock.now();
    return now.sec * 1000 + Math.floor(now.nsec / 1_000_000);
  }

  /** The user these claims still speak for. */
  private userOf(claims: Claims): LoginUser | null {
    if (this.revoked.refuses(claims.sessionId, claims.issuedAtSec)) return null;
    const user = this.options.directory.byId(claims.userId);
    return user !== null && user.enabled && user.sessionEpoch === claims.epoch ? user : null;
  }

  private async openSession(user: LoginUser, address: string, alone: boolean): Promise<TokenPair> {
    const now = this.nowMs();
    const id = newId(this.options.random);
    const refreshToken = await this.tokens.refresh({ userId: user.id, sessionId: id, epoch: user.sessionEpoch, tokenId: this.newTokenId(), issuedAtSec: Math.floor(now / 1000) });
    const expiresAt = now + this.tokens.lifetimes.refreshSec * 1000;
    const row: SessionRow = { id, userId: user.id, tokenHash: hashOf(refreshToken), address, createdAt: now, usedAt: now, expiresAt, revokedAt: null };
    for (const ended of await this.table.add(row, alone)) this.revoked.add(ended, now, now);
    await this.audit({ action: "login", user: user.name, address, sessionId: id });
    return await this.pair(user, id, refreshToken);
  }

  private async successor(claims: Claims, user: LoginUser, atMs: number): Promise<string> {
    const tokenId = this.tokens.successorOf(claims.tokenId);
    return await this.tokens.refresh({ userId: user.id, sessionId: claims.sessionId, epoch: claims.epoch, tokenId, issuedAtSec: Math.floor(atMs / 1000) });
  }

  private async pair(user: LoginUser, sessionId: string, refreshToken: string): Promise<TokenPair> {
    const { accessSec } = this.tokens.lifetimes;
    const nowSec = this.options.clock.now().sec;
    const accessToken = await this.tokens.access(user, sessionId, this.newTokenId(), nowSec);
    const view: User | null = this.options.directory.view(user.id);
    if (view === null) throw notGood("token");
    return { accessToken, refreshToken, expiresInSec: accessSec, expiresAt: (nowSec + accessSec) * 1000, user: view };
  }

  private async revoke(sessionId: string): Promise<SessionRow | null> {
    const now = this.nowMs();
    const row = await this.table.revoke(sessionId, now);
    this.revoked.add(sessionId, now, now);
    return row;
  }

  private newTokenId(): string {
    return Buffer.from(this.options.random.bytes(16)).toString("base64url");
  }

  /** A log-in is not refused for want of its line in the log: the database that is to hold both says so itself. */
  private async audit(event: LoginEvent): Promise<void> {
    try {
      await this.options.audit(event);
    } catch (err) {
      this.options.logger.error({ err, action: event.action, user: event.user, address: event.address }, "A log-in could not be written to the audit log");
    }
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** Names are the same in upper and lower case there: whoever varies them gets no further. */
function beginAttempt(throttle: Throttle, name: string, address: string): LoginAttempt | null {
  try {
    return throttle.begin(name.toLowerCase(), address);
  } catch (error) {
    if (error instanceof ControlError && error.code === "too_many_attempts") return null;
    throw error;
  }
}
