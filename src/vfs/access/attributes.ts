import type { Time } from "#base/time.ts";
import { Right } from "#model/acl.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { denied, notPermitted } from "../errors.ts";
import { InodeFlag } from "#model/inode-flags.ts";
import type { AttributeRequest } from "../file-system.ts";
import { type Changer, inGroup, passesModes, Permission, permissions, rightsTo } from "./permissions.ts";

const setuid = 0o4000;
const setgid = 0o2000;
const groupExecute = 0o010;
const modeMask = 0o7777;

/** The columns a SETATTR ends up writing; null: as it is. */
export interface AttributeColumns {
  mode: number | null;
  uid: number | null;
  gid: number | null;
  atime: Time | null;
  mtime: Time | null;
  birth: Time | null;
  /** DOS attributes with the bit that says that they were set. */
  flags: number | null;
}

/** DOS attributes as they are stored once somebody set them. */
export function dosFlags(attributes: number): number {
  return (attributes & InodeFlag.dosMask) | InodeFlag.dosSet;
}

/**
 * The mode after content or owner changed: setuid goes, and setgid where it means "run as the group" (without group execute it
 * once meant mandatory locking and stays), as Linux does.
 */
export function withoutPrivileges(mode: number): number {
  const kept = mode & ~setuid;
  return (kept & groupExecute) !== 0 ? kept & ~setgid : kept;
}

/** Whether a write or truncation by `who` must drop setuid or setgid first. */
export function dropsPrivileges(inode: Inode, who: Credentials): boolean {
  if ((inode.mode & (setuid | setgid)) === 0 || who.superuser) return false;
  return withoutPrivileges(inode.mode) !== inode.mode;
}

/** Mode and group of a new object in `directory`: a setgid directory hands on its group, and to directories the bit too. */
export function inherited(directory: Inode, who: Changer, type: FileType, request: AttributeRequest, mode: number): { mode: number; gid: number } {
  const hands = (directory.mode & setgid) !== 0;
  const asked = who.superuser ? request.gid : undefined;
  const gid = asked ?? (hands ? directory.gid : who.gid);
  let bits = mode & modeMask;
  if (type === FileType.directory) {
    if (hands) bits |= setgid;
  } else if (!who.superuser && !inGroup(who, gid)) {
    bits &= ~setgid;
  }
  return { mode: bits, gid };
}

/** A chmod is the owner's, or where a descriptor is stored, whose it lets change it. */
function mayChangeMode(inode: Inode, who: Changer): boolean {
  return passesModes(who) || (inode.security === undefined ? who.uid === inode.uid : (rightsTo(inode, who) & Right.writeDac) !== 0);
}

function mayChangeOwner(inode: Inode, who: Changer, request: AttributeRequest): boolean {
  if (passesModes(who)) return true;
  const owner = who.uid === inode.uid;
  if (request.uid !== undefined && !(owner && request.uid === inode.uid)) return false;
  if (request.gid !== undefined && !(owner && (request.gid === inode.gid || inGroup(who, request.gid)))) return false;
  return true;
}

/** utimes: explicit times are the owner's; "now" and DOS attributes are also for whoever may write. */
function judgeTimes(inode: Inode, who: Changer, request: AttributeRequest): FsError | null {
  if (passesModes(who) || (who.opened === undefined && who.uid === inode.uid)) return null;
  const rights = who.opened ?? (inode.security === undefined ? 0 : rightsTo(inode, who));
  if ((rights & Right.writeAttributes) !== 0) return null;
  const explicit = (request.atime !== undefined && request.atime !== "now") || (request.mtime !== undefined && request.mtime !== "now");
  if (explicit || request.birth !== undefined) return notPermitted;
  if (request.atime === undefined && request.mtime === undefined && request.flags === undefined && request.flagsFrom === undefined) return null;
  return (permissions(inode, who) & Permission.write) !== 0 ? null : denied;
}

function newMode(inode: Inode, who: Changer, request: AttributeRequest): number | null {
  const ownerChanges = request.uid !== undefined || request.gid !== undefined;
  // The mode of a symbolic link means nothing and stays.
  const asked = inode.type === FileType.symlink ? undefined : request.mode;
  if (asked === undefined && !(ownerChanges && inode.type !== FileType.directory)) return null;
  let mode = (asked ?? inode.mode) & modeMask;
  if (ownerChanges && inode.type !== FileType.directory) mode = withoutPrivileges(mode);
  if (!who.superuser && !inGroup(who, request.gid ?? inode.gid)) mode &= ~setgid;
  // A share's admin rules over its files, not over the machines that run them: no program of another's becomes root's by him.
  if (!who.superuser && who.uid !== inode.uid && inode.type !== FileType.directory) mode &= ~(setuid | setgid);
  return mode === inode.mode && asked === undefined ? null : mode;
}

/** What a SETATTR (size apart) by `who` writes, or why it may not. `at`: what "now" is. */
export function decideAttributes(inode: Inode, who: Changer, request: AttributeRequest, at: Time): AttributeColumns | FsError {
  if (request.mode !== undefined && !mayChangeMode(inode, who)) return notPermitted;
  if (!mayChangeOwner(inode, who, request)) return notPermitted;
  const refused = judgeTimes(inode, who, request);
  if (refused !== null) return refused;
  const flags = request.flagsFrom === undefined ? request.flags : request.flagsFrom(inode);
  return {
    mode: newMode(inode, who, request),
    uid: request.uid ?? null,
    gid: request.gid ?? null,
    atime: request.atime === "now" ? at : (request.atime ?? null),
    mtime: request.mtime === "now" ? at : (request.mtime ?? null),
    birth: request.birth ?? null,
    flags: flags === undefined ? null : dosFlags(flags),
  };
}
