import { gidOf, Right, SdControl, type SecurityDescriptor, uidOf } from "#model/acl.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { encodeSecurityDescriptor } from "#model/security-descriptor.ts";
import { mappedEntries } from "#vfs/access/inheritance.ts";
import { derivedDescriptor, withOwners } from "#vfs/access/security.ts";
import type { NewList, SecurityRequest } from "#vfs/secured.ts";
import { NtStatus } from "#wire/ntstatus.ts";

/** SECURITY_INFORMATION (MS-DTYP 2.4.7): the parts of a descriptor a request is about. */
export const SecurityInfo = { owner: 1, group: 2, dacl: 4, sacl: 8, label: 0x10, attribute: 0x20, scope: 0x40, backup: 0x10000 } as const;

/** Parts of the system list that whoever may read the descriptor may read. */
const readable = SecurityInfo.label | SecurityInfo.attribute | SecurityInfo.scope;

/** The rights a handle needs to be asked for these parts (MS-SMB2 3.3.5.20.3). */
export function rightsToQuery(parts: number): number {
  let rights = 0;
  if ((parts & (SecurityInfo.owner | SecurityInfo.group | SecurityInfo.dacl | readable)) !== 0) rights |= Right.readControl;
  if ((parts & (SecurityInfo.sacl | SecurityInfo.backup)) !== 0) rights |= Right.systemSecurity;
  return rights;
}

/** The rights a handle needs to have these parts changed (MS-SMB2 3.3.5.21.3). */
export function rightsToSet(parts: number): number {
  let rights = 0;
  if ((parts & (SecurityInfo.owner | SecurityInfo.group | SecurityInfo.label)) !== 0) rights |= Right.writeOwner;
  if ((parts & (SecurityInfo.dacl | SecurityInfo.attribute)) !== 0) rights |= Right.writeDac;
  if ((parts & (SecurityInfo.sacl | SecurityInfo.scope | SecurityInfo.backup)) !== 0) rights |= Right.systemSecurity;
  return rights;
}

/** Bits of one of the two lists. */
interface ListBits {
  readonly plain: number;
  readonly inherited: number;
  readonly required: number;
}
const dacl: ListBits = {
  plain: SdControl.daclPresent | SdControl.daclProtected,
  inherited: SdControl.daclAutoInherited,
  required: SdControl.daclAutoInheritRequired,
};
const sacl: ListBits = {
  plain: SdControl.saclPresent | SdControl.saclProtected,
  inherited: SdControl.saclAutoInherited,
  required: SdControl.saclAutoInheritRequired,
};

/** An object's descriptor: what was stored, or what its mode says. */
export function descriptorOf(inode: Inode): SecurityDescriptor {
  return withOwners(inode.security ?? derivedDescriptor(inode.mode, inode, inode.type === FileType.directory), inode);
}

/** The bytes of an object's descriptor, of which only `parts`. */
export function describe(whole: SecurityDescriptor, parts: number): Uint8Array {
  const has = (part: number): boolean => (parts & part) !== 0;
  const control = (has(SecurityInfo.dacl) ? dacl.plain | dacl.inherited : 0) | (has(SecurityInfo.sacl) ? sacl.plain | sacl.inherited : 0);
  const shown: SecurityDescriptor = {
    control: whole.control & control,
    owner: has(SecurityInfo.owner) ? whole.owner : null,
    group: has(SecurityInfo.group) ? whole.group : null,
    dacl: has(SecurityInfo.dacl) ? whole.dacl : null,
    sacl: has(SecurityInfo.sacl) ? whole.sacl : null,
  };
  // What could be stored can be shown: owner and group are all it is longer by.
  return encodeSecurityDescriptor(shown)!;
}

/** What a client's descriptor asks to be changed; a status where it makes no sense. */
export function requested(given: SecurityDescriptor, parts: number): SecurityRequest | NtStatus {
  const { owner, group } = given;
  if ((parts & SecurityInfo.owner) !== 0 && owner === null) return NtStatus.INVALID_OWNER;
  if ((parts & SecurityInfo.group) !== 0 && group === null) return NtStatus.INVALID_PRIMARY_GROUP;
  return {
    ...((parts & SecurityInfo.owner) === 0 ? null : { owner: { sid: owner!, id: uidOf(owner!) } }),
    ...((parts & SecurityInfo.group) === 0 ? null : { group: { sid: group!, id: gidOf(group!) } }),
    ...((parts & SecurityInfo.dacl) === 0 ? null : { dacl: newList(given) }),
    ...((parts & SecurityInfo.sacl) === 0 ? null : { sacl: { entries: given.sacl, control: kept(given.control, sacl) } }),
  };
}

/** A client's discretionary list; none at all means that everybody may do everything (MS-DTYP 2.4.6). */
export function newList(given: SecurityDescriptor): NewList {
  return { entries: given.dacl === null ? null : mappedEntries(given.dacl), control: SdControl.daclPresent | kept(given.control, dacl) };
}

/** What is kept of a list's control bits: that it was inherited only where the client says that it keeps lists in step (MS-DTYP 2.5.3.4.1). */
function kept(control: number, bits: ListBits): number {
  return control & (bits.plain | ((control & bits.required) !== 0 ? bits.inherited : 0));
}
