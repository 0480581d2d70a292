import type { Actor, Role, User } from "../nouns.ts";

/** What a log-in needs to know of a user. */
export interface LoginUser {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly enabled: boolean;
  readonly passwordHash: string;
  readonly mustChangePassword: boolean;
  /** Tokens of another one are refused. */
  readonly sessionEpoch: number;
}

/** The users, as they are in memory now. */
export interface LoginDirectory {
  byName(name: string): LoginUser | null;
  byId(id: string): LoginUser | null;
  view(id: string): User | null;
  /** Resolves when it is durable and `byId` shows it, the session epoch raised. Writes it to the audit log. */
  setPassword(actor: Actor, userId: string, hashed: { readonly passwordHash: string; readonly ntHash: string }, mustChange: boolean): Promise<void>;
}

/** What goes into the audit log about log-ins; never a token, never what somebody typed. */
export interface LoginEvent {
  readonly action: "login" | "login_failed" | "logout" | "session_revoked";
  /** Null for a name that nobody has: people type their password into the wrong field. */
  readonly user: string | null;
  readonly address: string;
  /** Null where none came of it. */
  readonly sessionId: string | null;
}
