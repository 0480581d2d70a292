/** Who a security descriptor speaks of: a SID as text (MS-DTYP 2.4.2.1), "S-1-…" in decimal. */
export type Sid = string;

/** Rights to a file or directory (MS-DTYP 2.4.3, MS-SMB2 2.2.13.1); of directories: list, add file, add subdirectory, traverse. */
export const Right = {
  readData: 0x1,
  writeData: 0x2,
  appendData: 0x4,
  readEa: 0x8,
  writeEa: 0x10,
  execute: 0x20,
  deleteChild: 0x40,
  readAttributes: 0x80,
  writeAttributes: 0x100,
  delete: 0x10000,
  readControl: 0x20000,
  writeDac: 0x40000,
  writeOwner: 0x80000,
  synchronize: 0x100000,
  systemSecurity: 0x1000000,
  maximumAllowed: 0x2000000,
  genericAll: 0x10000000,
  genericExecute: 0x20000000,
  genericWrite: 0x40000000,
  genericRead: 0x80000000,
} as const;

/** Every right there is to a file. */
export const allRights = 0x1f01ff;
/** What generic rights stand for. */
export const readRights: number = Right.readData | Right.readEa | Right.readAttributes | Right.readControl | Right.synchronize;
export const writeRights: number =
  Right.writeData | Right.appendData | Right.writeEa | Right.writeAttributes | Right.readControl | Right.synchronize;
export const executeRights: number = Right.execute | Right.readAttributes | Right.readControl | Right.synchronize;

/** A mask with its generic rights made specific, and bits that mean nothing for files left out. */
export function specificRights(mask: number): number {
  let rights = mask & (allRights | Right.systemSecurity);
  if ((mask & Right.genericRead) !== 0) rights |= readRights;
  if ((mask & Right.genericWrite) !== 0) rights |= writeRights;
  if ((mask & Right.genericExecute) !== 0) rights |= executeRights;
  if ((mask & Right.genericAll) !== 0) rights |= allRights;
  return rights;
}

/** SIDs that mean the same everywhere (MS-DTYP 2.4.2.4). */
export const WellKnown = {
  everyone: "S-1-1-0",
  creatorOwner: "S-1-3-0",
  creatorGroup: "S-1-3-1",
  ownerRights: "S-1-3-4",
  network: "S-1-5-2",
  anonymous: "S-1-5-7",
  authenticated: "S-1-5-11",
  system: "S-1-5-18",
  administrators: "S-1-5-32-544",
  users: "S-1-5-32-545",
} as const;

const userPrefix = "S-1-22-1-";
const groupPrefix = "S-1-22-2-";

/** The SID of a user or group of this server, from its number: the same on every server, now and later. */
export function userSid(uid: number): Sid {
  return userPrefix + uid;
}
export function groupSid(gid: number): Sid {
  return groupPrefix + gid;
}

/** The number of the user (group) a SID stands for; null: it stands for none. */
export function uidOf(sid: Sid): number | null {
  return sid.startsWith(userPrefix) ? numberIn(sid, userPrefix.length) : null;
}
export function gidOf(sid: Sid): number | null {
  return sid.startsWith(groupPrefix) ? numberIn(sid, groupPrefix.length) : null;
}

/** What follows at `from` if it is one sub-authority and no more. */
function numberIn(sid: Sid, from: number): number | null {
  const digits = sid.slice(from);
  return /^\d{1,10}$/.test(digits) ? Number(digits) : null;
}

/** What an access control entry does (MS-DTYP 2.4.4.1). Of what is not named here files know nothing, and it is kept. */
export const AceType = { allowed: 0, denied: 1, audit: 2, alarm: 3, allowedCallback: 9, deniedCallback: 10 } as const;

export const AceFlag = { objectInherit: 1, containerInherit: 2, noPropagate: 4, inheritOnly: 8, inherited: 0x10 } as const;

/** Control bits of a descriptor (MS-DTYP 2.4.6). */
export const SdControl = {
  daclPresent: 0x4,
  daclDefaulted: 0x8,
  saclPresent: 0x10,
  saclDefaulted: 0x20,
  daclAutoInheritRequired: 0x100,
  saclAutoInheritRequired: 0x200,
  daclAutoInherited: 0x400,
  saclAutoInherited: 0x800,
  daclProtected: 0x1000,
  saclProtected: 0x2000,
  selfRelative: 0x8000,
} as const;

/** Whom an entry is for, as the judgement asks. */
export const Trustee = { nobody: 0, everyone: 1, authenticated: 2, ownerRights: 3, administrators: 4, user: 5, group: 6 } as const;
export type Trustee = (typeof Trustee)[keyof typeof Trustee];

/** An access control entry. Immutable. */
export class Ace {
  readonly type: number;
  readonly flags: number;
  readonly mask: number;
  readonly sid: Sid;
  /** What stands behind the SID (conditions, claims); null: nothing. */
  readonly data: Uint8Array | null;
  readonly trustee: Trustee;
  /** Number of the user or group. */
  readonly trusteeId: number;

  constructor(type: number, flags: number, mask: number, sid: Sid, data: Uint8Array | null = null) {
    this.type = type;
    this.flags = flags;
    this.mask = mask;
    this.sid = sid;
    this.data = data;
    this.trustee = trusteeOf(sid);
    this.trusteeId = uidOf(sid) ?? gidOf(sid) ?? 0;
  }

  with(changes: { readonly flags?: number; readonly mask?: number; readonly sid?: Sid }): Ace {
    return new Ace(this.type, changes.flags ?? this.flags, changes.mask ?? this.mask, changes.sid ?? this.sid, this.data);
  }
}

function trusteeOf(sid: Sid): Trustee {
  switch (sid) {
    case WellKnown.everyone:
      return Trustee.everyone;
    // Whoever gets this far came over the network; only a guest was not authenticated.
    case WellKnown.authenticated:
    case WellKnown.users:
      return Trustee.authenticated;
    case WellKnown.network:
      return Trustee.everyone;
    case WellKnown.ownerRights:
      return Trustee.ownerRights;
    case WellKnown.administrators:
    case WellKnown.system:
      return Trustee.administrators;
    default:
      if (uidOf(sid) !== null) return Trustee.user;
      return gidOf(sid) !== null ? Trustee.group : Trustee.nobody;
  }
}

/** Who may do what to an object, as SMB sees it. Immutable. */
export interface SecurityDescriptor {
  /** `SdControl` bits. */
  readonly control: number;
  /** Null in a stored descriptor: the owner (group) is the object's uid (gid). Set: somebody no uid (gid) stands for. */
  readonly owner: Sid | null;
  readonly group: Sid | null;
  /** Null with `daclPresent`: everybody may do everything. */
  readonly dacl: readonly Ace[] | null;
  readonly sacl: readonly Ace[] | null;
}

/** A descriptor that lets nobody but the owner's implicit rights and administrators in: what damaged ones are taken for. */
export const closedDescriptor: SecurityDescriptor = { control: SdControl.daclPresent, owner: null, group: null, dacl: [], sacl: null };
