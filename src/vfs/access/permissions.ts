import type { Brand } from "#base/brand.ts";
import { allRights, executeRights, readRights, Right, type SecurityDescriptor } from "#model/acl.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import { AccessLevel } from "#model/identity.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { denied, readOnly } from "../errors.ts";
import { Access } from "../file-system.ts";
import type { SharePolicy } from "./policy.ts";
import { derivedRights, isOwner, judged, permissionBits } from "./security.ts";

/** The three permission bits of a class, as in a mode. */
export const Permission = { execute: 1, write: 2, read: 4 } as const;
/** What changing a directory's entries takes. */
const changeEntries: number = Permission.write | Permission.execute;

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

/** The same of rights. Whoever may look at attributes alone may see whose they are too. */
function rightsReach(access: AccessLevel): number {
  if (access === AccessLevel.readWrite || access === AccessLevel.admin) return allRights;
  return access === AccessLevel.read ? readRights | executeRights : Right.readAttributes | Right.readControl | Right.synchronize;
}

/**
 * The rights `who` has to an object by what is kept with it: its stored descriptor, or the mode where there is none. What its
 * directory adds is another question (`rightsThrough`).
 */
export function rightsTo(inode: Inode, who: Credentials): number {
  if (passesModes(who)) return rightsReach(who.access);
  const { security } = inode;
  if (security !== undefined) return judged(security, inode, who) & rightsReach(who.access);
  const directory = inode.type === FileType.directory;
  return derivedRights(modePermissions(inode, who), directory, who.uid === inode.uid) & rightsReach(who.access);
}

/** The permission bits `who` has: what the descriptor or the mode gives, as far as the share's level reaches. */
export function permissions(inode: Inode, who: Credentials): number {
  const { security } = inode;
  const bits = security === undefined || passesModes(who) ? modePermissions(inode, who) : securityPermissions(security, inode, who);
  return bits & reach(who.access);
}

/** Permission bits by a descriptor. Names in a directory are looked up by whom it lets traverse it, and by its owner, who might let himself. */
function securityPermissions(security: SecurityDescriptor, inode: Inode, who: Credentials): number {
  const directory = inode.type === FileType.directory;
  const bits = permissionBits(judged(security, inode, who), directory);
  return directory && isOwner(security, inode, who) ? bits | Permission.execute : bits;
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
 * (RFC 1813 §4.4). ACCESS, which decides about opening, answers from `permissions` alone. What an open file was opened with holds
 * for as long as it is open.
 */
export function contentPermissions(inode: Inode, who: Credentials): number {
  if (who.opened !== undefined) return openedPermissions(who.opened) & reach(who.access);
  const { security } = inode;
  let bits = security === undefined || passesModes(who) ? modePermissions(inode, who) : securityPermissions(security, inode, who);
  if (isOwner(security, inode, who)) bits |= Permission.read | Permission.write;
  if ((bits & Permission.execute) !== 0) bits |= Permission.read;
  return bits & reach(who.access);
}

function openedPermissions(rights: number): number {
  const read = (rights & (Right.readData | Right.execute)) !== 0 ? Permission.read : 0;
  return read | ((rights & (Right.writeData | Right.appendData)) !== 0 ? Permission.write : 0);
}

/** What changes a directory's entries: each needs a right of its own where a descriptor is stored. */
export const EntryChange = { addFile: Right.writeData, addDirectory: Right.appendData, remove: Right.deleteChild } as const;
export type EntryChange = (typeof EntryChange)[keyof typeof EntryChange];

/** Whether `who` may change the entries of a directory so. */
export function mayChangeEntries(directory: Inode, who: Credentials, change: EntryChange): boolean {
  if (directory.security === undefined || passesModes(who)) return (permissions(directory, who) & changeEntries) === changeEntries;
  return (rightsTo(directory, who) & change) !== 0;
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
  const directory = inode.type === FileType.directory;
  if (inode.security !== undefined && !passesModes(who)) return securityAccess(inode, who, directory);
  return (directory ? directoryAccess : otherAccess)[permissions(inode, who)] ?? 0;
}

function securityAccess(inode: Inode, who: Credentials, directory: boolean): number {
  const bits = permissions(inode, who);
  const rights = rightsTo(inode, who);
  if (!directory) {
    const extend = (rights & Right.appendData) !== 0 ? Access.extend : 0;
    return (otherAccess[bits]! & ~Access.extend) | extend;
  }
  let access = (bits & Permission.read) !== 0 ? Access.read : 0;
  if ((bits & Permission.execute) !== 0) access |= Access.lookup;
  // Clients take a directory for writable only if it may be modified, extended and deleted from.
  if ((rights & Right.writeData) !== 0) access |= Access.modify | Access.extend;
  if ((rights & Right.deleteChild) !== 0) access |= Access.delete;
  return access;
}

/** In a sticky directory only the owner of the entry's object or of the directory removes or renames an entry. */
export function stickyForbids(directory: Inode, child: Inode, who: Credentials): boolean {
  if ((directory.mode & sticky) === 0 || passesModes(who)) return false;
  return who.uid !== child.uid && who.uid !== directory.uid;
}

/** Whether `who` may remove or rename an object: its directory lets him (POSIX's way), or its own stored descriptor does. */
export function mayRemove(directory: Inode, child: Inode, who: Credentials): boolean {
  if (mayChangeEntries(directory, who, EntryChange.remove) && !stickyForbids(directory, child, who)) return true;
  return child.security !== undefined && (rightsTo(child, who) & Right.delete) !== 0;
}

/**
 * The rights `who` has to an object under its directory (MS-FSA 2.1.5.1.2.1): whoever may list that sees attributes, and whoever may
 * delete from it deletes. Where no descriptor is stored nothing else lets anybody delete. `directory` null: of a share's root.
 */
export function rightsThrough(directory: Inode | null, inode: Inode, who: Credentials): number {
  let rights = rightsTo(inode, who);
  if (directory === null) return rights;
  if ((permissions(directory, who) & Permission.read) !== 0) rights |= Right.readAttributes;
  return mayRemove(directory, inode, who) ? (rights | Right.delete) & rightsReach(who.access) : rights & ~Right.delete;
}
