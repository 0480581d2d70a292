import { type Time, timeAfter } from "#base/time.ts";
import { Right, SdControl, type SecurityDescriptor } from "#model/acl.ts";
import type { Change as StoreChange } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode, isStream } from "#model/inode.ts";
import { XattrName } from "#model/inode-flags.ts";
import { encodeSecurityDescriptor } from "#model/security-descriptor.ts";
import { type AttributeColumns, withoutPrivileges } from "../access/attributes.ts";
import { defaultDescriptor, inheritedDescriptor } from "../access/inheritance.ts";
import { type Changer, changerOf, passesModes, rightsTo } from "../access/permissions.ts";
import { derivedDescriptor, holds, modeOf } from "../access/security.ts";
import { invalid, notPermitted, stale } from "../errors.ts";
import type { Change } from "../file-system.ts";
import { Operation, untilApplied } from "../operation.ts";
import type { MadeSecurity, NewOwner, SecurityRequest } from "../secured.ts";
import type { Share } from "../share.ts";

/** Longest descriptor that is stored; with owner and group it still is one that can be read. */
const storedBytesMax = 60 * 1024;
const classes = 0o777;
const othersClasses = 0o077;

/**
 * Changes an object's security descriptor. The mode is what NFS shows of it from then on, and who owns the object is its uid and gid
 * wherever numbers stand for that.
 */
export function setSecurity(share: Share, who: Credentials, id: FileId, request: SecurityRequest): Promise<Change | FsError> {
  return untilApplied(async (attempt) => {
    const changer = changerOf(share.policy, who);
    if (changer instanceof FsError) return changer;
    const inode = await share.inodes.load(id);
    if (inode === null) return stale;
    // A stream has its owner's, which is set there.
    if (isStream(inode)) return invalid;
    const refused = refuse(inode, changer, request);
    if (refused !== null) return refused;
    const changes = changesOf(share, inode, request);
    if (changes instanceof FsError) return changes;
    const conditions = [{ is: "live", id } as const, { is: "attributeVersion", id, version: inode.attributeVersion } as const];
    const operation = new Operation(conditions, changes, id);
    const touched = await share.apply(changer, operation, attempt);
    if (touched === null || touched instanceof FsError) return touched;
    return { before: operation.before ?? inode, after: operation.after ?? share.inodes.hit(id) };
  });
}

function refuse(inode: Inode, who: Changer, request: SecurityRequest): FsError | null {
  if (passesModes(who)) return null;
  const rights = who.opened ?? rightsTo(inode, who);
  const needs =
    (request.dacl === undefined ? 0 : Right.writeDac) |
    (request.owner === undefined && request.group === undefined ? 0 : Right.writeOwner) |
    (request.sacl === undefined ? 0 : Right.systemSecurity);
  if ((rights & needs) !== needs) return notPermitted;
  // An object is given to nobody else: it is taken (MS-DTYP 2.5.3.4, MS-FSA 2.1.5.17).
  if (request.owner !== undefined && !same(request.owner, inode.uid) && !holds(who, request.owner.sid)) return invalid;
  if (request.group !== undefined && !same(request.group, inode.gid) && !holds(who, request.group.sid)) return invalid;
  return null;
}

function same(asked: NewOwner, id: number): boolean {
  return asked.id === id;
}

function changesOf(share: Share, inode: Inode, request: SecurityRequest): readonly StoreChange[] | FsError {
  const owned = { uid: request.owner?.id ?? inode.uid, gid: request.group?.id ?? inode.gid };
  const chowns = owned.uid !== inode.uid || owned.gid !== inode.gid;
  const at = timeAfter(inode.ctime, share.clock.now());
  const next = changed(inode, request);
  let mode = next === null ? inode.mode : (inode.mode & ~classes) | modeOf(next, owned);
  if (chowns && inode.type !== FileType.directory) mode = withoutPrivileges(mode);
  const attributes: StoreChange = {
    do: "setAttributes",
    id: inode.id,
    at,
    ...(inode.type === FileType.symlink ? null : { mode }),
    ...(chowns ? { uid: owned.uid, gid: owned.gid } : null),
  };
  if (next === null) return [attributes];
  const value = encodeSecurityDescriptor(next);
  if (value === null || value.length > storedBytesMax) return invalid;
  return [attributes, { do: "setXattr", id: inode.id, name: XattrName.security, value, at }];
}

