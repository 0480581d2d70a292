import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { Access, type FileSystem } from "#vfs/file-system.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { ntStatusOf } from "../status.ts";

export const fullAccess =
  0x1ff | AccessMask.DELETE | AccessMask.READ_CONTROL | AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER | AccessMask.SYNCHRONIZE;
const readRights = AccessMask.READ_DATA | AccessMask.READ_EA | AccessMask.READ_ATTRIBUTES | AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE;
const writeRights = AccessMask.WRITE_DATA | AccessMask.APPEND_DATA | AccessMask.WRITE_EA | AccessMask.WRITE_ATTRIBUTES | AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE;
const executeRights = AccessMask.EXECUTE | AccessMask.READ_ATTRIBUTES | AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE;

/** The rights asked for, generic ones resolved, if mode bits and grants allow them all; MAXIMUM_ALLOWED gives what they allow. */
export async function granted(fs: FileSystem, who: Credentials, inode: Inode, desired: number, made: boolean): Promise<number | { refused: number }> {
  let wanted = desired & fullAccess;
  if ((desired & AccessMask.GENERIC_READ) !== 0) wanted |= readRights;
  if ((desired & AccessMask.GENERIC_WRITE) !== 0) wanted |= writeRights;
  if ((desired & AccessMask.GENERIC_EXECUTE) !== 0) wanted |= executeRights;
  if ((desired & AccessMask.GENERIC_ALL) !== 0) wanted |= fullAccess;
  if (made) return (desired & AccessMask.MAXIMUM_ALLOWED) === 0 ? wanted : fullAccess;
  const all = Access.read | Access.lookup | Access.modify | Access.extend | Access.delete | Access.execute;
  const answer = await fs.access(who, inode.id, all);
  if (answer instanceof FsError) return { refused: ntStatusOf(answer) };
  const may = rightsOf(answer.granted, who.superuser || who.access === "admin" || who.uid === inode.uid);
  if ((desired & AccessMask.MAXIMUM_ALLOWED) !== 0) wanted |= may;
  return (wanted & ~may) === 0 ? wanted : { refused: NtStatus.ACCESS_DENIED };
}

/** Rights that ACCESS bits stand for; whoever looks may look at attributes, and the owner may change them. */
function rightsOf(bits: number, owner: boolean): number {
  let rights = AccessMask.READ_ATTRIBUTES | AccessMask.READ_EA | AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE | AccessMask.DELETE;
  if ((bits & Access.read) !== 0) rights |= AccessMask.READ_DATA | AccessMask.EXECUTE;
  if ((bits & (Access.execute | Access.lookup)) !== 0) rights |= AccessMask.EXECUTE;
  if ((bits & Access.modify) !== 0) rights |= AccessMask.WRITE_DATA | AccessMask.APPEND_DATA | AccessMask.WRITE_EA | AccessMask.WRITE_ATTRIBUTES | AccessMask.DELETE_CHILD;
  if (owner) rights |= AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER | AccessMask.WRITE_ATTRIBUTES;
  return rights;
}
