import { createHmac, hkdfSync } from "node:crypto";
import { type JWTPayload, SignJWT, errors, jwtVerify } from "jose";
import type { Clock } from "#base/clock.ts";
import { ControlError } from "../errors.ts";
import type { LoginUser } from "./port.ts";

export const accessLifetimeSec = 15 * 60;
export const refreshLifetimeSec = 7 * 24 * 3600;
/** How far the clocks of two nodes may be apart. */
export const clockSkewSecMax = 5;

const algorithm = "HS256";
const issuer = "dittofs";
const audience = "dittofs control plane";
/** Longer ones than ours can be are not looked at. */
const tokenCharactersMax = 4096;

export type TokenKind = "access" | "refresh";

/** What a good token says. Role and name stand in access tokens for whoever reads them; what counts is the user's row. */
export interface Claims {
  readonly userId: string;
  readonly sessionId: string;
  readonly epoch: number;
  readonly tokenId: string;
  readonly issuedAtSec: number;
  readonly expiresAtSec: number;
}

/** What a refresh token says, all of it: the same again gives the same token. */
export interface RefreshParts {
  readonly userId: string;
  readonly sessionId: string;
  readonly epoch: number;
  readonly tokenId: string;
  readonly issuedAtSec: number;
}

export interface Lifetimes {
  readonly accessSec: number;
  readonly refreshSec: number;
}

/** Signs and checks tokens: JSON Web Tokens (RFC 7519) under one key and HS256, whatever a token's own header would have. */
export class Tokens {
  readonly lifetimes: Lifetimes;
  private readonly clock: Clock;
  private readonly key: CryptoKey;
  private readonly successionKey: Uint8Array;

  private constructor(key: CryptoKey, successionKey: Uint8Array, clock: Clock, lifetimes: Lifetimes) {
    this.key = key;
    this.successionKey = successionKey;
    this.clock = clock;
    this.lifetimes = lifetimes;
  }

  static async open(tokenKey: Uint8Array, clock: Clock, lifetimes: Lifetimes): Promise<Tokens> {
    const key = await crypto.subtle.importKey("raw", new Uint8Array(tokenKey), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
    const successionKey = new Uint8Array(hkdfSync("sha256", tokenKey, new Uint8Array(0), "dittofs refresh token succession v1", 32));
    return new Tokens(key, successionKey, clock, lifetimes);
  }

  async access(user: LoginUser, sessionId: string, tokenId: string, issuedAtSec: number): Promise<string> {
    const about = { typ: "access", sid: sessionId, epoch: user.sessionEpoch, username: user.name, role: user.role, must_change_password: user.mustChangePassword };
    return await this.sign(about, user.id, tokenId, issuedAtSec, this.lifetimes.accessSec);
  }

  async refresh(parts: RefreshParts): Promise<string> {
    return await this.sign({ typ: "refresh", sid: parts.sessionId, epoch: parts.epoch }, parts.userId, parts.tokenId, parts.issuedAtSec, this.lifetimes.refreshSec);
  }

  /** The id of the refresh token that follows: nobody without the key can tell it, and every node tells the same. */
  successorOf(tokenId: string): string {
    return createHmac("sha256", this.successionKey).update(tokenId).digest("base64url");
  }

  /** Throws `invalid_token`, `token_expired`. */
  async verify(token: string, kind: TokenKind): Promise<Claims> {
    const nowSec = this.clock.now().sec;
    const payload = await this.checked(token, nowSec);
    const claims = claimsOf(payload, kind);
    if (claims === null) throw notGood(kind);
    if (claims.issuedAtSec > nowSec + clockSkewSecMax) throw notGood(kind);
    return claims;
  }

  private async sign(about: JWTPayload, userId: string, tokenId: string, issuedAtSec: number, lifetimeSec: number): Promise<string> {
    return await new SignJWT(about)
      .setProtectedHeader({ alg: algorithm, typ: "JWT" })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(userId)
      .setJti(tokenId)
      .setIssuedAt(issuedAtSec)
      .setExpirationTime(issuedAtSec + lifetimeSec)
      .sign(this.key);
  }

  private async checked(token: string, nowSec: number): Promise<JWTPayload> {
    if (token.length > tokenCharactersMax) throw notGood("token");
    try {
      const { payload } = await jwtVerify(token, this.key, {
        algorithms: [algorithm],
        issuer,
        audience,
        currentDate: new Date(nowSec * 1000),
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new ControlError("token_expired", "The token has expired.", { hint: "Refresh it, or log in again." });
      if (error instanceof errors.JOSEError) throw notGood("token");
      throw error;
    }
  }
}

export function notGood(kind: TokenKind | "token"): ControlError {
  return new ControlError("invalid_token", kind === "token" ? "This token is not good here." : `This is not a good ${kind} token.`, { hint: "Log in again." });
}

function claimsOf(payload: JWTPayload, kind: TokenKind): Claims | null {
  const { sub, sid, epoch, jti, iat, exp, typ } = payload;
  if (typ !== kind) return null;
  if (typeof sub !== "string" || typeof sid !== "string" || typeof jti !== "string") return null;
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) return null;
  return { userId: sub, sessionId: sid, epoch: epoch as number, tokenId: jti, issuedAtSec: iat as number, expiresAtSec: exp as number };
}
