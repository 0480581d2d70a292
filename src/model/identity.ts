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

/** A server that knows nobody. */
export const nobodyKnown: Identity = { userByUid: () => null, userByName: () => null };
