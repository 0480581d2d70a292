import { Ace, AceType, type SecurityDescriptor } from "#model/acl.ts";
import type { Inode } from "#model/inode.ts";

/*
 * Owner, group and mode as entries of an access list that let nobody do or not do anything: S-1-5-88-1-UID, S-1-5-88-2-GID and
 * S-1-5-88-3-MODE, all "denied" with no rights, as Microsoft's NFS server began it. macOS shows them, and changes a mode by them.
 */
const prefix = "S-1-5-88-";
const modePrefix = `${prefix}3-`;
const permissionMask = 0o777;
const typeAndPermission = 0o177777;

/** The descriptor with the entries of this object in place of any it has. */
export function withNfsAces(descriptor: SecurityDescriptor, inode: Inode, mode: number): SecurityDescriptor {
  if (descriptor.dacl === null) return descriptor;
  const entries = [`${modePrefix}${mode & typeAndPermission}`, `${prefix}1-${inode.uid}`, `${prefix}2-${inode.gid}`];
  return { ...descriptor, dacl: [...entries.map((sid) => new Ace(AceType.denied, 0, 0, sid)), ...withoutNfsAces(descriptor.dacl)] };
}

/** A list as it is stored. */
export function withoutNfsAces(dacl: readonly Ace[]): readonly Ace[] {
  return dacl.filter(({ sid }) => !sid.startsWith(prefix));
}

/** The permission bits a list asks for; null: none. */
export function modeAskedFor(dacl: readonly Ace[]): number | null {
  const entry = dacl.find(({ sid }) => sid.startsWith(modePrefix));
  const mode = entry === undefined ? Number.NaN : Number(entry.sid.slice(modePrefix.length));
  return Number.isInteger(mode) ? mode & permissionMask : null;
}