/** The descriptor after the change; null: owner and mode say all of it, and nothing need be stored. */
function changed(inode: Inode, request: SecurityRequest): SecurityDescriptor | null {
  const { owner, group, dacl, sacl } = request;
  const numbered = (owner === undefined || owner.id !== null) && (group === undefined || group.id !== null);
  if (inode.security === undefined && dacl === undefined && sacl === undefined && numbered) return null;
  const now = inode.security ?? derivedDescriptor(inode.mode, inode, inode.type === FileType.directory);
  const { dacl: keptDacl, sacl: keptSacl } = now;
  const daclBits = SdControl.daclPresent | SdControl.daclProtected | SdControl.daclAutoInherited;
  const saclBits = SdControl.saclPresent | SdControl.saclProtected | SdControl.saclAutoInherited;
  return {
    control: ((dacl?.control ?? now.control) & daclBits) | ((sacl?.control ?? now.control) & saclBits) | SdControl.daclPresent,
    owner: owner === undefined ? now.owner : owner.id === null ? owner.sid : null,
    group: group === undefined ? now.group : group.id === null ? group.sid : null,
    dacl: dacl === undefined ? keptDacl : dacl.entries,
    sacl: sacl === undefined ? keptSacl : sacl.entries,
  };
}

/**
 * What a SETATTR makes of a stored descriptor: a chmod takes its place, as whoever came last decides; a chown keeps the lists and makes
 * the new numbers the owner. One that leaves read, write and execute as they are shown changes nothing: what is not shown there nobody has.
 */
export function underAttributes(inode: Inode, columns: AttributeColumns, at: Time): StoreChange | null {
  const { security } = inode;
  if (security === undefined) return null;
  const { mode, uid, gid } = columns;
  const store = (value: Uint8Array | null): StoreChange => ({ do: "setXattr", id: inode.id, name: XattrName.security, value, at });
  if (mode !== null && ((mode ^ inode.mode) & classes) !== 0) return store(null);
  if (uid === null && gid === null) return null;
  const next = { ...security, owner: uid === null ? security.owner : null, group: gid === null ? security.group : null };
  columns.mode = ((mode ?? inode.mode) & ~classes) | modeOf(next, { uid: uid ?? inode.uid, gid: gid ?? inode.gid });
  return next.owner === security.owner && next.group === security.group ? null : store(encodeSecurityDescriptor(next));
}

/** A new object's descriptor with its bytes and the mode it shows. */
export interface NewSecurity {
  readonly value: Uint8Array;
  readonly mode: number;
}

/**
 * The descriptor of an object made in `parent`; null: its mode says it all. What the maker gives it comes first, then what the directory
 * hands on, whatever the protocol it is made by: only a mode that keeps everybody else out (umask 077) is taken at its word instead.
 */
export function securityOfNew(parent: Inode, inode: Inode, made: MadeSecurity): NewSecurity | null {
  const above = parent.security;
  if (above === undefined && made.security === undefined) return null;
  if (inode.type !== FileType.regular && inode.type !== FileType.directory) return null;
  const descriptor = made.security ?? handedOn(above!, inode, made.secured === true);
  if (descriptor === null) return null;
  const value = encodeSecurityDescriptor(descriptor);
  // Lists that are handed on are no longer than the directory's own, but for entries that became two.
  if (value === null || value.length > storedBytesMax) return null;
  return { value, mode: (inode.mode & ~classes) | modeOf(descriptor, inode) };
}

function handedOn(above: SecurityDescriptor, inode: Inode, secured: boolean): SecurityDescriptor | null {
  if (!secured && (inode.mode & othersClasses) === 0) return null;
  return inheritedDescriptor(above, inode, inode.type === FileType.directory) ?? (secured ? defaultDescriptor(inode) : null);
}
