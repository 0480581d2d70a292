import type { Brand } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import { AccessLevel } from "#model/identity.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { denied, readOnly } from "../errors.ts";
import { Access } from "../file-system.ts";
import type { SharePolicy } from "./policy.ts";

/** The three permission bits of a class, as in a mode. */
export const Permission = { execute: 1, write: 2, read: 4 } as const;
/** What changing a directory's entries takes. */
export const changeEntries: number = Permission.write | Permission.execute;

const sticky = 0o1000;

export function inGroup(who: Credentials, gid: number): boolean {
  return who.gid === gid || who.groups.includes(gid);
}

/**
 * Somebody whom the share lets change something at all. Nothing but `changerOf` makes one, and neither a change set nor content is
 * taken from anybody else: an operation that forgot to ask does not compile.
 */
export type Changer = Brand<Credentials, "Changer">;

/** `who` as one who may change something in the share, or why not. Files' own permissions are another question. */
export function changerOf(policy: SharePolicy, who: Credentials): Changer | FsError {
  const access = who.access;
  if (access === AccessLevel.none) return denied;
  if (policy.readOnly) return readOnly;
  return access === AccessLevel.read ? denied : (who as Changer);
}

/** Why `who` may read nothing of the share, or null: for what no file's mode protects. */
export function refuseReader(who: Credentials): FsError | null {
  return who.access === AccessLevel.none ? denied : null;
}

/** Whether files' modes and owners stand in nobody's way: the superuser's, and whom the share made its admin. */
export function passesModes(who: Credentials): boolean {
  return who.superuser || who.access === AccessLevel.admin;
}

/** The permission bits that the share's level leaves of all. */
function reach(access: AccessLevel): number {
  if (access === AccessLevel.readWrite || access === AccessLevel.admin) return 7;
  return access === AccessLevel.read ? Permission.read | Permission.execute : 0;
}

/** The permission bits `who` has: what the mode gives, as far as the share's level reaches. */
export function permissions(inode: Inode, who: Credentials): number {
  return modePermissions(inode, who) & reach(who.access);
}

/**
 * The bits of the first class that matches, owner before group before others (POSIX: a later class is not looked at, even if it
 * would allow more). The superuser reads and writes everything, searches every directory, and executes what anybody may execute.
 */
function modePermissions(inode: Inode, who: Credentials): number {
  const mode = inode.mode;
  if (passesModes(who)) return inode.type === FileType.directory || (mode & 0o111) !== 0 ? 7 : 6;
  if (who.uid === inode.uid) return (mode >> 6) & 7;
  if (inGroup(who, inode.gid)) return (mode >> 3) & 7;
  return mode & 7;
}

/**
 * The permission bits for READ, WRITE and truncation. A stateless server can't know that a file was opened before a chmod took
 * the right away, nor that a page is read to be executed: the owner always may read and write, and execute means read
 * (RFC 1813 §4.4). ACCESS, which decides about opening, answers from `permissions` alone.
 */
export function contentPermissions(inode: Inode, who: Credentials): number {
  let bits = modePermissions(inode, who);
  if (who.uid === inode.uid) bits |= Permission.read | Permission.write;
  if ((bits & Permission.execute) !== 0) bits |= Permission.read;
  return bits & reach(who.access);
}

/** The Access bits each set of permission bits gives, by kind of object: index is the permission bits. */
function accessTable(bitsOf: (permission: number) => number): readonly number[] {
  return [0, 1, 2, 3, 4, 5, 6, 7].map(bitsOf);
}
const directoryAccess = accessTable(
  (p) =>
    ((p & Permission.read) !== 0 ? Access.read : 0) |
    ((p & Permission.execute) !== 0 ? Access.lookup : 0) |
    ((p & changeEntries) === changeEntries ? Access.modify | Access.extend | Access.delete : 0),
);
const otherAccess = accessTable(
  (p) =>
    ((p & Permission.read) !== 0 ? Access.read : 0) |
    ((p & Permission.write) !== 0 ? Access.modify | Access.extend : 0) |
    ((p & Permission.execute) !== 0 ? Access.execute : 0),
);

/** The Access bits `who` has on an object. */
export function accessBits(inode: Inode, who: Credentials): number {
  const table = inode.type === FileType.directory ? directoryAccess : otherAccess;
  return table[permissions(inode, who)] ?? 0;
}

/** In a sticky directory only the owner of the entry's object or of the directory removes or renames an entry. */
export function stickyForbids(directory: Inode, child: Inode, who: Credentials): boolean {
  if ((directory.mode & sticky) === 0 || passesModes(who)) return false;
  return who.uid !== child.uid && who.uid !== directory.uid;
}
