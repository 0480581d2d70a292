import type { Credentials } from "#model/credentials.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { Access } from "../file-system.ts";

/** The three permission bits of a class, as in a mode. */
export const Permission = { execute: 1, write: 2, read: 4 } as const;
/** What changing a directory's entries takes. */
export const changeEntries: number = Permission.write | Permission.execute;

const sticky = 0o1000;

export function inGroup(who: Credentials, gid: number): boolean {
  return who.gid === gid || who.groups.includes(gid);
}

/**
 * The permission bits `who` has: those of the first class that matches, owner before group before others (POSIX: a later class
 * is not looked at, even if it would allow more). The superuser reads and writes everything, searches every directory, and
 * executes what anybody may execute.
 */
export function permissions(inode: Inode, who: Credentials): number {
  const mode = inode.mode;
  if (who.superuser) return inode.type === FileType.directory || (mode & 0o111) !== 0 ? 7 : 6;
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
  let bits = permissions(inode, who);
  if (who.uid === inode.uid) bits |= Permission.read | Permission.write;
  if ((bits & Permission.execute) !== 0) bits |= Permission.read;
  return bits;
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
  if ((directory.mode & sticky) === 0 || who.superuser) return false;
  return who.uid !== child.uid && who.uid !== directory.uid;
}
