import { allRights, Right, specificRights } from "#model/acl.ts";
import { AccessLevel } from "#model/identity.ts";
import type { Credentials } from "#model/credentials.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { rightsThrough } from "#vfs/access/permissions.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Disposition } from "#wire/smb2/create.ts";

const changing = Right.writeData | Right.appendData | Right.writeEa | Right.writeAttributes | Right.deleteChild | Right.delete | Right.writeDac | Right.writeOwner;

const contentRights = Right.writeData | Right.appendData;

/** The most `who` may do with a file in the share at all: what TREE_CONNECT tells. */
export function shareAccess(fs: FileSystem, who: Credentials): number {
  if (who.access === AccessLevel.none) return 0;
  return fs.policy.readOnly || who.access === AccessLevel.read ? allRights & ~changing : allRights;
}

/** The most `who` may do with an object; `parent` null: it is the share's root. */
export function maximalAccess(fs: FileSystem, who: Credentials, parent: Inode | null, inode: Inode): number {
  const rights = rightsThrough(parent, inode, who);
  if (fs.policy.readOnly) return rights & ~changing;
  // Nobody opens a read-only file to write it (MS-FSA 2.1.5.1.2); who opened it before goes on.
  return inode.type !== FileType.directory && (inode.flags & FileAttribute.READONLY) !== 0 ? rights & ~contentRights : rights;
}

/** Rights that opening takes beside those asked for, and that the open file does not get (MS-FSA 2.1.5.1.2): to replace content is to write. */
export function momentaryRights(disposition: number): number {
  return disposition === Disposition.SUPERSEDE || disposition === Disposition.OVERWRITE || disposition === Disposition.OVERWRITE_IF ? Right.writeData : 0;
}

/** What an open file was given, or why it is not opened. */
export type Granted = { readonly access: number } | { readonly refused: NtStatus };

/**
 * The rights an open file gets (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1.2.1): those asked for, generic ones made specific, if all are to be had;
 * with MAXIMUM_ALLOWED the most there is beside them. To whoever just made the object nothing is refused.
 */
export function grantAccess(fs: FileSystem, who: Credentials, parent: Inode | null, inode: Inode, desired: number, momentary: number, made: boolean): Granted {
  if ((desired & Right.systemSecurity) !== 0) return { refused: NtStatus.PRIVILEGE_NOT_HELD };
  const asked = specificRights(desired) & allRights;
  const maximum = (desired & Right.maximumAllowed) !== 0;
  if (made) return { access: maximum ? allRights : asked };
  const may = maximalAccess(fs, who, parent, inode);
  // A handle may be waited on by whoever gets one.
  if (((asked | momentary) & ~(may | Right.synchronize)) !== 0) return { refused: NtStatus.ACCESS_DENIED };
  return { access: maximum ? asked | may : asked };
}
