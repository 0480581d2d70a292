import { createHmac } from "node:crypto";
import type { ControlDatabase } from "#control/database/port.ts";
import { ControlError, type ControlErrorCode } from "#control/errors.ts";
import type { User } from "#control/nouns.ts";
import { type Bcrypt, openPasswords } from "#control/passwords/index.ts";
import { type LoginDirectory, type LoginEvent, type LoginUser, openLogins } from "#control/sessions/index.ts";
import type { Lifetimes } from "#control/sessions/tokens.ts";
import { SeededRandom } from "../../../support/seeded-random.ts";
import { MemoryDatabase } from "./memory-database.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { LogLines } from "../../../support/log-lines.ts";

/** Bcrypt that costs nothing and says what it was asked; it can be held back. */
export class CountingBcrypt implements Bcrypt {
  readonly verified: { readonly password: string; readonly hash: string }[] = [];
  hashed = 0;
  hold: Promise<void> = Promise.resolve();

  async hash(password: string): Promise<string> {
    this.hashed++;
    await this.hold;
    return `$2b$10$${Bun.hash(password).toString(16).padEnd(53, "0")}`;
  }

  async verify(password: string, hash: string): Promise<boolean> {
    this.verified.push({ password, hash });
    await this.hold;
    return hash === `$2b$10$${Bun.hash(password).toString(16).padEnd(53, "0")}`;
  }
}

/** Users in memory, as the state of the control plane holds them. */
export class Users implements LoginDirectory {
  readonly users = new Map<string, LoginUser>();
  readonly changes: string[] = [];

  byName(name: string): LoginUser | null {
    return [...this.users.values()].find((user) => user.name === name) ?? null;
  }

  byId(id: string): LoginUser | null {
    return this.users.get(id) ?? null;
  }

  view(id: string): User | null {
    const user = this.byId(id);
    if (user === null) return null;
    const { name, role, enabled, mustChangePassword } = user;
    return { name, role, enabled, mustChangePassword, uid: 1000, gid: 1000, email: "", displayName: "", groups: [], version: 1, createdAt: 0, updatedAt: 0 };
  }

  edit(id: string, change: Partial<LoginUser>): void {
    this.users.set(id, { ...(this.byId(id) as LoginUser), ...change });
  }

  async setPassword(actor: { readonly name: string; readonly address: string }, userId: string, hashed: { readonly passwordHash: string }, mustChange: boolean): Promise<void> {
    const user = this.byId(userId) as LoginUser;
    this.changes.push(`${actor.name} ${actor.address}`);
    this.edit(userId, { passwordHash: hashed.passwordHash, mustChangePassword: mustChange, sessionEpoch: user.sessionEpoch + 1 });
  }
}

export const tokenKey = new Uint8Array(32).fill(7);
export const address = "192.0.2.7";
export const aliceId = "8f14e45f-ceea-467f-a8d2-000000000001";
export const alicePassword = "correct horse";

/** The row of a user, as far as the database cares. */
export function userRow(id: string, name: string, uid = 1000) {
  const dates = { version: 1, createdAt: 0, updatedAt: 0 };
  return { id, name, passwordHash: "", ntHash: null, uid, gid: 1000, email: "", displayName: "", role: "admin", enabled: true, mustChangePassword: false, sessionEpoch: 1, ...dates };
}

/** Logins with everything around them simulated but the tokens and the rows. */
export async function makeWorld<D extends ControlDatabase = MemoryDatabase>(more: { readonly db?: D; readonly clock?: ManualClock; readonly users?: Users; readonly lifetimes?: Lifetimes; readonly tokenKey?: Uint8Array; readonly seed?: number } = {}) {
  const clock = more.clock ?? new ManualClock();
  const db = more.db ?? (new MemoryDatabase() as ControlDatabase as D);
  const users = more.users ?? new Users();
  const random = new SeededRandom(more.seed ?? 1);
  const bcrypt = new CountingBcrypt();
  const passwords = openPasswords({ clock, bcrypt });
  const events: LoginEvent[] = [];
  const log = new LogLines();
  if (more.users === undefined) {
    const { passwordHash } = await passwords.hash(alicePassword);
    users.users.set(aliceId, { id: aliceId, name: "alice", role: "admin", enabled: true, passwordHash, mustChangePassword: false, sessionEpoch: 1 });
  }
  const audit = async (event: LoginEvent) => void events.push(event);
  const options = { db, directory: users, passwords, tokenKey: more.tokenKey ?? tokenKey, clock, random, logger: log, audit };
  const logins = await openLogins(more.lifetimes === undefined ? options : { ...options, lifetimes: more.lifetimes });
  const login = () => logins.login("alice", alicePassword, address);
  return { clock, db, users, bcrypt, passwords, events, log, logins, login };
}

export type World = Awaited<ReturnType<typeof makeWorld<MemoryDatabase>>>;

/** The code a promise is refused with; null where it isn't. */
export async function refusal(work: Promise<unknown>): Promise<ControlErrorCode | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof ControlError) return error.code;
    throw error;
  }
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token made by hand. */
export function forge(claims: object, header: object = { alg: "HS256", typ: "JWT" }, key: Uint8Array = tokenKey, hash = "sha256"): string {
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest("base64url")}`;
}

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] as string, "base64url").toString()) as Record<string, unknown>;
}
