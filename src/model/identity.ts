/** What somebody may do in a share, whatever the protocol; each level includes those before it. */
export const AccessLevel = {
  /** Nothing but look at attributes. */
  none: "none",
  /** Look and read; every change is refused. */
  read: "read",
  /** What the files' own permissions allow. */
  readWrite: "read-write",
  /** Everything in this share, whatever the files' permissions say. */
  admin: "admin",
} as const;
export type AccessLevel = (typeof AccessLevel)[keyof typeof AccessLevel];

/** The levels from least to most. */
export const accessLevels: readonly AccessLevel[] = [AccessLevel.none, AccessLevel.read, AccessLevel.readWrite, AccessLevel.admin];

/** The larger of two levels. */
export function higherAccess(a: AccessLevel, b: AccessLevel): AccessLevel {
  return accessLevels.indexOf(a) >= accessLevels.indexOf(b) ? a : b;
}

/** Somebody the server knows by name. */
export interface KnownUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Numbers of the groups the user is a member of. That a group's number is `gid` makes nobody a member. */
  readonly groups: readonly number[];
  /** Their names, in the same order. */
  readonly groupNames: readonly string[];
  /** False: locked out of everything. */
  readonly enabled: boolean;
}

/** Who is who: an immutable snapshot, replaced whole. Look-ups are answered from memory. */
export interface Identity {
  userByUid(uid: number): KnownUser | null;
  userByName(name: string): KnownUser | null;
}

/** An optional ability: names of groups. */
export interface NamesGroups {
  groupName(gid: number): string | null;
  gidOfGroup(name: string): number | null;
}

/** The ability of an identity that has it. */
export function groupNamesOf(identity: Identity): NamesGroups | null {
  return "groupName" in identity ? (identity as unknown as NamesGroups) : null;
}

/** A server that knows nobody. */
export const nobodyKnown: Identity = { userByUid: () => null, userByName: () => null };

/** Somebody who can prove that he knows his password without sending it (NTLM). */
export interface Account {
  readonly user: KnownUser;
  /** NTOWFv1 of the password (MS-NLMP 3.3.1): 16 bytes. Null: it can't be read, and nobody gets in. */
  readonly ntHash: Uint8Array | null;
  /** The password lets nobody in before it is another. */
  readonly mustChangePassword: boolean;
  /** Raised by whatever ends the user's sessions: those begun under another are over. */
  readonly sessionEpoch: number;
}

/** Who can log in: an immutable snapshot, replaced whole. Look-ups are answered from memory. */
export interface Accounts {
  /** Upper and lower case are the same; null: nobody has this name, or no password. */
  byName(name: string): Account | null;
}

export const noAccounts: Accounts = { byName: () => null };

/** An attempt to log in that was let through; it counts as failed unless told otherwise. */
export interface LoginAttempt {
  succeeded(): void;
  /** No password was tried. */
  withdraw(): void;
}

/** Slows those who guess passwords. */
export interface LoginAttempts {
  /** Null: too many from there, or of this name; nothing is to be tried. */
  begin(name: string, address: string): LoginAttempt | null;
}

/** Of a server that lets nobody try. */
export const noAttempts: LoginAttempts = { begin: () => null };
